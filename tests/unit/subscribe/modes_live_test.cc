// LIVE, holes in it, and how they are bridged.
#include <gtest/gtest.h>

#include "machine_test_base.h"

namespace pipedup {
namespace {

class LiveMode : public MachineTest {};

TEST_F(LiveMode, DeliversBlocksAsTheyCome) {
  MakeLiveAt(160);
  Live(160, 320);
  Live(320, 330);
  EXPECT_EQ(actions_.Take(), (Calls{"deliver 160-320", "deliver 320-330"}));
  EXPECT_EQ(actions_.delivered, Text(160, 330));
  EXPECT_EQ(machine_->position(), 330U);
  EXPECT_EQ(machine_->counters().blocks, 2U);
  EXPECT_EQ(machine_->counters().bytes, 170U);
}

TEST_F(LiveMode, DropsDuplicatesWholeAndInPart) {
  MakeLiveAt(160);
  Live(160, 320);
  actions_.Take();
  Live(160, 320);
  Live(200, 300);
  EXPECT_EQ(actions_.Take(), Calls{});
  Live(200, 400);
  EXPECT_EQ(actions_.Take(), (Calls{"deliver 320-400"}));
  EXPECT_EQ(actions_.delivered, Text(160, 400));
  EXPECT_EQ(machine_->counters().duplicate_bytes, 160U + 100U + 120U);
}

TEST_F(LiveMode, AMissingBlockIsFetchedWhileLaterOnesWait) {
  MakeLiveAt(160);
  Live(320, 480);
  EXPECT_EQ(machine_->state(), State::kBridging);
  EXPECT_EQ(actions_.Take(), (Calls{"mode catch-up", "read 160 max 160"}));
  Live(480, 640);
  EXPECT_EQ(actions_.Take(), Calls{}) << "nothing is delivered before what comes first";
  Replay(160, 320);
  EXPECT_EQ(actions_.Take(),
            (Calls{"deliver 160-320", "mode live", "deliver 320-480", "deliver 480-640"}));
  EXPECT_EQ(actions_.delivered, Text(160, 640));
  EXPECT_EQ(machine_->counters().live_gaps, 1U);
  EXPECT_EQ(machine_->counters().lost_bytes, 0U);
}

TEST_F(LiveMode, AReplayThatReachesIntoTheWaitingBlocksIsTrimmed) {
  MakeLiveAt(160);
  Live(320, 480);
  Replay(160, 400);
  EXPECT_EQ(actions_.delivered, Text(160, 480));
  EXPECT_EQ(machine_->counters().duplicate_bytes, 80U);
}

TEST_F(LiveMode, TheSocketStaysSubscribedWhileAHoleIsMended) {
  MakeLiveAt(160);
  Live(320, 480);
  Replay(160, 320);
  for (const std::string& call : actions_.Take()) {
    EXPECT_EQ(call.find("subscribe"), std::string::npos) << call;
  }
}

TEST_F(LiveMode, ALateLiveBlockThatReachesTheWaitingOnesTakesThemAlong) {
  // A publisher sends in order; whoever does not must not confuse this reader.
  MakeLiveAt(160);
  Live(320, 480);
  Live(480, 640);
  Live(160, 400);
  EXPECT_EQ(actions_.delivered, Text(160, 640));
  EXPECT_EQ(machine_->state(), State::kLive);
}

TEST_F(LiveMode, NothingIsDeliveredTwiceWhenTheAnswerBehindALateBlockIsGone) {
  MakeLiveAt(160);
  Live(320, 480);
  Live(160, 560);
  Gone(160, 800, 800);
  Replay(800, 960);
  machine_->Flush();
  for (const Gap& gap : actions_.gaps) EXPECT_LT(gap.from, gap.to);
  EXPECT_EQ(actions_.delivered.substr(0, 400), Text(160, 560));
  EXPECT_EQ(machine_->counters().bytes, actions_.delivered.size());
  EXPECT_LE(actions_.delivered.size(), 400U + 160U) << "a byte was delivered twice";
}

TEST_F(LiveMode, AHeadShowsTheLossOfTheLastBlockBeforeAPause) {
  MakeLiveAt(160);
  LiveHead(320);
  EXPECT_EQ(actions_.Take(), (Calls{"mode catch-up", "read 160 max 160"}));
  Replay(160, 320);
  Done(320, 0, 320);
  LiveHead(320);
  EXPECT_EQ(actions_.Take(), (Calls{"deliver 160-320", "mode live"}));
}

TEST_F(LiveMode, ASecondHoleBehindTheFirstIsMendedToo) {
  MakeLiveAt(160);
  Live(320, 480);
  Live(640, 800);  // the waiting block is given up: all before this one is fetched
  Replay(160, 320);
  Done(320, 0, 800);
  Replay(320, 640);
  EXPECT_EQ(actions_.delivered, Text(160, 800));
  EXPECT_EQ(machine_->state(), State::kLive);
}

TEST_F(LiveMode, ADamagedBlockIsFetched) {
  MakeLiveAt(160);
  machine_->OnDamaged(now_);
  EXPECT_EQ(machine_->state(), State::kBridging);
  Pass(std::chrono::milliseconds(50));
  EXPECT_EQ(actions_.Take(), (Calls{"mode catch-up", "ping"}));
  machine_->OnDone({0, control::Done::Outcome::kOk, kSession, 160, 0, 320, false}, now_);
  EXPECT_EQ(actions_.Take(), (Calls{"read 160 max 160"}));
  Replay(160, 320);
  Done(320, 0, 320);
  Live(320, 480);
  EXPECT_EQ(actions_.delivered, Text(160, 480));
  EXPECT_EQ(machine_->state(), State::kLive);
}

TEST_F(LiveMode, ALostAnswerIsAskedForAgainAfterTwoSeconds) {
  MakeLiveAt(160);
  Live(320, 480);
  actions_.Take();
  for (int i = 0; i < 39; ++i) {
    Pass(std::chrono::milliseconds(50));
    LiveHead(480);
  }
  const Calls before = actions_.Take();
  EXPECT_EQ(std::count(before.begin(), before.end(), "read 160 max 160"), 0);
  Pass(std::chrono::milliseconds(100));
  const Calls after = actions_.Take();
  EXPECT_EQ(std::count(after.begin(), after.end(), "read 160 max 160"), 1);
}

TEST_F(LiveMode, WhatRetentionTookIsReportedWithExactNumbers) {
  MakeLiveAt(0);
  Live(0, 160);  // 10 records
  Live(480, 640);
  Gone(160, 480, 640);
  Live(640, 800);
  Replay(480, 640);
  ASSERT_EQ(actions_.gaps.size(), 1U);
  const Gap& gap = actions_.gaps[0];
  EXPECT_EQ(gap.session, kSession);
  EXPECT_EQ(gap.from, 160U);
  EXPECT_EQ(gap.to, 480U);
  EXPECT_EQ(gap.first_record, 10U);
  EXPECT_EQ(gap.records, 20U);
  EXPECT_EQ(gap.after.time_since_epoch().count(), TimeOf(0));
  EXPECT_EQ(gap.before.time_since_epoch().count(), TimeOf(480));
  EXPECT_EQ(gap.reason, "retention passed");
  EXPECT_EQ(machine_->counters().gaps, 1U);
  EXPECT_EQ(machine_->counters().lost_bytes, 320U);
  EXPECT_EQ(machine_->counters().lost_records, 20U);
}

TEST_F(LiveMode, WhatDidNotArriveOfAnAnswerIsAskedForAgainBeforeWhatIsGoneBehindItIsLost) {
  MakeLiveAt(160);
  Live(800, 960);
  Gone(320, 480, 960);  // [160, 320) was sent, and was damaged on the way
  EXPECT_TRUE(actions_.gaps.empty());
  Replay(160, 320);
  Gone(320, 480, 960);
  Replay(480, 800);
  ASSERT_EQ(actions_.gaps.size(), 1U);
  EXPECT_EQ(actions_.gaps[0].from, 320U);
  EXPECT_EQ(actions_.gaps[0].to, 480U);
  EXPECT_EQ(actions_.delivered, Text(160, 320) + Text(480, 960));
}

TEST_F(LiveMode, WaitingBlocksAreDeliveredWhenRetentionPassesTheHoleBeforeThem) {
  MakeLiveAt(160);
  Live(480, 640);
  Live(640, 800);
  Gone(160, 480, 800);  // [160, 480) is lost; the rest is here
  EXPECT_EQ(actions_.delivered, Text(480, 800));
  EXPECT_EQ(machine_->state(), State::kLive);
}

TEST_F(LiveMode, WaitingBlocksAreNotReportedLostWhenRetentionPassesThem) {
  MakeLiveAt(160);
  Live(480, 640);
  Live(640, 800);
  Gone(160, 640, 800);  // the publisher no longer has [480, 640), but this reader does
  machine_->Flush();
  ASSERT_EQ(actions_.gaps.size(), 1U);
  EXPECT_EQ(actions_.gaps[0].to, 480U);
  EXPECT_EQ(actions_.delivered, Text(480, 800));
}

TEST_F(LiveMode, ReachesTheEndAlthoughRetentionPassedTheWaitingBlocks) {
  MakeLiveAt(160);
  Live(480, 640);
  Gone(160, 480, 640);
  for (int i = 0; i < 200 && machine_->state() != State::kEnded; ++i) {
    LiveEnd(640);
    while (answered_ < actions_.reads.size()) {
      const control::Read& read = actions_.reads[answered_];
      if (read.max == 0) {
        ++answered_;
        machine_->OnDone({0, control::Done::Outcome::kOk, kSession, 0, 480, 640, true}, now_);
        continue;
      }
      if (read.from.value < 640) Replay(std::max<Position>(read.from.value, 480), 640);
      ReplayEnd(640);
      Done(640, 480, 640);
    }
    Pass(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(machine_->state(), State::kEnded);
  EXPECT_EQ(actions_.delivered, Text(480, 640));
}

TEST_F(LiveMode, GapsThatFollowEachOtherAreOne) {
  MakeLiveAt(160);
  Live(800, 960);
  Gone(160, 320, 960);
  Gone(320, 480, 960);
  Replay(480, 800);
  ASSERT_EQ(actions_.gaps.size(), 1U);
  EXPECT_EQ(actions_.gaps[0].from, 160U);
  EXPECT_EQ(actions_.gaps[0].to, 480U);
  EXPECT_EQ(actions_.delivered, Text(480, 960));
}

TEST_F(LiveMode, AGapAtTheBeginningDoesNotCountTheRecordsBeforeIt) {
  ModeOptions options;
  options.from = {Beginning::Kind::kPosition, 480};
  Make(options);
  Welcomed(800, 1600);
  Gone(480, 800, 1600);
  Replay(800, 1600);
  ASSERT_EQ(actions_.gaps.size(), 1U);
  // Of the 50 records before 800 only 20 can have been in it.
  EXPECT_LE(actions_.gaps[0].records, 20U);
}

TEST_F(LiveMode, AGapRightBehindTheHeadItJoinedAtDoesNotCountTheRecordsBeforeIt) {
  MakeLiveAt(160);
  Live(800, 960);
  Gone(160, 320, 960);
  Replay(320, 800);
  ASSERT_EQ(actions_.gaps.size(), 1U);
  EXPECT_LE(actions_.gaps[0].records, 10U);
}

TEST_F(LiveMode, AGapIsReportedBeforeWhatComesBehindIt) {
  MakeLiveAt(160);
  Live(480, 640);
  Gone(160, 320, 640);
  actions_.Take();
  Replay(320, 480);
  const Calls calls = actions_.Take();
  ASSERT_GE(calls.size(), 2U);
  EXPECT_EQ(calls[0], "gap 160-320");
  EXPECT_EQ(calls[1], "deliver 320-480");
}

TEST_F(LiveMode, AGapAtTheEndOfARunIsReportedByFlush) {
  MakeLiveAt(160);
  LiveHead(480);
  Gone(160, 480, 480);
  EXPECT_TRUE(actions_.gaps.empty());
  machine_->Flush();
  ASSERT_EQ(actions_.gaps.size(), 1U);
  EXPECT_EQ(actions_.gaps[0].to, 480U);
  machine_->Flush();
  EXPECT_EQ(actions_.gaps.size(), 1U);
}

TEST_F(LiveMode, GivingUpReportsWhatWasKnownToBePublished) {
  MakeLiveAt(160);
  LiveHead(480);
  machine_->GiveUp("the publisher vanished");
  ASSERT_EQ(actions_.gaps.size(), 1U);
  EXPECT_EQ(actions_.gaps[0].from, 160U);
  EXPECT_EQ(actions_.gaps[0].to, 480U);
  EXPECT_EQ(actions_.gaps[0].reason, "the publisher vanished");
}

TEST_F(LiveMode, BlocksOfAnotherSessionAreCountedAndAskedAbout) {
  MakeLiveAt(160);
  machine_->OnLive(Data(160, 320, 99), Payload(160, 320), now_ += std::chrono::seconds(1));
  EXPECT_EQ(actions_.Take(), (Calls{"hello"}));
  machine_->OnLive(Data(320, 480, 99), Payload(320, 480), now_);
  EXPECT_EQ(actions_.Take(), Calls{}) << "a hello is on its way";
  EXPECT_EQ(machine_->counters().foreign_blocks, 2U);
  EXPECT_EQ(machine_->position(), 160U);
}

TEST_F(LiveMode, ReplaysThatNobodyAskedForChangeNothing) {
  MakeLiveAt(160);
  Replay(160, 320);
  machine_->OnReplay(Data(160, 320, 99), Payload(160, 320), now_);
  EXPECT_EQ(actions_.Take(), Calls{});
  EXPECT_EQ(machine_->position(), 160U);
}

TEST_F(LiveMode, ALiveBlockOnItsWayWhenItUnsubscribedIsIgnored) {
  MakeLiveAt(160);
  machine_->OnQueued(options_.hold_bytes, now_);
  actions_.Take();
  Live(160, 320);
  EXPECT_EQ(actions_.Take(), Calls{});
}

}  // namespace
}  // namespace pipedup
