#include "top/screen.h"

#include <gtest/gtest.h>

namespace pipedup::top {
namespace {

TEST(Screen, IsDrawnOverAndTheRestIsCleared) {
  EXPECT_EQ(Frame({"one", "two"}, 5), "\x1b[H\x1b[Kone\r\n\x1b[Ktwo\r\n\x1b[J");
  EXPECT_EQ(Frame({}, 5), "\x1b[H\x1b[J");
}

TEST(Screen, ThatIsFullIsNotScrolled) {
  EXPECT_EQ(Frame({"one", "two"}, 2), "\x1b[H\x1b[Kone\r\n\x1b[Ktwo");
}

TEST(Screen, SaysHowManyLinesAreMissing) {
  EXPECT_EQ(Frame({"one", "two", "three"}, 2), "\x1b[H\x1b[Kone\r\n\x1b[K+2");
  EXPECT_EQ(Frame({"one", "two", "three"}, 1), "\x1b[H\x1b[K+3");
  EXPECT_EQ(Frame({"one", "two", "three"}, 0), "\x1b[H\x1b[K+3");
}

}  // namespace
}  // namespace pipedup::top
