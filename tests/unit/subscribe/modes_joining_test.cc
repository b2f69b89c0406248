// Where a reader begins.
#include <gtest/gtest.h>

#include "base/error.h"
#include "machine_test_base.h"

namespace pipedup {
namespace {

using Kind = Beginning::Kind;

class Joining : public MachineTest {};

TEST_F(Joining, SaysHelloAndAgainEverySecondUntilItIsWelcomed) {
  From();
  EXPECT_EQ(actions_.Take(), (Calls{"hello"}));
  Pass(std::chrono::milliseconds(950));
  EXPECT_EQ(actions_.Take(), Calls{});
  Pass(std::chrono::milliseconds(1050));
  EXPECT_EQ(actions_.Take(), (Calls{"hello", "hello"}));
  EXPECT_EQ(machine_->mode(), control::Mode::kJoining);
  EXPECT_FALSE(machine_->welcomed());
}

TEST_F(Joining, NowAsksForWhatComesBehindTheLastFinishedRecord) {
  From(Kind::kNow, 0);
  actions_.Take();
  Welcomed(0, 1000);
  EXPECT_EQ(actions_.Take(), (Calls{"mode catch-up", "read last 0 max 4194304"}));
  Replay(992, 1000);  // the unfinished record
  EXPECT_EQ(actions_.Take(), (Calls{"begin 992", "deliver 992-1000"}));
}

TEST_F(Joining, NowAtAnIdleHeadBeginsThereAndSubscribes) {
  From(Kind::kNow, 0);
  Welcomed(0, 160);
  actions_.Take();
  Done(160, 0, 160);
  EXPECT_EQ(actions_.Take(), (Calls{"begin 160", "subscribe demo"}));
  EXPECT_EQ(machine_->state(), State::kBridging);
  LiveHead(160);
  EXPECT_EQ(actions_.Take(), (Calls{"mode live"}));
  Live(160, 320);
  EXPECT_EQ(actions_.Take(), (Calls{"deliver 160-320"}));
}

TEST_F(Joining, NowOfARawStreamBeginsAtTheHead) {
  From(Kind::kNow, 0);
  actions_.Take();
  machine_->OnWelcome(WelcomeTo(0, 1003, kSession, RecordFormat::kRaw), now_);
  EXPECT_EQ(actions_.Take(), (Calls{"mode catch-up", "read 1003 max 1048576"}));
}

TEST_F(Joining, StartAsksForTheTail) {
  From(Kind::kStart, 0);
  actions_.Take();
  Welcomed(320, 1600);
  EXPECT_EQ(actions_.Take(), (Calls{"mode catch-up", "read 320 max 1280"}));
  Replay(320, 1600);
  EXPECT_EQ(actions_.TakeFirst(), "begin 320");
}

TEST_F(Joining, StartFollowsATailThatMovesWhileItIsAsked) {
  From(Kind::kStart, 0);
  Welcomed(320, 1600);
  actions_.Take();
  Gone(320, 480, 1600);
  EXPECT_EQ(actions_.Take(), (Calls{"subscribe demo", "read 480 max 1120"}));
  Replay(480, 1600);
  EXPECT_EQ(actions_.Take(), (Calls{"begin 480", "deliver 480-1600"}));
  EXPECT_TRUE(actions_.gaps.empty());
}

TEST_F(Joining, PositionBeginsThereIfARecordBeginsThere) {
  From(Kind::kPosition, 480);
  actions_.Take();
  Welcomed(0, 1600);
  EXPECT_EQ(actions_.Take(), (Calls{"mode catch-up", "read 480 max 1120"}));
  Replay(480, 1600);
  EXPECT_EQ(actions_.Take(), (Calls{"begin 480", "deliver 480-1600"}));
}

TEST_F(Joining, PositionInsideARecordBeginsAtTheNextOne) {
  From(Kind::kPosition, 485);
  Welcomed(0, 1600);
  actions_.Take();
  Replay(485, 1600);
  EXPECT_EQ(actions_.Take(), (Calls{"begin 496", "deliver 496-1600"}));
}

TEST_F(Joining, PositionInsideABlockThatIsSentWholeTakesItsRest) {
  From(Kind::kPosition, 480);
  Welcomed(0, 1600);
  actions_.Take();
  Replay(160, 1600);  // cut as it was published
  EXPECT_EQ(actions_.Take(), (Calls{"begin 480", "deliver 480-1600"}));
}

TEST_F(Joining, PositionThatIsNoLongerKeptIsAGapFromThere) {
  From(Kind::kPosition, 480);
  Welcomed(800, 1600);
  actions_.Take();
  Gone(480, 800, 1600);
  Replay(800, 1600);
  EXPECT_EQ(actions_.Take(), (Calls{"begin 480", "subscribe demo", "read 800 max 800",
                                    "gap 480-800", "deliver 800-1600"}));
}

TEST_F(Joining, PositionIsNeverMovedForwardSilently) {
  // The first block of the answer was damaged and never came.
  From(Kind::kPosition, 480);
  Welcomed(0, 1600);
  actions_.Take();
  Replay(800, 1600);
  EXPECT_TRUE(actions_.delivered.empty()) << "[480, 800) would be missing without a word";
}

TEST_F(Joining, PositionBeyondTheHeadDeliversNothingBeforeIt) {
  From(Kind::kPosition, 1600);
  Welcomed(0, 800);
  Done(800, 0, 800);  // a publisher may say where it stands
  LiveHead(800);
  Live(800, 1600);
  Live(1600, 1760);
  EXPECT_EQ(actions_.delivered, Text(1600, 1760));
}

TEST_F(Joining, AgoIsReckonedWithThePublishersClock) {
  From(Kind::kAgo, 2'000'000'000);
  actions_.Take();
  Welcomed(0, 1600);
  EXPECT_EQ(actions_.Take(), (Calls{"mode catch-up", "read since 3000000000 max 4194304"}));
}

TEST_F(Joining, AgoBeforeTheEpochIsTheEpoch) {
  From(Kind::kAgo, 9'000'000'000);
  actions_.Take();
  Welcomed(0, 1600);
  EXPECT_EQ(actions_.TakeLast(), "read since 0 max 4194304");
}

TEST_F(Joining, AgoThatFallsIntoARecordBeginsAtTheNextOne) {
  From(Kind::kAgo, 1);
  Welcomed(0, 1600);
  actions_.Take();
  Replay(1001, 1600);
  EXPECT_EQ(actions_.Take(), (Calls{"begin 1008", "deliver 1008-1600"}));
}

TEST_F(Joining, LastAsksForThatManyRecords) {
  From(Kind::kLast, 100);
  actions_.Take();
  Welcomed(0, 16000);
  EXPECT_EQ(actions_.Take(), (Calls{"mode catch-up", "read last 100 max 4194304"}));
  Replay(14400, 16000);
  EXPECT_EQ(actions_.Take(), (Calls{"begin 14400", "deliver 14400-16000"}));
}

TEST_F(Joining, LastOfARawStreamFails) {
  From(Kind::kLast, 100);
  actions_.Take();
  machine_->OnWelcome(WelcomeTo(0, 1600, kSession, RecordFormat::kRaw), now_);
  EXPECT_EQ(actions_.Take(), (Calls{"fail " + std::to_string(kExitFailure)}));
  EXPECT_EQ(machine_->state(), State::kStopped);
  Pass(std::chrono::seconds(10));
  EXPECT_EQ(actions_.Take(), Calls{});
}

TEST_F(Joining, APublisherWithoutRecordsEndsIt) {
  From(Kind::kLast, 100);
  Welcomed(0, 1600);
  actions_.Take();
  machine_->OnError("no-records", "raw", now_);
  EXPECT_EQ(actions_.Take(), (Calls{"fail " + std::to_string(kExitFailure)}));
}

TEST_F(Joining, ARecordLongerThanManyBlocksIsSkippedToItsEnd) {
  // Of 48 bytes without a delimiter nothing is delivered; the first record begins behind them.
  From(Kind::kPosition, 1);
  Welcomed(0, 1600);
  actions_.Take();
  Replay(1, 5);
  Replay(5, 9);
  EXPECT_FALSE(machine_->began());
  actions_.Take();
  Replay(9, 48);
  EXPECT_EQ(actions_.Take(), (Calls{"begin 16", "deliver 16-48"}));
}

TEST_F(Joining, BeginningInsideARecordAtAnIdleHeadIsCorrectedOnce) {
  From(Kind::kAgo, 0);
  Welcomed(0, 1000);
  Done(1000, 0, 1000);
  LiveHead(1000);
  actions_.Take();
  Live(1000, 1040);
  EXPECT_EQ(actions_.Take(), (Calls{"begin 1008", "deliver 1008-1040"}));
  Live(1040, 1050);
  EXPECT_EQ(actions_.Take(), (Calls{"deliver 1040-1050"}));
}

TEST_F(Joining, BeginningInsideTheLastRecordIsCorrectedToTheEnd) {
  From(Kind::kAgo, 0);
  Welcomed(0, 1000);
  Done(1000, 0, 1000);
  LiveHead(1000);
  Live(1000, 1005);
  actions_.Take();
  LiveEnd(1005);
  // Otherwise [1000, 1005) would be neither delivered nor lost nor before the beginning.
  EXPECT_EQ(actions_.Take(),
            (Calls{"begin 1005", "unsubscribe demo", "mode ended", "end 1005 status 3"}));
}

TEST_F(Joining, ARawStreamIsTakenWhateverItsRecordFlagsSay) {
  // PROTOCOL.md, 3: "A raw stream has no records; bits 0 and 1 say nothing".
  From(Kind::kStart, 0);
  machine_->OnWelcome(WelcomeTo(0, 1600, kSession, RecordFormat::kRaw), now_);
  actions_.Take();
  BlockHeader header = Data(0, 1600);
  header.begins_record = header.ends_record = false;
  header.records = 0;
  machine_->OnReplay(header, Payload(0, 1600), now_);
  EXPECT_EQ(actions_.TakeFirst(), "begin 0");
  EXPECT_EQ(actions_.delivered, Text(0, 1600));
}

TEST_F(Joining, AnEmptyStreamThatHasEndedEnds) {
  From(Kind::kNow, 0);
  Welcomed(0, 0);
  actions_.Take();
  ReplayEnd(0);
  Done(0, 0, 0);
  EXPECT_EQ(actions_.Take(), (Calls{"begin 0", "mode ended", "end 0 status 3"}));
}

TEST_F(Joining, BeginsOnlyOnceWhenTheWelcomeIsRepeated) {
  From(Kind::kStart, 0);
  Welcomed(0, 1600);
  Welcomed(0, 1600);
  Replay(0, 1600);
  Welcomed(0, 1600);
  Done(1600, 0, 1600);
  EXPECT_EQ(std::count(actions_.calls.begin(), actions_.calls.end(), "begin 0"), 1);
}

TEST_F(Joining, ASessionThatIsReplacedBeforeAnythingWasReadIsForgotten) {
  From(Kind::kLast, 10);
  Welcomed(0, 1600);
  actions_.Take();
  machine_->OnWelcome(WelcomeTo(0, 320, 8), now_);
  EXPECT_EQ(actions_.Take(), (Calls{"mode catch-up", "read last 10 max 4194304"}));
  EXPECT_EQ(machine_->session(), 8U);
}

}  // namespace
}  // namespace pipedup
