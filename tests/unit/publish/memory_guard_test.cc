// Which socket is made anew when peers make the publisher hold too much.
#include "publish/memory_guard.h"

#include <gtest/gtest.h>

namespace pipedup {
namespace {

using std::chrono::milliseconds;
using Remedy = MemoryGuard::Remedy;

class MemoryGuardTest : public testing::Test {
 protected:
  Remedy TooMuchAfter(milliseconds time) { return guard_.OnTooMuch(now_ += time); }
  MemoryGuard guard_;
  TimePoint now_{std::chrono::hours(1)};
};

TEST_F(MemoryGuardTest, TheControlSocketIsTheFirstSuspect) {
  EXPECT_EQ(TooMuchAfter(milliseconds(0)), Remedy::kRemakeControl);
}

TEST_F(MemoryGuardTest, ARemadeSocketIsGivenTimeToLetGo) {
  (void)TooMuchAfter(milliseconds(0));
  EXPECT_EQ(TooMuchAfter(milliseconds(400)), Remedy::kNone);
  EXPECT_EQ(TooMuchAfter(milliseconds(400)), Remedy::kNone);
}

TEST_F(MemoryGuardTest, WhereItDidNotHelpTheOtherOneFollows) {
  (void)TooMuchAfter(milliseconds(0));
  EXPECT_EQ(TooMuchAfter(milliseconds(1000)), Remedy::kRemakeData);
  EXPECT_EQ(TooMuchAfter(milliseconds(1000)), Remedy::kRemakeControl);
}

TEST_F(MemoryGuardTest, TheOneThatHelpedIsTheFirstSuspectNextTime) {
  (void)TooMuchAfter(milliseconds(0));
  EXPECT_EQ(TooMuchAfter(milliseconds(1000)), Remedy::kRemakeData);
  guard_.OnEnough();
  EXPECT_EQ(TooMuchAfter(milliseconds(5000)), Remedy::kRemakeData);
}

}  // namespace
}  // namespace pipedup
