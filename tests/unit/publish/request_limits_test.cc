// How much a connection may ask for.
#include "publish/request_limits.h"

#include <gtest/gtest.h>

namespace pipedup {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RequestLimitsTest : public testing::Test {
 protected:
  /// Of `count` requests at once, how many are served.
  int Served(const std::string& route, bool is_member, int count) {
    int served = 0;
    for (int i = 0; i < count; ++i) {
      if (limits_.Take(route, is_member, now_) == Verdict::kServe) ++served;
    }
    return served;
  }

  RequestLimits limits_;
  TimePoint now_{std::chrono::hours(1)};
};

TEST_F(RequestLimitsTest, AMemberMayAskForALotAtOnceAndThenForSoManyASecond) {
  EXPECT_EQ(Served("a", true, 10'500), 10'000);
  now_ += milliseconds(100);
  EXPECT_EQ(Served("a", true, 600), 500);
}

TEST_F(RequestLimitsTest, AStrangerMayAskForLittle) {
  EXPECT_EQ(Served("a", false, 100), 50);
  now_ += seconds(1);
  EXPECT_EQ(Served("a", false, 100), 25);
}

TEST_F(RequestLimitsTest, OneThatBecomesAMemberHasWhatIsLeft) {
  EXPECT_EQ(Served("a", false, 10), 10);
  EXPECT_EQ(Served("a", true, 8'500), 8'000);
}

TEST_F(RequestLimitsTest, OneDoesNotUseUpWhatAnotherHas) {
  (void)Served("a", true, 20'000);
  EXPECT_EQ(Served("b", true, 100), 100);
}

TEST_F(RequestLimitsTest, AllStrangersTogetherHaveALimitThatMembersDoNotFeel) {
  int served = 0;
  for (int i = 0; i < 400; ++i) served += Served("stranger " + std::to_string(i), false, 50);
  EXPECT_EQ(served, 10'000);
  EXPECT_EQ(Served("late", false, 1), 0);
  EXPECT_EQ(Served("member", true, 100), 100);
  now_ += milliseconds(500);
  EXPECT_EQ(Served("late", false, 1), 1);
}

TEST_F(RequestLimitsTest, WhatCostsMoreLeavesADebt) {
  EXPECT_EQ(Served("a", true, 1), 1);
  limits_.Charge("a", 20'000);
  EXPECT_EQ(Served("a", true, 10), 0);
  now_ += seconds(3);
  EXPECT_GT(Served("a", true, 10), 0);
}

TEST_F(RequestLimitsTest, OneThatGoesOnAfterThatIsCutOff) {
  (void)Served("a", true, 10'000);
  for (std::size_t i = 1; i < kMostIgnored; ++i) {
    ASSERT_EQ(limits_.Take("a", true, now_), Verdict::kIgnore);
  }
  EXPECT_EQ(limits_.Take("a", true, now_), Verdict::kCut);
  EXPECT_EQ(limits_.Take("a", true, now_), Verdict::kIgnore) << "that is said once";
}

TEST_F(RequestLimitsTest, ConnectionsThatAreSilentAreForgotten) {
  for (int i = 0; i < 100; ++i) (void)limits_.Take(std::to_string(i), false, now_);
  limits_.Forget(now_);
  EXPECT_EQ(limits_.size(), 100U);
  now_ += seconds(2);
  limits_.Forget(now_);
  EXPECT_EQ(limits_.size(), 0U);
}

}  // namespace
}  // namespace pipedup
