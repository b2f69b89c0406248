#include "base/display.h"

#include <gtest/gtest.h>

namespace pipedup {
namespace {

using namespace std::string_literals;

TEST(Display, PlainTextStaysAsItIs) {
  EXPECT_EQ(Displayable("errors only #2", true), "errors only #2");
  EXPECT_EQ(Displayable("errors only #2", false), "errors only #2");
  EXPECT_EQ(Displayable("", true), "");
}

TEST(Display, WhatSteersATerminalIsEscaped) {
  EXPECT_EQ(Displayable("\x1b[31mred\x1b[0m", true), "\\x1b[31mred\\x1b[0m");
  EXPECT_EQ(Displayable("a\0b\r\n\t\x7f"s, true), "a\\x00b\\x0d\\x0a\\x09\\x7f");
  EXPECT_EQ(Displayable("\xc2\x9b"
                        "31m",
                        true),
            "\\u{9b}31m")
      << "CSI in one character";
  EXPECT_EQ(Displayable("a\\b", true), "a\\\\b") << "or it could be taken for an escape";
}

TEST(Display, WhatTurnsOrHidesTextIsEscaped) {
  EXPECT_EQ(Displayable("a\u202eb\u2066c\u200bd\ufeff", true),
            "a\\u{202e}b\\u{2066}c\\u{200b}d\\u{feff}");
  EXPECT_EQ(Displayable("\U000E0041\uE000", true), "\\u{e0041}\\u{e000}");
}

TEST(Display, WhatIsNoUtf8IsEscapedByteByByte) {
  EXPECT_EQ(Displayable("\x9b"
                        "A",
                        true),
            "\\x9bA");
  EXPECT_EQ(Displayable("\xe5\x90", true), "\\xe5\\x90") << "cut off";
  EXPECT_EQ(Displayable("\xc0\x9b", true), "\\xc0\\x9b") << "longer than need be";
  EXPECT_EQ(Displayable("\xed\xa0\x80", true), "\\u{d800}") << "half a pair";
  EXPECT_EQ(Displayable("\xf4\x90\x80\x80", true), "\\xf4\\x90\\x80\\x80") << "beyond the end";
  EXPECT_EQ(Displayable("\xff", true), "\\xff");
}

TEST(Display, ATerminalThatReadsNoUtf8IsGivenAscii) {
  EXPECT_EQ(Displayable("名", true), "名");
  EXPECT_EQ(Displayable("名", false), "\\xe5\\x90\\x8d");
}

TEST(Display, WideCharactersTakeTwoColumnsAndMarksNone) {
  EXPECT_EQ(DisplayColumns("abc"), 3U);
  EXPECT_EQ(DisplayColumns("äöü"), 3U);
  EXPECT_EQ(DisplayColumns("名前"), 4U);
  EXPECT_EQ(DisplayColumns("🦀"), 2U);
  EXPECT_EQ(DisplayColumns("e\u0301"), 1U);
}

TEST(Display, TextIsCutWhereTheColumnsEnd) {
  EXPECT_EQ(CutToColumns("abcdef", 6, true), "abcdef");
  EXPECT_EQ(CutToColumns("abcdef", 5, true), "abcd…");
  EXPECT_EQ(CutToColumns("abcdef", 5, false), "abcd~");
  EXPECT_EQ(CutToColumns("abcdef", 1, true), "…");
  EXPECT_EQ(CutToColumns("abcdef", 0, true), "");
}

TEST(Display, AWideCharacterIsNotCutInTwo) {
  EXPECT_EQ(CutToColumns("名前", 4, true), "名前");
  EXPECT_EQ(CutToColumns("名前", 3, true), "名…");
  EXPECT_EQ(CutToColumns("名前", 2, true), "…");
  EXPECT_EQ(CutToColumns("e\u0301e\u0301e", 2, true), "e\u0301…");
}

}  // namespace
}  // namespace pipedup
