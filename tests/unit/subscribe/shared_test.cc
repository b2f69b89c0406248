// Machines that read one stream from several publishers, one event at a time.
#include <array>

#include "machine_test_base.h"

namespace pipedup {
namespace {

class Shared : public MachineTest {
 protected:
  void MakeTwo(ModeOptions options = {}) {
    for (std::size_t i = 0; i < 2; ++i) machines_[i].emplace(options, told_[i]);
    machines_[1]->Share(machines_[0]->shared());
    for (auto& machine : machines_) machine->OnConnect(now_);
  }
  static ModeOptions FromStart() {
    ModeOptions options;
    options.from = {Beginning::Kind::kStart, 0};
    return options;
  }
  ModeMachine& At(std::size_t i) { return *machines_[i]; }
  void Settle() { At(0).shared()->Settle(now_); }
  Calls Told(std::size_t i) { return told_[i].Take(); }
  void Forget() {
    for (RecordingActions& told : told_) told.Take();
  }

  void Welcome(std::size_t i, Position tail, Position head, SessionId session = kSession) {
    At(i).OnWelcome(WelcomeTo(tail, head, session), now_);
    Settle();
  }
  void Live(std::size_t i, Position from, Position to) {
    At(i).OnLive(Data(from, to), Payload(from, to), now_);
    Settle();
  }
  void LiveEnd(std::size_t i, Position at) {
    At(i).OnLive(Head(at, BlockKind::kEndOfStream), {}, now_);
    Settle();
  }
  void Replay(std::size_t i, Position from, Position to) {
    At(i).OnReplay(Data(from, to), Payload(from, to), now_);
    Settle();
  }
  void Done(std::size_t i, Position next, Position tail, Position head,
            control::Done::Outcome outcome = control::Done::Outcome::kOk) {
    control::Done done;
    for (const control::Read& read : told_[i].reads) {
      if (read.max > 0) done.request = read.request;
    }
    done.outcome = outcome;
    done.session = kSession;
    done.next = next;
    done.tail = tail;
    done.head = head;
    At(i).OnDone(done, now_);
    Settle();
  }
  /// Time passes; those that are `alive` answer what they are asked.
  void PassWith(Duration time, std::array<bool, 2> alive) {
    for (Duration passed{0}; passed < time; passed += std::chrono::milliseconds(50)) {
      now_ += std::chrono::milliseconds(50);
      for (std::size_t i = 0; i < 2; ++i) {
        if (alive[i]) {  // signs of life on both sockets
          At(i).OnError("too-many-reads", "", now_);
          At(i).OnLive(Head(At(i).known_head()), {}, now_);
        }
        At(i).OnTick(now_);
        Settle();
      }
    }
  }
  /// Both at the head, and LIVE.
  void MakeTwoLive(Position head, ModeOptions options = FromStart()) {
    MakeTwo(options);
    Welcome(0, 0, head);
    Welcome(1, 0, head);
    Replay(0, 0, head);
    Done(0, head, 0, head);
    for (std::size_t i = 0; i < 2; ++i) {
      At(i).OnLive(Head(head), {}, now_);
      Settle();
      ASSERT_EQ(At(i).state(), State::kLive) << i;
    }
    Forget();
  }

  std::array<RecordingActions, 2> told_;
  std::array<std::optional<ModeMachine>, 2> machines_;
};

TEST_F(Shared, OnlyOneAsksForTheBacklogAndTheOtherStandsBy) {
  MakeTwo(FromStart());
  Welcome(0, 0, 32 * kMiB);
  Forget();
  Welcome(1, 0, 32 * kMiB);
  EXPECT_EQ(Told(1), Calls{"mode catch-up"});
  EXPECT_EQ(told_[0].reads.size(), 2U);
  EXPECT_TRUE(told_[1].reads.empty());
}

TEST_F(Shared, TheOtherAsksAtOnceWhenTheOneThatAskedStalls) {
  MakeTwo(FromStart());
  Welcome(0, 0, 32 * kMiB);
  Welcome(1, 0, 32 * kMiB);
  Replay(0, 0, 160);
  Forget();
  PassWith(std::chrono::milliseconds(400), {false, true});
  EXPECT_TRUE(told_[1].Called("read 160 max 4194304"));
  Replay(1, 160, 320);
  EXPECT_EQ(At(0).position(), 320U) << "one position for both";
}

TEST_F(Shared, SilenceOfAllIsNoticedWhileNothingIsAskedFor) {
  MakeTwo(FromStart());
  Welcome(0, 0, 32 * kMiB);
  Welcome(1, 0, 32 * kMiB);
  for (std::size_t i = 0; i < 2; ++i) {
    Replay(0, 0, 160);
    At(i).OnQueued(16 * kMiB, now_);  // the consumer has stopped
  }
  PassWith(std::chrono::milliseconds(400), {true, true});
  Forget();
  PassWith(std::chrono::milliseconds(5500), {false, false});
  EXPECT_TRUE(told_[0].Called("remake"));
  EXPECT_TRUE(told_[1].Called("remake"));
}

TEST_F(Shared, EachBlockIsTakenFromWhoeverIsFirst) {
  MakeTwoLive(160);
  Live(0, 160, 320);
  Live(1, 160, 400);
  Live(0, 320, 480);
  EXPECT_EQ(Told(0), (Calls{"deliver 160-320", "deliver 400-480"}));
  EXPECT_EQ(Told(1), Calls{"deliver 320-400"});
}

TEST_F(Shared, AHoleOfOneIsFilledByTheOtherWithoutAskingAnybody) {
  MakeTwoLive(160);
  Live(0, 320, 480);
  EXPECT_EQ(At(0).state(), State::kBridging);
  EXPECT_EQ(Told(0), Calls{"mode catch-up"});
  Live(1, 160, 320);
  EXPECT_EQ(At(0).state(), State::kLive);
  EXPECT_EQ(Told(1), Calls{"deliver 160-320"});
  EXPECT_EQ(Told(0), (Calls{"mode live", "deliver 320-480"})) << "and it goes on at once";
}

TEST_F(Shared, AHoleThatNobodyFillsIsAskedForByTheOneThatSeesIt) {
  MakeTwoLive(160);
  Live(0, 320, 480);
  Forget();
  PassWith(std::chrono::milliseconds(400), {true, true});
  EXPECT_TRUE(told_[0].Called("read 160 max 160"));
}

TEST_F(Shared, WhatOneHasLostIsAskedOfTheOther) {
  ModeOptions options;
  options.from = {Beginning::Kind::kPosition, 0};
  MakeTwo(options);
  Welcome(0, 160, 320);
  Welcome(1, 0, 320);
  Done(0, 0, 160, 320, control::Done::Outcome::kGone);
  EXPECT_TRUE(told_[0].gaps.empty());
  EXPECT_EQ(told_[1].TakeLast(), "read 0 max 320");
  Replay(1, 0, 320);
  EXPECT_EQ(At(0).position(), 320U);
}

TEST_F(Shared, WhatNobodyHasIsLostUpToTheFirstByteThatOneHas) {
  ModeOptions options;
  options.from = {Beginning::Kind::kPosition, 0};
  MakeTwo(options);
  Welcome(0, 160, 320);
  Welcome(1, 64, 320);
  Done(0, 0, 160, 320, control::Done::Outcome::kGone);
  Done(1, 0, 64, 320, control::Done::Outcome::kGone);
  Replay(1, 64, 320);
  ASSERT_EQ(told_[1].gaps.size(), 1U);
  EXPECT_EQ(told_[1].gaps[0].from, 0U);
  EXPECT_EQ(told_[1].gaps[0].to, 64U);
  EXPECT_TRUE(told_[0].gaps.empty()) << "it is said once";
}

TEST_F(Shared, OneThatIsNotReachedIsWaitedForBeforeSomethingIsLostButNotForLong) {
  ModeOptions options;
  options.from = {Beginning::Kind::kPosition, 0};
  MakeTwo(options);
  Welcome(0, 160, 320);
  Done(0, 0, 160, 320, control::Done::Outcome::kGone);
  PassWith(std::chrono::seconds(2), {true, false});
  EXPECT_EQ(At(0).position(), 0U);
  PassWith(std::chrono::seconds(2), {true, false});
  EXPECT_EQ(At(0).position(), 160U);
}

TEST_F(Shared, TheEndOfOneIsTheEndOfBothAndSaidOnce) {
  MakeTwoLive(160);
  LiveEnd(1, 160);
  EXPECT_EQ(At(0).state(), State::kEnded);
  EXPECT_EQ(Told(1), (Calls{"unsubscribe demo", "mode ended", "end 160 status 3"}));
  EXPECT_EQ(Told(0), (Calls{"unsubscribe demo", "mode ended"}));
}

TEST_F(Shared, AnEndThatOneHasAnnouncedCountsWhereTheOtherGetsThere) {
  MakeTwoLive(160);
  LiveEnd(1, 320);
  EXPECT_EQ(At(1).state(), State::kBridging) << "it lacks the last bytes";
  Live(0, 160, 320);
  EXPECT_EQ(At(0).state(), State::kEnded);
  EXPECT_EQ(At(1).state(), State::kEnded);
}

TEST_F(Shared, AnotherSessionStandsApartAsLongAsTheOldOneIsHeard) {
  MakeTwoLive(160);
  At(0).OnConnect(now_);
  Forget();
  Welcome(0, 0, 32, 8);
  Welcome(0, 0, 48, 8);
  EXPECT_EQ(Told(0), Calls{"apart 8"}) << "it is said once";
  Live(1, 160, 320);
  EXPECT_EQ(At(1).position(), 320U);
  EXPECT_EQ(Told(1), Calls{"deliver 160-320"});
}

TEST_F(Shared, WhenTheOldOneHasVanishedItIsFollowedOrReportedAsAlone) {
  for (const bool follow : {true, false}) {
    SCOPED_TRACE(follow);
    ModeOptions options = FromStart();
    options.follow = follow;
    MakeTwoLive(160, options);
    At(0).OnConnect(now_);
    Welcome(0, 0, 32, 8);
    PassWith(std::chrono::seconds(4), {true, false});
    Forget();
    Welcome(0, 0, 32, 8);
    if (!follow) {
      EXPECT_EQ(Told(0), Calls{"fail 4"});
      continue;
    }
    EXPECT_TRUE(told_[0].Called("session 7 -> 8"));
    At(1).OnConnect(now_);
    Forget();
    Welcome(1, 0, 160);
    EXPECT_EQ(At(1).state(), State::kJoining) << "what was left is not gone back to";
    EXPECT_EQ(At(0).session(), 8U);
    machines_[1].reset();
    machines_[0].reset();
  }
}

TEST_F(Shared, OneThatLagsIsJoinedWhereTheOtherIs) {
  MakeTwo(FromStart());
  Welcome(0, 0, 320);
  Replay(0, 0, 320);
  Forget();
  Welcome(1, 0, 160);
  EXPECT_EQ(At(1).position(), 320U);
  Live(1, 160, 320);
  EXPECT_EQ(told_[1].delivered, "");
  Live(1, 320, 480);
  EXPECT_EQ(At(0).position(), 480U);
}

TEST_F(Shared, OneThatHasLostItsBytesInARestartIsNotBelievedWhileTheOtherHasThem) {
  MakeTwoLive(320);
  At(0).OnConnect(now_);
  control::Welcome anew = WelcomeTo(0, 160);
  anew.started_ns = 1;
  At(0).OnWelcome(anew, now_);
  Settle();
  EXPECT_EQ(At(0).position(), 320U);
  EXPECT_FALSE(told_[0].Called("continues 7 -> 7 at 160"));
  PassWith(std::chrono::seconds(4), {true, false});
  EXPECT_TRUE(told_[0].Called("continues 7 -> 7 at 160")) << "it is the only one now";
}

TEST_F(Shared, FollowersOfAStreamThatGoesOnAreNotToldItsOldEndAgain) {
  ModeOptions options = FromStart();
  options.follow = true;
  MakeTwoLive(160, options);
  LiveEnd(0, 160);
  At(0).OnConnect(now_);
  control::Welcome anew = WelcomeTo(0, 160);
  anew.started_ns = 1;
  Forget();
  At(0).OnWelcome(anew, now_);
  Settle();
  EXPECT_TRUE(told_[0].Called("continues 7 -> 7 at 160"));
  control::Welcome old = WelcomeTo(0, 160);
  old.ended = true;
  At(1).OnWelcome(old, now_);
  Settle();
  At(1).OnReplay(Head(160, BlockKind::kEndOfStream), {}, now_);
  Settle();
  EXPECT_FALSE(At(0).shared()->progress.ended) << "the other one has gone on";
  Replay(0, 160, 320);
  EXPECT_EQ(At(1).position(), 320U);
}

TEST_F(Shared, ACursorWaitsForTheOneThatHasItsSession) {
  ModeOptions options;
  options.resume = Resumption{kSession, 160};
  MakeTwo(options);
  Welcome(0, 0, 32, 8);
  EXPECT_EQ(At(0).state(), State::kJoining);
  Welcome(1, 0, 320);
  EXPECT_EQ(told_[1].reads.size(), 1U);
  Replay(1, 160, 320);
  EXPECT_EQ(told_[1].delivered.size(), 160U);
}

}  // namespace
}  // namespace pipedup
