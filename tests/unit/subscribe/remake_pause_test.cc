#include "subscribe/remake_pause.h"

#include <gtest/gtest.h>

namespace pipedup {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kLeast = 0;

/// A number that makes the pause as long as `most`, in which it is taken modulo `most` + 1.
std::uint64_t Greatest(Duration most) {
  return static_cast<std::uint64_t>(most.count());
}

TEST(RemakePauseTest, TheFirstIsShort) {
  EXPECT_EQ(RemakePause(seconds(3)).Next(true, kLeast), seconds(0));
  EXPECT_EQ(RemakePause(seconds(3)).Next(true, Greatest(milliseconds(750))), milliseconds(750));
  EXPECT_EQ(RemakePause(seconds(3)).Next(false, Greatest(milliseconds(750))),
            milliseconds(750));
  EXPECT_EQ(RemakePause(seconds(60)).Next(true, Greatest(seconds(1))), seconds(1));
}

TEST(RemakePauseTest, GrowsWhileNobodyAnswers) {
  RemakePause pause(seconds(4));
  (void)pause.Next(false, kLeast);
  EXPECT_EQ(pause.Next(false, kLeast), seconds(2));
  EXPECT_EQ(pause.Next(false, kLeast), seconds(4));
  EXPECT_EQ(pause.Next(false, kLeast), seconds(8));
  EXPECT_EQ(pause.Next(false, kLeast), seconds(8));
}

TEST(RemakePauseTest, NeverIsLongerThanFourTimesTheSilence) {
  RemakePause pause(seconds(4));
  for (int i = 0; i < 100; ++i) EXPECT_LE(pause.Next(false, Greatest(seconds(8))), seconds(16));
}

TEST(RemakePauseTest, IsShortAgainOnceAnythingWasHeard) {
  RemakePause pause(seconds(4));
  for (int i = 0; i < 5; ++i) (void)pause.Next(false, kLeast);
  EXPECT_LE(pause.Next(true, Greatest(seconds(1))), seconds(1));
  EXPECT_LE(pause.Next(false, Greatest(seconds(1))), seconds(1));
  EXPECT_GE(pause.Next(false, kLeast), seconds(2));
}

}  // namespace
}  // namespace pipedup
