// A reader that goes on where an earlier one stopped.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "machine_test_base.h"

namespace pipedup {
namespace {

class Resuming : public MachineTest {
 protected:
  void ResumeAt(Position position, ModeOptions options = {}) {
    options.resume = Resumption{kSession, position};
    Make(options);
    actions_.Take();
  }
};

TEST_F(Resuming, AsksForWhatComesBehindItsPosition) {
  ResumeAt(485);  // in a record: what came before it was delivered
  Welcomed(0, 1600);
  EXPECT_EQ(actions_.Take(), (Calls{"begin 485", "mode catch-up", "read 485 max 1115"}));
  Replay(485, 1600);
  EXPECT_EQ(actions_.TakeFirst(), "deliver 485-1600");
  EXPECT_TRUE(actions_.gaps.empty());
}

TEST_F(Resuming, IsNotWelcomedBeforeItIs) {
  ResumeAt(480);
  EXPECT_FALSE(machine_->welcomed());
  EXPECT_FALSE(machine_->located());
  EXPECT_EQ(machine_->position(), 480U);
  Welcomed(0, 1600);
  EXPECT_TRUE(machine_->welcomed());
  EXPECT_TRUE(machine_->located());
}

TEST_F(Resuming, BeginsOnceThoughItIsWelcomedAgain) {
  ResumeAt(480);
  Welcomed(0, 1600);
  actions_.Take();
  Welcomed(0, 1600);
  EXPECT_FALSE(actions_.Called("begin 480"));
}

TEST_F(Resuming, WhatRetentionHasPassedIsAnExactGap) {
  ResumeAt(485);
  Welcomed(800, 1600);
  Gone(485, 800, 1600);
  Replay(800, 1600);
  ASSERT_EQ(actions_.gaps.size(), 1U);
  EXPECT_EQ(actions_.gaps[0].from, 485U);
  EXPECT_EQ(actions_.gaps[0].to, 800U);
  EXPECT_FALSE(actions_.gaps[0].records_known);
  EXPECT_TRUE(actions_.Called("deliver 800-1600"));
}

TEST_F(Resuming, AtTheEndOfAnEndedStreamIsTheEnd) {
  ResumeAt(1600);
  Welcomed(0, 1600);
  ReplayEnd(1600);
  EXPECT_TRUE(actions_.Called("end 1600 status 3"));
  EXPECT_EQ(actions_.delivered, "");
}

TEST_F(Resuming, ASessionThatIsGoneIsSaidAndFromDecides) {
  for (const bool follow : {false, true}) {
    ModeOptions options;
    options.follow = follow;
    options.from = {Beginning::Kind::kStart, 0};
    ResumeAt(485, options);
    machine_->OnWelcome(WelcomeTo(320, 1600, 8), now_);
    EXPECT_EQ(actions_.Take(), (Calls{"session 7 -> 8", "mode catch-up", "read 320 max 1280"}));
    machine_->OnReplay(Data(320, 1600, 8), Payload(320, 1600), now_);
    EXPECT_EQ(actions_.Take().front(), "begin 320");
    EXPECT_TRUE(actions_.gaps.empty());
  }
}

TEST_F(Resuming, ASessionThatGoesOnUnderAnotherIdIsRead) {
  for (const Position end : {Position{800}, Position{320}}) {
    ResumeAt(485);
    control::Welcome welcome = WelcomeTo(0, 1600, 8);
    welcome.past = {{kSession, end}};
    machine_->OnWelcome(welcome, now_);
    const std::string at = std::to_string(std::min<Position>(485, end));
    const Calls calls = actions_.Take();
    ASSERT_GE(calls.size(), 2U);
    EXPECT_EQ(calls[0], "begin " + at);
    EXPECT_EQ(calls[1].substr(0, 9), "continues") << calls[1];
    EXPECT_EQ(machine_->session(), 8U);
    EXPECT_EQ(machine_->position(), std::min<Position>(485, end));
    EXPECT_TRUE(actions_.gaps.empty());
  }
}

TEST_F(Resuming, AStreamInACodecThatIsNotKnownIsNotRead) {
  ResumeAt(480);
  control::Welcome welcome = WelcomeTo(0, 1600);
  welcome.codec = "lz4";
  machine_->OnWelcome(welcome, now_);
  EXPECT_EQ(actions_.Take(), (Calls{"fail " + std::to_string(kExitRefused)}));
}

TEST_F(Resuming, NothingIsLostOfAPublisherThatWasNeverReached) {
  ResumeAt(480);
  machine_->GiveUp("the publisher vanished");
  EXPECT_TRUE(actions_.gaps.empty());
}

}  // namespace
}  // namespace pipedup
