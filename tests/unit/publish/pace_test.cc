#include "publish/pace.h"

#include <gtest/gtest.h>

namespace pipedup {
namespace {

using std::chrono::milliseconds;

TEST(PaceTest, LinesToAFewMembersAreNeverHeldUp) {
  for (std::size_t members = 0; members < 50; ++members) {
    EXPECT_EQ(RestAfter(120, members), Duration(0)) << members;
  }
}

TEST(PaceTest, ManyMembersAreSentFewerBlocks) {
  EXPECT_EQ(RestAfter(120, 50), milliseconds(1));
  EXPECT_EQ(RestAfter(120, 1000), milliseconds(20));
  EXPECT_EQ(RestAfter(64 * 1024 - 1, 1000), milliseconds(20));
}

TEST(PaceTest, NoNumberOfMembersMakesALineWaitForLong) {
  EXPECT_EQ(RestAfter(120, 100'000), milliseconds(50));
}

TEST(PaceTest, LargeBlocksFollowEachOtherAtOnce) {
  EXPECT_EQ(RestAfter(64 * 1024, 1000), Duration(0));
  EXPECT_EQ(RestAfter(1024 * 1024, 100'000), Duration(0));
}

}  // namespace
}  // namespace pipedup
