#include "cli/arguments.h"

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

TEST(Arguments, AnEmptyValueIsAValue) {
  Case c;
  ASSERT_FALSE(c.Run({"--from=", "there"}).exit_status);
  EXPECT_EQ(c.values.from, "");
  EXPECT_EQ(c.values.endpoint, "there");
}

TEST(Arguments, BracketsAreOrdinaryCharacters) {
  Case c;
  ASSERT_FALSE(c.Run({"-b", "[::1]:5590", "[::1]"}).exit_status);
  EXPECT_EQ(c.values.bind, std::vector<std::string>{"[::1]:5590"});
  EXPECT_EQ(c.values.endpoint, "[::1]");
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
}

}  // namespace
}  // namespace pipedup::cli
