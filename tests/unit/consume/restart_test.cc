// When a consumer is started again, and after how long.
#include "consume/restart.h"

#include <gtest/gtest.h>

namespace pipedup {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(RestartRule, NeverIsNever) {
  RestartRule rule(Restart::kNever);
  EXPECT_EQ(rule.OnEnded(0, seconds(1)), std::nullopt);
  EXPECT_EQ(rule.OnEnded(1, seconds(1)), std::nullopt);
}

TEST(RestartRule, OnFailureLooksAtTheStatus) {
  RestartRule rule(Restart::kOnFailure);
  EXPECT_EQ(rule.OnEnded(0, seconds(1)), std::nullopt);
  EXPECT_EQ(rule.OnEnded(1, seconds(1)), milliseconds(100));
  EXPECT_EQ(rule.OnEnded(137, seconds(1)), milliseconds(200));
}

TEST(RestartRule, AlwaysDoesNot) {
  RestartRule rule(Restart::kAlways);
  EXPECT_EQ(rule.OnEnded(0, seconds(1)), milliseconds(100));
  EXPECT_EQ(rule.OnEnded(1, seconds(1)), milliseconds(200));
}

TEST(RestartRule, WaitsTwiceAsLongEachTimeUpToTenSeconds) {
  RestartRule rule(Restart::kAlways);
  for (const int ms : {100, 200, 400, 800, 1600, 3200, 6400, 10'000, 10'000}) {
    EXPECT_EQ(rule.OnEnded(1, milliseconds(5)), milliseconds(ms));
  }
}

TEST(RestartRule, BeginsAnewAfterAGoodRun) {
  RestartRule rule(Restart::kAlways);
  for (int i = 0; i < 5; ++i) (void)rule.OnEnded(1, milliseconds(5));
  EXPECT_EQ(rule.OnEnded(1, milliseconds(9'999)), milliseconds(3200));
  EXPECT_EQ(rule.OnEnded(1, seconds(10)), milliseconds(100));
  EXPECT_EQ(rule.OnEnded(1, milliseconds(5)), milliseconds(200));
}

}  // namespace
}  // namespace pipedup
