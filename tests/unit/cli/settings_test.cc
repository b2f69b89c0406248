#include "cli/settings.h"

#include <gtest/gtest.h>

#include "example_program.h"

namespace pipedup::cli {
namespace {

TEST(Arguments, TakesValuesInEveryForm) {
  const std::vector<std::vector<std::string>> forms = {
      {"--stream", "a"}, {"--stream=a"}, {"-s", "a"}, {"-sa"}, {"-ts", "a"}, {"-tsa"}};
  for (const std::vector<std::string>& words : forms) {
    Case c;
    EXPECT_FALSE(c.Run(words).exit_status) << words[0];
    EXPECT_EQ(c.values.stream, "a") << words[0];
  }
}

TEST(Arguments, AValueMayBeginWithADash) {
  Case c;
  ASSERT_FALSE(c.Run({"--from", "-5m"}).exit_status);
  EXPECT_EQ(c.values.from, "-5m");
  ASSERT_FALSE(c.Run({"--from=-7m"}).exit_status);
  EXPECT_EQ(c.values.from, "-7m");
}

TEST(Arguments, AnEmptyWordIsAValue) {
  Case c;
  ASSERT_FALSE(c.Run({"--from", "", "there"}).exit_status);
  EXPECT_EQ(c.values.from, "");
  EXPECT_EQ(c.values.endpoint, "there");
}

TEST(Arguments, NothingAfterAnEqualsSignIsAMissingValue) {
  EXPECT_EQ(Case().Wrong({"--from=", "there"}), "--from: a value is missing");
  EXPECT_EQ(Case().Wrong({"--tee="}), "--tee: a value is missing");
  Case c;
  EXPECT_EQ(c.Wrong({"endpoint="}), "");
  EXPECT_EQ(c.values.endpoint, "endpoint=");
}

TEST(Arguments, BracketsAreOrdinaryCharacters) {
  Case c;
  ASSERT_FALSE(c.Run({"-b", "[::1]:5590", "[::1]"}).exit_status);
  EXPECT_EQ(c.values.bind, std::vector<std::string>{"[::1]:5590"});
  EXPECT_EQ(c.values.endpoint, "[::1]");
}

TEST(Arguments, AListOfPositionalValuesTakesThemAsTheyAre) {
  ExampleValues values;
  Program program = MakeProgram(&values);
  std::vector<std::string> all;
  program.options[0].target = List([&all](std::string_view text) -> std::string {
    all.emplace_back(text);
    return "";
  });
  const Surroundings surroundings{.environment = [](const std::string&) { return ""; },
                                  .read_file = {}};
  const std::vector<std::string> words = {"[a,b]", "-t", "-", "c"};
  EXPECT_EQ(Decide(program, words, surroundings).wrong, "");
  EXPECT_EQ(all, (std::vector<std::string>{"[a,b]", "-", "c"}));
  EXPECT_TRUE(values.tee);
}

TEST(Arguments, OptionsMayFollowPositionalValues) {
  Case c;
  ASSERT_FALSE(c.Run({"there", "-t"}).exit_status);
  EXPECT_EQ(c.values.endpoint, "there");
  EXPECT_TRUE(c.values.tee);
}

TEST(Arguments, ASecondPositionalValueIsExplained) {
  EXPECT_EQ(Case().Wrong({"a", "b"}), "'b': one is enough");
}

TEST(Arguments, WhatFollowsTwoDashesIsTheCommandAsItStands) {
  Case c;
  ASSERT_FALSE(c.Run({"-t", "--", "cat", "--retain", "--", "-x"}).exit_status);
  EXPECT_EQ(c.values.command, (std::vector<std::string>{"cat", "--retain", "--", "-x"}));
  EXPECT_EQ(Case().Wrong({"--"}), "--: a command is missing");
}

TEST(Arguments, AValueIsNotLookedForBehindTwoDashes) {
  EXPECT_EQ(Case().Wrong({"--retain", "--", "1MiB"}), "--retain: a value is missing");
  EXPECT_EQ(Case().Wrong({"--retain"}), "--retain: a value is missing");
}

TEST(Arguments, ALastValueCounts) {
  Case c;
  ASSERT_FALSE(c.Run({"-s", "a", "-s", "b"}).exit_status);
  EXPECT_EQ(c.values.stream, "b");
}

TEST(Arguments, AListTakesAllValuesInOrder) {
  Case c;
  ASSERT_FALSE(c.Run({"-b", "1", "--bind=2", "-b3"}).exit_status);
  EXPECT_EQ(c.values.bind, (std::vector<std::string>{"1", "2", "3"}));
}

TEST(Arguments, AFlagCanBeUnset) {
  Case c;
  ASSERT_FALSE(c.Run({"--tee", "--tee=no"}).exit_status);
  EXPECT_FALSE(c.values.tee);
  EXPECT_EQ(c.Wrong({"--tee=maybe"}),
            "--tee: 'maybe' is neither true (1, yes, on) nor false (0, no, off)");
}

TEST(Arguments, ANegativeFlagClearsWhatItNames) {
  Case c;
  ASSERT_FALSE(c.Run({"--no-checksum"}).exit_status);
  EXPECT_FALSE(c.values.checksum);
}

TEST(Arguments, AnUnknownOptionProposesTheNearest) {
  EXPECT_EQ(Case().Wrong({"--retian", "5"}),
            "--retian: unknown option (did you mean --retain?)");
  EXPECT_EQ(Case().Wrong({"--log_format=json"}),
            "--log_format: unknown option (did you mean --log-format?)");
  EXPECT_EQ(Case().Wrong({"--completely-else"}), "--completely-else: unknown option");
  EXPECT_EQ(Case().Wrong({"-tx"}), "-x: unknown option");
}

TEST(Arguments, APositionalOptionHasNoNameToType) {
  EXPECT_EQ(Case().Wrong({"--endpoint", "x"}), "--endpoint: unknown option");
}

TEST(Arguments, WhatAUserTypedCannotSteerTheTerminal) {
  EXPECT_EQ(Case().Wrong({"--\x1b[2J"}), "--\\x1b[2J: unknown option");
  EXPECT_EQ(Case().Wrong({"-\x1b"}), "-\\x1b: unknown option");
  EXPECT_EQ(Case().Wrong({"---x"}), "---x: unknown option");
}

/// What the example's --from and --bind are after this file was read.
struct FromFile {
  Case c;
  std::string wrong;
  explicit FromFile(const std::string& text) {
    c.values.from = "";
    c.files["f"] = text;
    wrong = c.Wrong({"--config", "f"});
  }
};

TEST(ConfigText, QuotesHoldAnyText) {
  const struct {
    const char* written;
    const char* text;
  } cases[] = {{"'a#b, c'  # and 'another", "a#b, c"},
               {"\"it's [1] = \\\"x\\\"\"", "it's [1] = \"x\""},
               {"'\"x y\"'", "\"x y\""},
               {"'c:\\x'\r", "c:\\x"},
               {"\"\\\\\"", "\\"},
               {"\"\\n\\t\\u00e4\"", "\n\t\xC3\xA4"},
               {"''", ""},
               {"-12", "-12"}};
  for (const auto& [written, text] : cases) {
    FromFile read(std::string("\n# c\n from = ") + written + "\ntee = true");
    EXPECT_EQ(read.wrong, "") << written;
    EXPECT_EQ(read.c.values.from, text) << written;
    EXPECT_TRUE(read.c.values.tee) << written;
  }
}

TEST(ConfigText, AnArrayMayGoOverLinesWithComments) {
  FromFile read("bind = [ # why\n  \"x]#\",\n\n  'y z' , # [\n '[::1]',\n]\ntee = true\n");
  EXPECT_EQ(read.wrong, "");
  EXPECT_EQ(read.c.values.bind, (std::vector<std::string>{"x]#", "y z", "[::1]"}));
  EXPECT_TRUE(read.c.values.tee);
  EXPECT_TRUE(FromFile("bind = []").c.values.bind.empty());
}

TEST(ConfigText, SaysWhatIsWrong) {
  const struct {
    const char* text;
    const char* wrong;
  } cases[] = {
      {"\nfrom = 'x", "f: line 2: a quote is not closed"},
      {"from = 'x\ny'", "f: line 1: a quote is not closed"},
      {"from = \"x\\\"", "f: line 1: a quote is not closed"},
      {"from = 'x'y", "f: from: text in quotes stands alone"},
      {"from = 'x' 'y'", "f: from: takes one value"},
      {"from = a b", "f: from: takes one value"},
      {"tee =", "f: tee: a value is missing"},
      {"tee = perhaps",
       "f: tee: 'perhaps' is neither true (1, yes, on) nor false (0, no, off)"},
      {"from = 1\ntee = true\nfrom = 2", "f: from: is set twice"},
      {"[table]\nfrom = 1", "f: table: tables are not used here: write name = value"},
      {"bind = [1\n", "f: an array ends with ]"},
      {"from = \"\\q\"",
       "f: \"\\\\q\": unknown escape; a backslash is written \\\\, or 'in single quotes'"},
      {"s = 'x'", "f: s: unknown key"}};
  for (const auto& [text, wrong] : cases) EXPECT_EQ(FromFile(text).wrong, wrong) << text;
}

TEST(ConfigText, EveryPrefixOfAFileIsReadOrRefused) {
  const std::string text = "from = \"x\\u00e4\"\nbind = [ 'y', 2 ] # c\n\"tee\" = true\n";
  for (std::size_t i = 0; i <= text.size(); ++i) {
    EXPECT_LE(FromFile(text.substr(0, i)).c.values.bind.size(), 2U);
  }
  EXPECT_EQ(FromFile(text).wrong, "");
}

}  // namespace
}  // namespace pipedup::cli
