// The end of the stream, other sessions, and silence.
#include <gtest/gtest.h>

#include "base/error.h"
#include "machine_test_base.h"

namespace pipedup {
namespace {

class End : public MachineTest {};
class Sessions : public MachineTest {
 protected:
  ModeOptions Following() {
    ModeOptions options;
    options.follow = true;
    return options;
  }
};
class Silence : public MachineTest {};

// ---- the end ----

TEST_F(End, IsReachedWhileLive) {
  MakeLiveAt(160);
  Live(160, 170);
  LiveEnd(170);
  EXPECT_EQ(actions_.Take(),
            (Calls{"deliver 160-170", "unsubscribe demo", "mode ended", "end 170 status 3"}));
  EXPECT_EQ(machine_->state(), State::kEnded);
}

TEST_F(End, BehindAHoleWaitsUntilTheHoleIsMended) {
  MakeLiveAt(160);
  LiveEnd(320);
  EXPECT_EQ(actions_.Take(), (Calls{"mode catch-up", "read 160 max 160"}));
  Replay(160, 320);
  Done(320, 0, 320);
  EXPECT_EQ(actions_.Take(),
            (Calls{"deliver 160-320", "unsubscribe demo", "mode ended", "end 320 status 3"}));
}

TEST_F(End, BehindWaitingBlocksComesAfterThem) {
  MakeLiveAt(160);
  Live(320, 480);
  LiveEnd(480);
  Replay(160, 320);
  EXPECT_EQ(machine_->state(), State::kEnded);
  EXPECT_EQ(actions_.delivered, Text(160, 480));
}

TEST_F(End, BeforeWhereTheReaderTurnsOutToBeIsNone) {
  MakeCatchUp(320);
  ReplayEnd(160);  // nothing was delivered yet that could tell
  Replay(0, 320);
  Done(320, 0, 320);
  EXPECT_NE(machine_->state(), State::kEnded);
  EXPECT_EQ(actions_.delivered, Text(0, 320));
  ReplayEnd(320);
  EXPECT_EQ(actions_.Take().back(), "end 320 status 3");
}

TEST_F(End, IsToldInTheAnswerOfARead) {
  MakeCatchUp(320);
  Replay(0, 320);
  ReplayEnd(320);
  EXPECT_EQ(actions_.Take(),
            (Calls{"begin 0", "deliver 0-320", "mode ended", "end 320 status 3"}));
}

TEST_F(End, BehindAReplayWithAHoleWaitsForIt) {
  MakeCatchUp(320);
  Replay(0, 160);
  ReplayEnd(320);
  Done(320, 0, 320);
  EXPECT_NE(machine_->state(), State::kEnded);
  Replay(160, 320);
  Done(320, 0, 320);
  EXPECT_EQ(machine_->state(), State::kEnded);
}

TEST_F(End, WhenRetentionTookTheRestTheGapComesFirst) {
  MakeLiveAt(160);
  LiveEnd(320);
  actions_.Take();
  Gone(160, 320, 320);
  Pass(std::chrono::milliseconds(50));
  ReplayEnd(320);
  const Calls calls = actions_.Take();
  ASSERT_GE(calls.size(), 4U);
  EXPECT_EQ(calls.back(), "end 320 status 3");
  EXPECT_NE(std::find(calls.begin(), calls.end(), "gap 160-320"), calls.end());
}

TEST_F(End, BeforeThePositionIsNoEnd) {
  // PROTOCOL.md, 4.1: P > e "is to be treated as a bad message".
  MakeLiveAt(160);
  Live(160, 320);
  LiveEnd(200);
  EXPECT_NE(machine_->state(), State::kEnded);
}

TEST_F(End, OfAnotherSessionIsNoEnd) {
  MakeLiveAt(160);
  machine_->OnLive(Head(160, BlockKind::kEndOfStream, 99), {}, now_);
  machine_->OnReplay(Head(160, BlockKind::kEndOfStream, 99), {}, now_);
  EXPECT_EQ(machine_->state(), State::kLive);
}

TEST_F(End, IsToldOnceAndNothingIsAskedAfterIt) {
  MakeLiveAt(160);
  LiveEnd(160);
  actions_.Take();
  LiveEnd(160);
  Live(160, 320);
  ReplayEnd(160);
  Replay(160, 320);
  machine_->OnQueued(0, now_);
  Pass(std::chrono::seconds(20));
  EXPECT_EQ(actions_.Take(), Calls{});
}

TEST_F(End, IsNotDisturbedByAnotherSession) {
  MakeLiveAt(160);
  LiveEnd(160);
  actions_.Take();
  machine_->OnWelcome(WelcomeTo(0, 0, 8), now_);
  EXPECT_EQ(actions_.Take(), Calls{});
  EXPECT_EQ(machine_->session(), kSession);
}

TEST_F(End, WhenItIsKnownGivingUpLosesNothing) {
  MakeLiveAt(160);
  LiveEnd(160);
  machine_->GiveUp("x");
  EXPECT_TRUE(actions_.gaps.empty());
}

TEST_F(End, OfWhatIsWantedLeavesNothingToAskForOrToLose) {
  MakeLiveAt(160);
  actions_.Take();
  machine_->Stop();
  EXPECT_EQ(actions_.Take(), (Calls{"unsubscribe demo", "mode ended"}));
  Live(160, 320);
  LiveHead(640);
  LiveEnd(640);
  machine_->OnWelcome(WelcomeTo(0, 0, 8), now_);
  machine_->OnQueued(0, now_);
  Pass(std::chrono::seconds(20));
  machine_->Flush();
  EXPECT_EQ(actions_.Take(), Calls{});
  EXPECT_EQ(machine_->state(), State::kStopped);
  EXPECT_EQ(machine_->counters().lost_bytes, 0U);
}

// ---- sessions ----

TEST_F(Sessions, WithoutFollowANewOneIsAFailureAndTheRestAGap) {
  MakeLiveAt(160);
  LiveHead(320);
  actions_.Take();
  machine_->OnWelcome(WelcomeTo(0, 0, 8), now_);
  EXPECT_EQ(actions_.Take(),
            (Calls{"gap 160-320", "fail " + std::to_string(kExitUnreachable)}));
  EXPECT_EQ(machine_->state(), State::kStopped);
}

TEST_F(Sessions, WithFollowANewOneIsReadFromItsFirstByte) {
  MakeLiveAt(160, Following());
  LiveHead(320);
  actions_.Take();
  machine_->OnWelcome(WelcomeTo(0, 48, 8), now_);
  EXPECT_EQ(actions_.Take(), (Calls{"gap 160-320", "unsubscribe demo", "session 7 -> 8",
                                    "begin 0", "mode catch-up", "read 0 max 48"}));
  machine_->OnReplay(Data(0, 48, 8), Payload(0, 48), now_);
  EXPECT_EQ(actions_.Take(), (Calls{"deliver 0-48"}));
}

TEST_F(Sessions, WithFollowWhatANewOneNoLongerKeepsIsAGap) {
  MakeLiveAt(160, Following());
  machine_->OnWelcome(WelcomeTo(320, 640, 8), now_);
  answered_ = actions_.reads.size() - 2;  // two ranges may have been asked for
  while (actions_.reads[answered_].session != 8) ++answered_;
  actions_.gaps.clear();
  control::Done gone;
  gone.request = actions_.reads[answered_].request;
  gone.outcome = control::Done::Outcome::kGone;
  gone.session = 8;
  gone.tail = 320;
  gone.head = 640;
  machine_->OnDone(gone, now_);
  machine_->OnReplay(Data(320, 640, 8), Payload(320, 640), now_);
  ASSERT_EQ(actions_.gaps.size(), 1U);
  EXPECT_EQ(actions_.gaps[0].session, 8U);
  EXPECT_EQ(actions_.gaps[0].from, 0U);
  EXPECT_EQ(actions_.gaps[0].to, 320U);
  EXPECT_EQ(actions_.gaps[0].records, 20U);
}

TEST_F(Sessions, WithFollowTheNextOneIsAwaitedAfterTheEnd) {
  MakeLiveAt(160, Following());
  LiveEnd(160);
  actions_.Take();
  Pass(std::chrono::milliseconds(1000));
  EXPECT_EQ(actions_.Take(), (Calls{"hello"}));
  Welcomed(0, 160);  // it lingers
  EXPECT_EQ(actions_.Take(), Calls{});
  machine_->OnWelcome(WelcomeTo(0, 16, 8), now_);
  const Calls calls = actions_.Take();
  ASSERT_GE(calls.size(), 3U);
  EXPECT_EQ(calls[0], "session 7 -> 8");
  EXPECT_EQ(calls[1], "begin 0");
  EXPECT_TRUE(actions_.gaps.empty());
}

TEST_F(Sessions, WithFollowLastConcernsTheFirstSessionOnly) {
  ModeOptions options = Following();
  options.from = {Beginning::Kind::kLast, 10};
  MakeLiveAt(160, options);
  machine_->OnWelcome(WelcomeTo(0, 48, 8, RecordFormat::kRaw), now_);
  EXPECT_EQ(actions_.fail_text, "") << "a session that is followed is read from its first byte";
  EXPECT_EQ(machine_->state(), State::kCatchUp);
}

TEST_F(Sessions, WrongSessionMakesItSayHello) {
  MakeCatchUp(320);
  Done(0, 0, 99, control::Done::Outcome::kWrongSession);
  EXPECT_EQ(actions_.Take(), (Calls{"hello"}));
  EXPECT_EQ(machine_->known_head(), 320U) << "another session's head says nothing";
}

TEST_F(Sessions, AnAnswerOfAnotherSessionSaysNothingAboutThisOne) {
  MakeLiveAt(160);
  control::Done done;
  done.session = 99;
  done.next = done.head = 1'000'000;
  machine_->OnDone(done, now_);
  machine_->GiveUp("x");
  EXPECT_TRUE(actions_.gaps.empty()) << "nothing of this session is known to be missing";
}

TEST_F(Sessions, AnswersOfTheOldOneAreIgnoredInTheNewOne) {
  MakeLiveAt(160, Following());
  LiveHead(320);
  machine_->OnWelcome(WelcomeTo(0, 48, 8), now_);
  actions_.Take();
  Replay(160, 320);
  Live(320, 480);
  EXPECT_EQ(actions_.delivered, "");
  EXPECT_EQ(machine_->position(), 0U);
}

// ---- silence ----

TEST_F(Silence, OfTheWholePublisherMakesItRemakeItsSockets) {
  MakeLiveAt(160);
  Pass(std::chrono::milliseconds(3050));
  const Calls calls = actions_.Take();
  EXPECT_EQ(calls.back(), "remake");
  EXPECT_EQ(machine_->counters().remakes, 1U);
  machine_->OnConnect(now_);
  EXPECT_EQ(actions_.Take(), (Calls{"mode joining", "hello"}));
  Welcomed(0, 320);
  EXPECT_EQ(actions_.Take(), (Calls{"mode catch-up", "read 160 max 160"}));
  Replay(160, 320);
  EXPECT_EQ(actions_.delivered, Text(160, 320)) << "it goes on where it was";
}

TEST_F(Silence, OfTheControlSocketAloneIsNoticedByPings) {
  MakeLiveAt(160);
  for (int i = 0; i < 96; ++i) {  // 1.8 s, and from the ping on 3 s
    Pass(std::chrono::milliseconds(50));
    LiveHead(160);
  }
  Calls calls = actions_.Take();
  EXPECT_EQ(std::count(calls.begin(), calls.end(), "ping"), 2);
  EXPECT_EQ(std::count(calls.begin(), calls.end(), "remake"), 0);
  Pass(std::chrono::milliseconds(50));
  calls = actions_.Take();
  EXPECT_EQ(calls.back(), "remake");
}

TEST_F(Silence, OfTheDataSocketAloneIsNoticedWhileSubscribed) {
  MakeLiveAt(160);
  for (int i = 0; i < 61; ++i) {
    Pass(std::chrono::milliseconds(50));
    machine_->OnDone({0, control::Done::Outcome::kOk, kSession, 0, 0, 160, false}, now_);
  }
  EXPECT_EQ(actions_.TakeLast(), "remake");
}

TEST_F(Silence, IsBrokenByPingsWhenNothingIsPublished) {
  MakeLiveAt(160);
  for (int i = 0; i < 200; ++i) {
    Pass(std::chrono::milliseconds(50));
    LiveHead(160);
    if (actions_.Take() == Calls{"ping"}) {
      machine_->OnDone({0, control::Done::Outcome::kOk, kSession, 0, 0, 160, false}, now_);
    }
  }
  EXPECT_EQ(machine_->counters().remakes, 0U);
  EXPECT_EQ(machine_->state(), State::kLive);
}

TEST_F(Silence, WhileJoiningMakesItTryNewSockets) {
  From();
  Pass(std::chrono::milliseconds(3050));
  EXPECT_EQ(actions_.TakeLast(), "remake");
}

TEST_F(Silence, AfterRemakingTheRangesAskedBeforeAreForgotten) {
  MakeCatchUp(40 * kMiB);
  Pass(std::chrono::milliseconds(3050));
  actions_.Take();
  machine_->OnConnect(now_);
  Welcomed(0, 40 * kMiB);
  EXPECT_EQ(actions_.Take(), (Calls{"mode joining", "hello", "mode catch-up",
                                    "read 0 max 4194304", "read 4194304 max 4194304"}));
}

TEST_F(Silence, LastHeardIsWhenTheLastMessageCame) {
  MakeLiveAt(160);
  now_ += std::chrono::milliseconds(700);
  machine_->OnDamaged(now_);
  EXPECT_EQ(machine_->last_heard(), now_);
  now_ += std::chrono::milliseconds(700);
  machine_->OnTick(now_);
  EXPECT_EQ(machine_->last_heard(), now_ - std::chrono::milliseconds(700));
}

}  // namespace
}  // namespace pipedup
