#include "cli/toml.h"

#include <gtest/gtest.h>

namespace pipedup::cli {
namespace {

using Values = std::vector<std::string>;

TEST(Toml, ReadsEveryKindOfValue) {
  const TomlFile file = ReadToml(
      "# a comment\n"
      "\n"
      "text = \"a#b, c\"  # and another\n"
      "  literal = 'c:\\x'\r\n"
      "\"quoted\" = \"\\\"\\\\\\n\\t\\u00e4\\U0001F600\"\n"
      "whole = -12\n"
      "decimal = 2.5\n"
      "yes = true\n"
      "no=false");
  ASSERT_EQ(file.wrong, "");
  ASSERT_EQ(file.entries.size(), 7U);
  EXPECT_EQ(file.entries[0].values, Values{"a#b, c"});
  EXPECT_EQ(file.entries[0].line, 3U);
  EXPECT_EQ(file.entries[1].values, Values{"c:\\x"});
  EXPECT_EQ(file.entries[2].name, "quoted");
  EXPECT_EQ(file.entries[2].values, Values{"\"\\\n\t\xC3\xA4\xF0\x9F\x98\x80"});
  EXPECT_EQ(file.entries[3].values, Values{"-12"});
  EXPECT_EQ(file.entries[4].values, Values{"2.5"});
  EXPECT_EQ(file.entries[5].values, Values{"true"});
  EXPECT_EQ(file.entries[6].values, Values{"false"});
}

TEST(Toml, ReadsArraysOverSeveralLines) {
  const TomlFile file =
      ReadToml("a = []\nb = ['1', 2,]\nc = [ # why\n  \"x]\",\n\n  'y'\n]\nd = 1");
  ASSERT_EQ(file.wrong, "");
  ASSERT_EQ(file.entries.size(), 4U);
  EXPECT_TRUE(file.entries[0].values.empty());
  EXPECT_TRUE(file.entries[0].array);
  EXPECT_EQ(file.entries[1].values, (Values{"1", "2"}));
  EXPECT_EQ(file.entries[2].values, (Values{"x]", "y"}));
  EXPECT_EQ(file.entries[2].line, 3U);
  EXPECT_EQ(file.entries[3].line, 8U);
}

TEST(Toml, AByteOrderMarkAndAnEmptyFileAreNothing) {
  EXPECT_TRUE(ReadToml("").entries.empty());
  EXPECT_EQ(ReadToml("\xEF\xBB\xBF"
                     "a = 1")
                .entries.size(),
            1U);
}

TEST(Toml, SaysWhatIsWrongAndWhere) {
  const struct {
    std::string_view text;
    std::size_t line;
    std::string_view wrong;
  } cases[] = {
      {"a = 64MiB", 1, "text stands in quotes: \"64MiB\""},
      {"a = 1\nb\n", 2, "expected = after b"},
      {"= 1", 1, "expected name = value"},
      {"a = 'x", 1, "a quote is not closed"},
      {"a = 'x\ny'", 1, "a quote is not closed"},
      {"a = 'x' 'y'", 1, "unexpected text after the value of a"},
      {"a =", 1, "a value is missing"},
      {"a = # nothing", 1, "a value is missing"},
      {"a = 1\n\na = 2", 3, "a is set twice, first on line 1"},
      {"[table]\n", 1, "tables are not used here: write name = value"},
      {"a = [1\n2]", 2, "an array ends with ]"},
      {"a = [1", 1, "an array ends with ]"},
      {"a = [", 1, "a value is missing"},
      {"a = [,]", 1, "a value is missing"},
      {"a = \"\"\"x\"\"\"", 1, "text over several lines is not used here"},
      {"a = 1.", 1, "text stands in quotes: \"1.\""},
      {"a = \"\\q\"", 1,
       "unknown escape in quotes; a backslash is written \\\\, or 'in single quotes'"},
      {"a = \"\\uD800\"", 1,
       "unknown escape in quotes; a backslash is written \\\\, or 'in single quotes'"},
      {"a = \"\\U00110000\"", 1,
       "unknown escape in quotes; a backslash is written \\\\, or 'in single quotes'"},
      {"a = \"\\u12", 1,
       "unknown escape in quotes; a backslash is written \\\\, or 'in single quotes'"},
  };
  for (const auto& c : cases) {
    const TomlFile file = ReadToml(c.text);
    EXPECT_EQ(file.wrong, c.wrong) << c.text;
    EXPECT_EQ(file.line, c.line) << c.text;
  }
}

TEST(Toml, EveryPrefixOfAFileIsReadOrRefused) {
  const std::string text = "a = \"x\\u00e4\"\nb = [ 'y', 2 ] # c\n\"d\" = true\n";
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const TomlFile file = ReadToml(std::string_view(text).substr(0, i));
    EXPECT_LE(file.entries.size(), 3U);
  }
}

TEST(Toml, WhatIsQuotedIsReadBack) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  const TomlFile file = ReadToml("a = " + TomlQuote(all));
  ASSERT_EQ(file.wrong, "");
  EXPECT_EQ(file.entries.at(0).values, Values{all});
}

}  // namespace
}  // namespace pipedup::cli
