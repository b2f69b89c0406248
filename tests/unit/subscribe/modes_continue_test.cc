// A stream that goes on: after an end, and in another session after a crash of the machine.
#include "machine_test_base.h"

namespace pipedup {
namespace {

class Continue : public MachineTest {
 protected:
  static constexpr SessionId kNext = 8;

  /// The publisher's answer after its machine was started anew.
  void WelcomedAnew(Position end, Position head) {
    machine_->OnConnect(now_);
    control::Welcome welcome = WelcomeTo(0, head, kNext);
    welcome.past = {{3, 16}, {kSession, end}};
    actions_.Take();
    machine_->OnWelcome(welcome, now_);
  }

  static ModeOptions Following() {
    ModeOptions options;
    options.follow = true;
    return options;
  }
};

TEST_F(Continue, AFollowerReadsOnWhenTheEndedStreamGoesOn) {
  MakeLiveAt(160, Following());
  LiveEnd(160);
  EXPECT_EQ(machine_->state(), State::kEnded);
  actions_.Take();
  control::Welcome next = WelcomeTo(0, 320);
  machine_->OnWelcome(next, now_);
  EXPECT_EQ(actions_.Take(), Calls{}) << "it lingers";
  next.started_ns = 1;
  next.ended = true;
  machine_->OnWelcome(next, now_);
  EXPECT_EQ(actions_.Take(), Calls{}) << "another, at its end as well";
  next.ended = false;
  machine_->OnWelcome(next, now_);
  EXPECT_EQ(actions_.Take(), (Calls{"mode joining", "continues 7 -> 7 at 160", "mode catch-up",
                                    "read 160 max 160"}));
  Replay(160, 320);
  EXPECT_EQ(machine_->position(), 320U);
  EXPECT_EQ(actions_.gaps.size(), 0U);
}

TEST_F(Continue, NothingIsMissingBehindAnEndThatWasReached) {
  MakeLiveAt(160, Following());
  LiveHead(320);  // of a publisher that says otherwise at its end
  LiveEnd(160);
  EXPECT_EQ(machine_->state(), State::kEnded);
  WelcomedAnew(160, 160);
  EXPECT_EQ(machine_->session(), kNext);
  EXPECT_EQ(actions_.gaps.size(), 0U);
}

TEST_F(Continue, WithoutFollowAnEndStaysTheEnd) {
  MakeLiveAt(160);
  LiveEnd(160);
  actions_.Take();
  control::Welcome next = WelcomeTo(0, 320);
  next.started_ns = 1;
  machine_->OnWelcome(next, now_);
  EXPECT_EQ(actions_.Take(), Calls{});
}

TEST_F(Continue, OneThatStandsBeforeTheCutReadsOnInTheNewSession) {
  MakeLiveAt(160);
  Live(160, 320);
  WelcomedAnew(480, 640);
  EXPECT_EQ(actions_.Take(),
            (Calls{"continues 7 -> 8 at 320", "mode catch-up", "read 320 max 320"}));
  machine_->OnReplay(Data(320, 640, kNext), Payload(320, 640), now_);
  EXPECT_EQ(machine_->session(), kNext);
  EXPECT_EQ(actions_.delivered, Text(160, 640));
  EXPECT_EQ(actions_.gaps.size(), 0U);
}

TEST_F(Continue, WhatWasPublishedAndLostIsAGapOfTheOldSession) {
  MakeLiveAt(160);
  Live(160, 320);
  LiveHead(960);  // so much is known to have been published
  WelcomedAnew(480, 640);
  ASSERT_EQ(actions_.gaps.size(), 1U);
  EXPECT_EQ(actions_.gaps[0].session, kSession);
  EXPECT_EQ(actions_.gaps[0].from, 480U);
  EXPECT_EQ(actions_.gaps[0].to, 960U);
  EXPECT_EQ(machine_->counters().lost_bytes, 480U);
  EXPECT_EQ(machine_->position(), 320U);
}

TEST_F(Continue, OneThatHasReadBeyondTheCutGoesBackToIt) {
  MakeLiveAt(160);
  Live(160, 640);
  LiveHead(960);
  WelcomedAnew(480, 480);
  ASSERT_EQ(actions_.gaps.size(), 1U);
  EXPECT_EQ(actions_.gaps[0].from, 640U);
  EXPECT_EQ(actions_.gaps[0].to, 960U);
  EXPECT_EQ(machine_->position(), 480U);
  // The same positions, other bytes: they are not taken for duplicates.
  machine_->OnReplay(Data(480, 640, kNext), Payload(480, 640), now_);
  EXPECT_EQ(actions_.delivered, Text(160, 640) + Text(480, 640));
}

TEST_F(Continue, APublisherThatHasLostWhatItPublishedIsNotTakenForAheadOfUs) {
  MakeLiveAt(160);
  Live(160, 640);
  control::Welcome late = WelcomeTo(0, 320);
  machine_->OnWelcome(late, now_);
  EXPECT_EQ(machine_->position(), 640U) << "an old answer of the same publisher";
  machine_->OnConnect(now_);
  control::Welcome restarted = WelcomeTo(0, 320);
  restarted.started_ns = 1;
  machine_->OnWelcome(restarted, now_);
  EXPECT_EQ(machine_->position(), 320U);
  EXPECT_TRUE(actions_.Called("continues 7 -> 7 at 320"));
}

TEST_F(Continue, ARelayThatHasNotGotThereYetIsWaitedFor) {
  MakeLiveAt(160);
  Live(160, 640);
  machine_->OnConnect(now_);
  control::Welcome behind = WelcomeTo(0, 320);
  behind.started_ns = 1;  // the publisher was started again as well
  behind.path = {"relay"};
  behind.reached = 640;
  machine_->OnWelcome(behind, now_);
  EXPECT_EQ(machine_->position(), 640U);
  EXPECT_EQ(machine_->reached(), 640U);
  EXPECT_FALSE(actions_.Called("continues 7 -> 7 at 320"));
  machine_->OnReplay(Data(320, 640), Payload(320, 640), now_);
  machine_->OnReplay(Data(640, 800), Payload(640, 800), now_);
  EXPECT_EQ(actions_.delivered, Text(160, 800));
}

TEST_F(Continue, DamageWhereTheStreamBeginsIsAGapForOneThatAskedForItsStart) {
  MakeCatchUp(640);
  control::Done done;
  done.request = actions_.reads.front().request;
  done.outcome = control::Done::Outcome::kGone;
  done.session = kSession;
  done.tail = 320;
  done.head = 640;
  done.reason = "missing or damaged in the journal";
  machine_->OnDone(done, now_);
  machine_->OnReplay(Data(320, 640), Payload(320, 640), now_);
  ASSERT_EQ(actions_.gaps.size(), 1U);
  EXPECT_EQ(actions_.gaps[0].from, 0U);
  EXPECT_EQ(actions_.gaps[0].to, 320U);
}

TEST_F(Continue, ASessionThatIsNotAmongThePastIsAnother) {
  MakeLiveAt(160);
  machine_->OnConnect(now_);
  control::Welcome welcome = WelcomeTo(0, 640, kNext);
  welcome.past = {{3, 16}};
  actions_.Take();
  machine_->OnWelcome(welcome, now_);
  EXPECT_EQ(actions_.TakeLast(), "fail 4");
}

TEST_F(Continue, AGapOfADamagedJournalSaysSo) {
  MakeCatchUp(640);
  control::Done done;
  done.request = actions_.reads.front().request;
  done.outcome = control::Done::Outcome::kGone;
  done.session = kSession;
  done.tail = 320;
  done.head = 640;
  done.reason = "damaged in the journal";
  machine_->OnReplay(Data(0, 160), Payload(0, 160), now_);
  machine_->OnDone(done, now_);
  machine_->OnReplay(Data(320, 640), Payload(320, 640), now_);
  ASSERT_EQ(actions_.gaps.size(), 1U);
  EXPECT_EQ(actions_.gaps[0].from, 160U);
  EXPECT_EQ(actions_.gaps[0].to, 320U);
  EXPECT_EQ(actions_.gaps[0].reason, "damaged in the journal");
  EXPECT_EQ(actions_.gaps[0].records, 10U);
}

}  // namespace
}  // namespace pipedup
