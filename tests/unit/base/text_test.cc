#include "base/text.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace pipedup {
namespace {

TEST(Escape, LeavesPlainTextAlone) {
  EXPECT_EQ(Escape("plain text, 100%"), "plain text, 100%");
  EXPECT_EQ(Escape(""), "");
}

TEST(Escape, LetsNothingSteerATerminal) {
  EXPECT_EQ(Escape("\x1b[31mred"), "\\x1b[31mred");
  EXPECT_EQ(Escape("a\nb\tc\r"), "a\\x0ab\\x09c\\x0d");
  EXPECT_EQ(Escape(std::string_view("\0\x7f", 2)), "\\x00\\x7f");
  EXPECT_EQ(Escape("\xc3\xbc"), "\\xc3\\xbc");
  EXPECT_EQ(Escape("\xff"), "\\xff");
}

TEST(Escape, CanBeToldFromWhatItEscapes) {
  EXPECT_EQ(Escape("\\x1b"), "\\\\x1b");
}

TEST(Escape, CutsWhatIsTooLongAndSaysSo) {
  EXPECT_EQ(Escape("abcdef", 3), "abc…");
  EXPECT_EQ(Escape("abc", 3), "abc");
  EXPECT_EQ(Escape(std::string(1000, 'x')).size(), 200 + std::string("…").size());
}

TEST(Nearest, GuessesWhatWasMeant) {
  const std::array<std::string_view, 4> words{"stream", "records", "retain", "bind"};
  EXPECT_EQ(Nearest("strem", words), "stream");
  EXPECT_EQ(Nearest("recrods", words), "records");
  EXPECT_EQ(Nearest("bnd", words), "bind");
  EXPECT_EQ(Nearest("stream", words), "stream");
}

TEST(Nearest, GuessesNothingWhenNothingIsNear) {
  const std::array<std::string_view, 3> words{"stream", "a", "bind"};
  EXPECT_EQ(Nearest("compress", words), "");
  EXPECT_EQ(Nearest("x", words), "a") << "one edit";
  EXPECT_EQ(Nearest("", words), "a");
  EXPECT_EQ(Nearest("anything", {}), "");
}

TEST(Nearest, TakesTheNearestOfSeveral) {
  const std::array<std::string_view, 3> words{"strXXm", "stream", "streXm"};
  EXPECT_EQ(Nearest("strea", words), "stream");
}

TEST(Random, IdsAreHexAndDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string id = RandomHex(8);
    EXPECT_EQ(id.size(), 16U);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_TRUE(seen.insert(id).second);
    EXPECT_NE(RandomId(), 0U);
  }
}

TEST(Hex, IsSixteenDigitsTheMostSignificantFirst) {
  EXPECT_EQ(Hex(0), "0000000000000000");
  EXPECT_EQ(Hex(0xa5), "00000000000000a5");
  EXPECT_EQ(Hex(UINT64_MAX), "ffffffffffffffff");
}

}  // namespace
}  // namespace pipedup
