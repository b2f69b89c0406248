// Credit, the consumer's pace, and the way from CATCH-UP to LIVE and back.
#include <gtest/gtest.h>

#include "machine_test_base.h"

namespace pipedup {
namespace {

class Pace : public MachineTest {
 protected:
  static ModeOptions Holding(std::uint64_t bytes) {
    ModeOptions options;
    options.hold_bytes = bytes;
    return options;
  }
  /// Delivers [from, to) as replay blocks of 1 MiB.
  void ReplayRange(Position from, Position to) {
    for (; from < to; from += kMiB) Replay(from, std::min(to, from + kMiB));
  }
};

TEST_F(Pace, TwoRangesAreUnderWayAndNeverMore) {
  MakeCatchUp(40 * kMiB);
  ASSERT_EQ(actions_.reads.size(), 2U);
  ReplayRange(0, 4 * kMiB);
  ASSERT_EQ(actions_.reads.size(), 2U);
  Done(4 * kMiB, 0, 40 * kMiB);
  ASSERT_EQ(actions_.reads.size(), 3U);
  EXPECT_EQ(actions_.reads[2].from.value, actions_.reads[1].from.value + kWindow);
  EXPECT_EQ(actions_.reads[2].max, kWindow);
  ReplayRange(4 * kMiB, 10 * kMiB);
  EXPECT_EQ(actions_.reads.size(), 3U) << "two are under way";
}

TEST_F(Pace, TheSecondRangeDoesNotOverlapTheFirst) {
  MakeCatchUp(40 * kMiB);
  Replay(0, kMiB);
  for (std::size_t i = 1; i < actions_.reads.size(); ++i) {
    EXPECT_GE(actions_.reads[i].from.value, kWindow) << "[0, 4 MiB) is on its way already";
  }
}

TEST_F(Pace, NeverAsksForMoreThanThereIsRoomFor) {
  MakeCatchUp(40 * kMiB, Holding(10 * kMiB));
  ReplayRange(0, 4 * kMiB);
  machine_->OnQueued(4 * kMiB, now_);
  ASSERT_EQ(actions_.reads.size(), 2U);
  // 4 are held and 4 are on their way: there is room for 2 of the 4 that could be asked for.
  Done(4 * kMiB, 0, 40 * kMiB);
  ASSERT_EQ(actions_.reads.size(), 3U);
  EXPECT_EQ(actions_.reads[2].max, 2 * kMiB);
  ReplayRange(4 * kMiB, 8 * kMiB);
  machine_->OnQueued(8 * kMiB, now_);
  Done(8 * kMiB, 0, 40 * kMiB);
  EXPECT_EQ(actions_.reads.size(), 3U) << "8 held and 2 on their way are all there is room for";
  machine_->OnQueued(2 * kMiB, now_);
  EXPECT_EQ(actions_.reads.size(), 4U);
}

TEST_F(Pace, ALookAtTheHeadKeepsToTheBoundAsWell) {
  // LIVE with 14 of 16 MiB unwritten; a damaged block makes it look: 4 MiB more do not fit.
  MakeLiveAt(160);
  machine_->OnQueued(14 * kMiB, now_);
  machine_->OnDamaged(now_);
  Pass(std::chrono::milliseconds(200));
  for (const control::Read& read : actions_.reads) {
    const std::uint64_t max = read.from.value == 160 ? read.max : 0;
    EXPECT_LE(14 * kMiB + max, options_.hold_bytes);
  }
}

TEST_F(Pace, AsksForNothingWhileTheConsumerTakesNothing) {
  MakeCatchUp(40 * kMiB);
  ReplayRange(0, 4 * kMiB);
  machine_->OnQueued(16 * kMiB, now_);
  Done(4 * kMiB, 0, 40 * kMiB);
  actions_.Take();
  for (int i = 0; i < 200; ++i) {
    Pass(std::chrono::milliseconds(50));
    machine_->OnDone({0, control::Done::Outcome::kOk, kSession, 0, 0, 40 * kMiB, false}, now_);
  }
  for (const std::string& call : actions_.Take()) EXPECT_NE(call.substr(0, 4), "read") << call;
}

TEST_F(Pace, SubscribesWhenItIsWithinOneWindowOfTheHead) {
  MakeCatchUp(10 * kMiB);
  ReplayRange(0, 4 * kMiB);
  Done(4 * kMiB, 0, 10 * kMiB);
  EXPECT_EQ(machine_->state(), State::kCatchUp) << "6 MiB to go";
  ReplayRange(4 * kMiB, 6 * kMiB);
  Done(6 * kMiB, 0, 10 * kMiB);
  EXPECT_EQ(machine_->state(), State::kBridging);
  EXPECT_TRUE(actions_.Called("subscribe demo"));
}

TEST_F(Pace, ASlowConsumerLeavesTheLiveStreamAndComesBackWhenItHasCaughtUp) {
  MakeLiveAt(0);
  Position at = 0;
  while (machine_->state() == State::kLive) {
    Live(at, at + kMiB);
    at += kMiB;
    machine_->OnQueued(at, now_);
    ASSERT_LE(at, options_.hold_bytes) << "it should have left by now";
  }
  EXPECT_EQ(machine_->state(), State::kCatchUp);
  EXPECT_EQ(machine_->counters().catch_ups, 2U) << "the first was on joining";
  EXPECT_EQ(actions_.calls[actions_.calls.size() - 2], "unsubscribe demo");
  EXPECT_EQ(actions_.calls.back(), "mode catch-up");
  actions_.Take();

  machine_->OnQueued(kMiB, now_);  // it took nearly everything
  EXPECT_EQ(actions_.Take(), (Calls{"read " + std::to_string(at) + " max 1048576"}));
  Replay(at, at + kMiB);
  Done(at + kMiB, 0, at + kMiB);
  EXPECT_TRUE(actions_.Called("subscribe demo"));
  LiveHead(at + kMiB);
  EXPECT_EQ(machine_->state(), State::kLive);
  EXPECT_EQ(actions_.delivered.size(), at + kMiB);
}

TEST_F(Pace, DoesNotSubscribeWhileTheConsumerIsFarBehind) {
  MakeCatchUp(kMiB);
  ReplayRange(0, kMiB);
  machine_->OnQueued(9 * kMiB, now_);
  Done(kMiB, 0, kMiB);
  EXPECT_EQ(machine_->state(), State::kCatchUp);
  machine_->OnQueued(8 * kMiB, now_);
  EXPECT_EQ(actions_.reads.back().from.value, kMiB) << "there is room to look again";
}

TEST_F(Pace, WaitingBlocksThatTakeTooMuchRoomAreDroppedAndFetchedLater) {
  MakeLiveAt(0);
  Position at = kMiB;
  while (machine_->state() != State::kCatchUp) {
    Live(at, at + kMiB);
    at += kMiB;
    ASSERT_LE(at, options_.hold_bytes + kMiB);
  }
  EXPECT_TRUE(actions_.delivered.empty());
  // Now everything comes by request, in order.
  while (machine_->position() < at) {
    ASSERT_LT(answered_, actions_.reads.size())
        << "nothing was asked at " << machine_->position();
    const control::Read read = actions_.reads[answered_];
    const Position end = std::min(read.from.value + read.max, at);
    ReplayRange(read.from.value, end);
    Done(end, 0, at);
  }
  EXPECT_EQ(actions_.delivered.size(), at);
}

TEST_F(Pace, WaitingBlocksNeverTakeTheRoomOfTheRangeBeforeThem) {
  // The consumer takes as much as comes in, so that what is held stays just under the bound.
  MakeLiveAt(0);
  std::uint64_t queued = 13 * kMiB;
  machine_->OnQueued(queued, now_);
  Position at = kMiB;
  for (; queued > 0; queued -= kMiB) {
    Live(at, at + kMiB - 4096);
    at += kMiB - 4096;
    machine_->OnQueued(queued - kMiB, now_);
  }
  // Now the stream is idle, or has ended, and the consumer has taken everything.
  actions_.Take();
  for (int i = 0; i < 100; ++i) {
    Pass(std::chrono::milliseconds(50));
    LiveEnd(at);
    machine_->OnDone({0, control::Done::Outcome::kOk, kSession, 0, 0, at, true}, now_);
  }
  EXPECT_GT(actions_.reads.back().max, 0U);
  bool asked = false;
  for (const std::string& call : actions_.calls) asked = asked || call.starts_with("read 0 ");
  EXPECT_TRUE(asked) << "[0, 1 MiB) is missing, and nobody asks for it";
}

TEST_F(Pace, LooksAgainEvery50MsUntilTheFirstLiveMessage) {
  From(Beginning::Kind::kNow, 0);
  Welcomed(0, 160);
  Done(160, 0, 160);
  actions_.Take();
  Pass(std::chrono::milliseconds(50));
  EXPECT_EQ(actions_.Take(), (Calls{"ping"}));
  machine_->OnDone({0, control::Done::Outcome::kOk, kSession, 160, 0, 320, false}, now_);
  EXPECT_EQ(actions_.Take(), (Calls{"read 160 max 160"}));
  Replay(160, 320);
  Done(320, 0, 320);
  EXPECT_EQ(actions_.Take(), (Calls{"deliver 160-320"}));
  Pass(std::chrono::milliseconds(50));
  EXPECT_EQ(actions_.Take(), (Calls{"ping"}));
}

TEST_F(Pace, AReadThatTheServerRefusesIsAskedAgainLater) {
  MakeCatchUp(8 * kMiB);
  machine_->OnError("too-many-reads", "", now_);
  EXPECT_EQ(actions_.Take(), Calls{});
  Pass(std::chrono::milliseconds(2050));
  EXPECT_TRUE(actions_.Called("read 0 max 4194304"));
}

TEST_F(Pace, ASlowPublisherIsAskedAgainLessAndLess) {
  using namespace std::chrono_literals;
  MakeCatchUp(60 * kMiB);
  const auto ask_for = [&](std::chrono::seconds time) {
    const std::size_t before = actions_.reads.size();
    for (auto passed = 0ms; passed < time; passed += 500ms) {
      Pass(500ms);
      machine_->OnDone({0, control::Done::Outcome::kOk, kSession, 0, 0, 60 * kMiB, false},
                       now_);
    }
    return actions_.reads.size() - before;
  };
  EXPECT_LE(ask_for(62s), 5U * 2) << "two ranges after 2, 6, 14, 30, 60 s";
  const std::size_t later = ask_for(62s);
  EXPECT_GE(later, 2U) << "but never stops asking";
  EXPECT_LE(later, 3U * 2);
  Replay(0, kMiB);
  EXPECT_GE(ask_for(3s), 2U) << "once it answers, it is asked as soon as at first";
}

TEST_F(Pace, AHoleInAReplayIsAskedForBeforeMoreIsFetched) {
  MakeCatchUp(60 * kMiB);
  Replay(0, kMiB);
  Done(4 * kMiB, 0, 60 * kMiB);  // the rest of it was damaged on the way
  // What was asked for meanwhile may come; what is asked from here on has to mend the hole.
  const std::size_t before = actions_.reads.size();
  for (int i = 0; i < 4 && answered_ < actions_.reads.size(); ++i) {
    Done(actions_.reads[answered_].from.value + kWindow, 0, 60 * kMiB);
  }
  bool asked = false;
  for (std::size_t i = 1; i < actions_.reads.size(); ++i) {
    asked = asked || (i >= before && actions_.reads[i].from.value == kMiB);
  }
  EXPECT_TRUE(asked) << "answer after answer it asks further ahead";
}

TEST_F(Pace, UnknownMemberMakesItSayHelloAndGoOnFromTheSamePosition) {
  MakeCatchUp(40 * kMiB);
  ReplayRange(0, 2 * kMiB);
  actions_.Take();
  machine_->OnError("unknown-member", "say hello first", now_);
  EXPECT_EQ(actions_.Take(), (Calls{"hello"}));
  Welcomed(0, 40 * kMiB);
  EXPECT_EQ(actions_.TakeFirst(), "read 2097152 max 4194304");
}

TEST_F(Pace, UnknownMemberWhileLiveKeepsItLive) {
  MakeLiveAt(160);
  machine_->OnError("unknown-member", "", now_);
  Welcomed(0, 160);
  EXPECT_EQ(actions_.Take(), (Calls{"hello"}));
  EXPECT_EQ(machine_->state(), State::kLive);
}

}  // namespace
}  // namespace pipedup
