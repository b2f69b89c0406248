#include "cli/decision.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "example_program.h"

namespace pipedup::cli {
namespace {

TEST(Precedence, DefaultsStandWhenNothingIsSaid) {
  Case c;
  const Decision decision = c.Run({});
  EXPECT_FALSE(decision.exit_status);
  EXPECT_EQ(decision.wrong, "");
  EXPECT_EQ(c.values.stream, "default");
  EXPECT_EQ(decision.reporter.program, "example");
  EXPECT_EQ(decision.reporter.verbosity, 0);
}

TEST(Precedence, AFlagCountsBeforeAVariableAndThatBeforeTheFile) {
  Case c;
  c.files["f"] = "stream = 'file'\nretain = '2MiB'\nmax-subs = 3\n";
  c.variables = {{"PIPEDUP_STREAM", "variable"}, {"PIPEDUP_RETAIN", "4MiB"}};
  ASSERT_EQ(c.Wrong({"--config", "f", "--stream", "flag"}), "");
  EXPECT_EQ(c.values.stream, "flag");
  EXPECT_EQ(c.values.retain, 4U << 20);
  EXPECT_EQ(c.values.most, 3U);
}

TEST(Precedence, AListIsReplacedNotContinued) {
  Case c;
  c.files["f"] = "bind = ['1', '2']";
  ASSERT_EQ(c.Wrong({"--config=f"}), "");
  EXPECT_EQ(c.values.bind, (std::vector<std::string>{"1", "2"}));
  c.values.bind.clear();
  c.variables["PIPEDUP_BIND"] = " 3  4 ";
  ASSERT_EQ(c.Wrong({"--config=f"}), "");
  EXPECT_EQ(c.values.bind, (std::vector<std::string>{"3", "4"}));
  c.values.bind.clear();
  ASSERT_EQ(c.Wrong({"--config=f", "-b5"}), "");
  EXPECT_EQ(c.values.bind, std::vector<std::string>{"5"});
}

TEST(Precedence, AFlagUnsetsWhatAVariableSets) {
  Case c;
  c.variables["PIPEDUP_TEE"] = "1";
  ASSERT_EQ(c.Wrong({"--tee=no"}), "");
  EXPECT_FALSE(c.values.tee);
}

TEST(Precedence, AValueThatDoesNotCountIsNotLookedAt) {
  Case c;
  c.variables["PIPEDUP_RETAIN"] = "nonsense";
  EXPECT_EQ(c.Wrong({"--retain", "1MiB"}), "");
}

TEST(Variables, AFlagTakesWordsForTrueAndFalse) {
  for (const char* word : {"1", "true", "yes", "on", "YES", "On"}) {
    Case c;
    c.variables["PIPEDUP_TEE"] = word;
    EXPECT_EQ(c.Wrong({}), "") << word;
    EXPECT_TRUE(c.values.tee) << word;
  }
  for (const char* word : {"0", "false", "no", "off", "NO"}) {
    Case c;
    c.values.tee = true;
    c.variables["PIPEDUP_TEE"] = word;
    EXPECT_EQ(c.Wrong({}), "") << word;
    EXPECT_FALSE(c.values.tee) << word;
  }
}

TEST(Variables, AreNamedInErrors) {
  Case c;
  c.variables["PIPEDUP_TEE"] = "2";
  EXPECT_EQ(c.Wrong({}),
            "PIPEDUP_TEE: '2' is neither true (1, yes, on) nor false (0, no, off)");
  c.variables = {{"PIPEDUP_MAX_SUBS", "0"}};
  EXPECT_EQ(c.Wrong({}), "PIPEDUP_MAX_SUBS: '0' is out of range: 1 to 1000");
}

TEST(Variables, AnEmptyOneIsNotSet) {
  Case c;
  c.variables = {{"PIPEDUP_RETAIN", ""}, {"PIPEDUP_CONFIG", ""}, {"PIPEDUP_TEE", ""}};
  EXPECT_EQ(c.Wrong({}), "");
}

TEST(Variables, PositionalValuesHaveOneToo) {
  Case c;
  c.variables["PIPEDUP_ENDPOINT"] = "there";
  ASSERT_EQ(c.Wrong({}), "");
  EXPECT_EQ(c.values.endpoint, "there");
}

TEST(Variables, NoneMakesAProgramPrintAndLeave) {
  Case c;
  c.variables = {
      {"PIPEDUP_HELP", "1"}, {"PIPEDUP_VERSION", "1"}, {"PIPEDUP_PRINT_CONFIG", "1"}};
  EXPECT_FALSE(c.Run({}).exit_status);
}

TEST(ConfigFile, IsNamedByAVariableAndBeforeItByAFlag) {
  Case c;
  c.files = {{"one", "stream = 'one'"}, {"two", "stream = 'two'"}};
  c.variables["PIPEDUP_CONFIG"] = "one";
  ASSERT_EQ(c.Wrong({}), "");
  EXPECT_EQ(c.values.stream, "one");
  ASSERT_EQ(c.Wrong({"--config", "two"}), "");
  EXPECT_EQ(c.values.stream, "two");
}

TEST(ConfigFile, AnUnknownKeyIsAnErrorThatNamesTheNearest) {
  Case c;
  c.files["f.toml"] = "tee = true\nretian = '1MiB'\n";
  const Decision decision = c.Run({"--config", "f.toml"});
  EXPECT_EQ(decision.exit_status, kExitUsage);
  EXPECT_EQ(decision.wrong, "f.toml: retian: unknown key (did you mean retain?)");
  c.files["f.toml"] = "no-such-thing = 1";
  EXPECT_EQ(c.Wrong({"--config", "f.toml"}), "f.toml: no-such-thing: unknown key");
}

TEST(ConfigFile, CannotNameAnotherNorPrint) {
  for (const char* key : {"config", "help", "version", "print-config"}) {
    Case c;
    c.files["f"] = std::string(key) + " = true";
    EXPECT_TRUE(
        c.Wrong({"--config", "f"}).starts_with("f: " + std::string(key) + ": unknown key"));
  }
}

TEST(ConfigFile, FaultsHaveFileAndKey) {
  Case c;
  c.files["f"] = "\n\nretain = '64Mib!'";
  EXPECT_EQ(c.Wrong({"--config", "f"}), "f: retain: '64Mib!' is not a size (like 64MiB)");
  c.files["f"] = "retain = ['1MiB', '2MiB']";
  EXPECT_EQ(c.Wrong({"--config", "f"}), "f: retain: takes one value");
  EXPECT_EQ(c.Wrong({"--config", "g"}), "--config: g: No such file or directory");
}

TEST(ConfigFile, HelpAndVersionWorkWithoutOne) {
  Case c;
  c.variables["PIPEDUP_CONFIG"] = "missing";
  for (const char* word : {"-h", "--help", "-V", "--version"}) {
    const Decision decision = c.Run({word});
    EXPECT_EQ(decision.exit_status, kExitOk);
    EXPECT_EQ(decision.wrong, "");
    EXPECT_NE(decision.out, "");
  }
  EXPECT_EQ(c.Run({}).exit_status, kExitUsage);
  c.variables.clear();
  c.files["broken"] = "x = '";
  EXPECT_EQ(c.Run({"--config", "broken", "--help"}).exit_status, kExitOk);
  EXPECT_EQ(c.Run({"--bogus", "--help"}).exit_status, kExitOk);
}

TEST(Conflicts, TwoFlagsCannotBeGivenTogether) {
  EXPECT_EQ(Case().Wrong({"--last", "5", "--from", "start"}),
            "--from and --last cannot be given together");
  EXPECT_EQ(Case().Wrong({"-q", "-v"}), "--quiet and --verbose cannot be given together");
}

TEST(Conflicts, OfTwoSourcesTheStrongerCounts) {
  Case c;
  c.variables["PIPEDUP_FROM"] = "start";
  ASSERT_EQ(c.Wrong({"-n", "5"}), "");
  EXPECT_EQ(c.values.from, "now");
  EXPECT_EQ(c.values.last, 5U);

  Case d;
  d.variables["PIPEDUP_LAST"] = "5";
  ASSERT_EQ(d.Wrong({"--from", "start"}), "");
  EXPECT_EQ(d.values.from, "start");
  EXPECT_FALSE(d.values.last);
}

TEST(Conflicts, AFlagThatIsOffStandsAgainstNothing) {
  Case c;
  c.variables = {{"PIPEDUP_QUIET", "OFF"}, {"PIPEDUP_VERBOSE", "1"}};
  const Decision decision = c.Run({});
  EXPECT_EQ(decision.wrong, "");
  EXPECT_EQ(decision.reporter.verbosity, 1);
}

TEST(Decision, WhatIsWrongTogetherIsSaidLast) {
  Case c;
  c.values.wrong_together = "together";
  EXPECT_EQ(c.Wrong({}), "together");
  EXPECT_EQ(c.Wrong({"--tee=x"}).substr(0, 5), "--tee");
}

TEST(Decision, ACommandIsRefusedWhereThereIsNone) {
  ExampleValues values;
  Program program = MakeProgram(&values);
  program.command = nullptr;
  program.command_refused = "not here";
  const Surroundings surroundings{.environment = [](const std::string&) { return ""; },
                                  .read_file = {}};
  const std::vector<std::string> words = {"--", "cat"};
  EXPECT_EQ(Decide(program, words, surroundings).wrong, "--: not here");
}

TEST(ReporterOptions, FollowTheCommonFlags) {
  EXPECT_EQ(Case().Run({"-q"}).reporter.verbosity, -1);
  EXPECT_EQ(Case().Run({"-vv"}).reporter.verbosity, 1);
  EXPECT_TRUE(Case().Run({"--log-format=json"}).reporter.json);
}

TEST(ReporterOptions, AnErrorIsSaidInTheFormatThatWasAskedFor) {
  EXPECT_TRUE(Case().Run({"--retain=x", "--log-format=json"}).reporter.json);
  EXPECT_TRUE(Case().Run({"--log-format=json", "--nothing"}).reporter.json);
}

TEST(ReporterOptions, ColorDependsOnTheTerminalUnlessItIsSaid) {
  Case c;
  EXPECT_FALSE(c.Run({}).reporter.color);
  EXPECT_TRUE(c.Run({"--color=always"}).reporter.color);
  c.terminal = true;
  EXPECT_TRUE(c.Run({}).reporter.color);
  EXPECT_FALSE(c.Run({"--color=never"}).reporter.color);
  EXPECT_FALSE(c.Run({}).color) << "stdout is none";
  EXPECT_TRUE(c.Run({"--color=always"}).color);
  c.variables["NO_COLOR"] = "1";
  EXPECT_FALSE(c.Run({}).reporter.color);
  EXPECT_TRUE(c.Run({"--color=always"}).reporter.color);
  c.variables = {{"TERM", "dumb"}};
  EXPECT_FALSE(c.Run({}).reporter.color);
}

}  // namespace
}  // namespace pipedup::cli
