// ATTACHED: the journal of a publisher on this machine, read where it lies.
#include <gtest/gtest.h>

#include "machine_test_base.h"

namespace pipedup {
namespace {

class Attached : public MachineTest {
 protected:
  ModeMachine& Meet(Position head, Beginning::Kind from = Beginning::Kind::kStart,
                    const std::string& journal = "/journal") {
    ModeOptions options;
    options.attach = true;
    options.from.kind = from;
    Make(options);
    control::Welcome welcome = WelcomeTo(0, head);
    welcome.journal = journal;
    machine_->OnWelcome(welcome, now_);
    return *machine_;
  }
  void Local(Position from, Position to) {
    machine_->OnLocal(Data(from, to), Payload(from, to), now_);
  }
  Calls Later(const Calls& calls) {
    Calls without;
    for (const std::string& call : calls) {
      if (call != "ping" && call != "hello") without.push_back(call);
    }
    return without;
  }
};

TEST_F(Attached, BeginsAsSoonAsThePositionIsKnown) {
  Meet(320);
  EXPECT_EQ(actions_.Take(),
            (Calls{"hello", "mode catch-up", "attach /journal at 0", "mode attached"}));
  Local(0, 160);
  Local(160, 320);
  EXPECT_EQ(actions_.Take(), (Calls{"begin 0", "deliver 0-160", "deliver 160-320"}));
  EXPECT_EQ(actions_.delivered, Text(0, 320));
}

TEST_F(Attached, WhereOnlyThePublisherKnowsTheBeginningItIsAskedFirst) {
  Meet(320, Beginning::Kind::kNow);
  EXPECT_EQ(actions_.TakeLast(), "read last 0 max 4194304");
  Done(320, 0, 320);
  EXPECT_TRUE(actions_.Called("begin 320"));
  EXPECT_EQ(machine_->state(), State::kAttached);
  EXPECT_FALSE(actions_.Called("unsubscribe demo") && !actions_.Called("subscribe demo"));
}

TEST_F(Attached, IsNotTriedWithoutAJournalOrAgainstTheOption) {
  Meet(320, Beginning::Kind::kStart, "");
  EXPECT_EQ(actions_.TakeLast(), "read 0 max 320");
  From(Beginning::Kind::kStart, 0);
  control::Welcome welcome = WelcomeTo(0, 320);
  welcome.journal = "/journal";
  machine_->OnWelcome(welcome, now_);
  EXPECT_EQ(actions_.TakeLast(), "read 0 max 320");
}

TEST_F(Attached, WhatCannotBeAttachedIsReadOverTheNetworkAndTriedAgainLessAndLess) {
  actions_.attachable = false;
  Meet(320);
  EXPECT_EQ(actions_.TakeLast(), "read 0 max 320");
  Replay(0, 320);
  Done(320, 0, 320);
  LiveHead(320);
  EXPECT_EQ(machine_->state(), State::kLive);
  const auto tries = [this](std::chrono::seconds time) {
    actions_.Take();
    for (auto passed = std::chrono::milliseconds(0); passed < time;
         passed += std::chrono::milliseconds(500)) {
      Pass(std::chrono::milliseconds(500));
      LiveHead(320);
      machine_->OnDone({0, control::Done::Outcome::kOk, kSession, 0, 0, 320, false}, now_);
    }
    const Calls calls = actions_.Take();
    return std::count(calls.begin(), calls.end(), "attach /journal at 320");
  };
  const auto at_first = tries(std::chrono::seconds(60));
  EXPECT_GE(at_first, 4);
  EXPECT_LE(at_first, 7);
  EXPECT_LE(tries(std::chrono::seconds(60)), 2);
  actions_.attachable = true;
  tries(std::chrono::seconds(120));
  EXPECT_EQ(machine_->state(), State::kAttached);
}

TEST_F(Attached, ALiveOneAttachesWithoutAHole) {
  actions_.attachable = false;
  Meet(320);
  Replay(0, 320);
  Done(320, 0, 320);
  Live(320, 480);
  actions_.attachable = true;
  actions_.Take();
  Pass(std::chrono::milliseconds(1050));
  const Calls calls = Later(actions_.Take());
  EXPECT_EQ(calls, (Calls{"attach /journal at 480", "unsubscribe demo", "mode attached"}));
  Live(480, 640);  // was still on its way
  EXPECT_EQ(actions_.Take(), Calls{});
  Local(480, 640);
  EXPECT_EQ(actions_.Take(), (Calls{"deliver 480-640"}));
}

TEST_F(Attached, APieceThatBeginsEarlierIsCut) {
  Meet(320);
  Local(0, 160);
  Local(64, 320);
  EXPECT_EQ(actions_.delivered, Text(0, 320));
  Local(640, 800);
  EXPECT_EQ(actions_.delivered, Text(0, 320)) << "that would be a hole";
}

TEST_F(Attached, WhatIsMissingIsAskedForOverTheNetworkAndItsLossIsExact) {
  Meet(320);
  Local(0, 160);
  LiveHead(4 * kMiB);
  actions_.Take();
  machine_->OnLocalMissing(now_);
  EXPECT_EQ(actions_.Take(), (Calls{"detach", "mode catch-up", "read 160 max 4194144"}));
  Gone(160, 3 * kMiB, 4 * kMiB);
  Pass(std::chrono::milliseconds(1050));
  EXPECT_EQ(machine_->state(), State::kAttached) << "there may be more that can be read here";
  Local(3 * kMiB, 3 * kMiB + 160);
  ASSERT_EQ(actions_.gaps.size(), 1U);
  EXPECT_EQ(actions_.gaps[0].from, 160U);
  EXPECT_EQ(actions_.gaps[0].to, 3 * kMiB);
  EXPECT_EQ(actions_.gaps[0].records, (3 * kMiB - 160) / kLine);
}

TEST_F(Attached, WhatAnIdleOneIsPassedByIsLostAndReported) {
  Meet(0);
  EXPECT_TRUE(actions_.Called("begin 0"));
  LiveHead(4 * kMiB);
  machine_->OnLocalMissing(now_);
  Gone(0, 3 * kMiB, 4 * kMiB);
  Replay(3 * kMiB, 4 * kMiB);
  ASSERT_EQ(actions_.gaps.size(), 1U);
  EXPECT_EQ(actions_.gaps[0].from, 0U);
  EXPECT_EQ(actions_.gaps[0].to, 3 * kMiB);
}

TEST_F(Attached, AnIdleOneNoticesThatThePublisherWasReplaced) {
  Meet(0);
  machine_->OnWelcome(WelcomeTo(0, 160, 8), now_);
  EXPECT_TRUE(actions_.Called("fail 4"));
}

TEST_F(Attached, TheEndComesWhenItsPositionIsReached) {
  Meet(320);
  Local(0, 160);
  LiveEnd(320);
  EXPECT_EQ(machine_->state(), State::kAttached);
  actions_.Take();
  Local(160, 320);
  EXPECT_EQ(actions_.Take(),
            (Calls{"deliver 160-320", "detach", "mode ended", "end 320 status 3"}));
}

TEST_F(Attached, SilenceRemakesTheSocketsAndAttachesAnew) {
  Meet(320);
  Local(0, 320);
  actions_.Take();
  Pass(std::chrono::seconds(4));
  EXPECT_EQ(actions_.TakeLast(), "remake");
  machine_->OnConnect(now_);
  EXPECT_TRUE(actions_.Called("detach"));
  control::Welcome welcome = WelcomeTo(0, 480);
  welcome.journal = "/journal";
  machine_->OnWelcome(welcome, now_);
  EXPECT_EQ(machine_->state(), State::kAttached);
  EXPECT_TRUE(actions_.Called("attach /journal at 320"));
}

TEST_F(Attached, AnotherSessionIsNotReadFromTheOldJournal) {
  Meet(320);
  Local(0, 320);
  BlockHeader foreign = Data(320, 480, 8);
  machine_->OnLocal(foreign, Payload(320, 480), now_);
  EXPECT_EQ(actions_.delivered, Text(0, 320));
}

}  // namespace
}  // namespace pipedup
