#include "cli/help.h"

#include <gtest/gtest.h>

#include <sstream>

#include "base/error.h"
#include "example_program.h"

namespace pipedup::cli {
namespace {

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(Help, ShowsEveryOption) {
  ExampleValues values;
  for (const char* word : {"-h", "--help"}) {
    const std::string help = Case().Run({word}).out;
    for (const Option& option : MakeProgram(&values).options) {
      const std::string name = option.positional ? "  " + option.value : "--" + option.name;
      EXPECT_NE(help.find(name), std::string::npos) << name;
    }
    for (const char* name : {"-h, --help", "-V, --version", "-q, --quiet", "-v, --verbose",
                             "--log-format text|json", "--color auto|always|never",
                             "--config FILE", "--print-config"}) {
      EXPECT_NE(help.find(name), std::string::npos) << name;
    }
  }
}

TEST(Help, FitsIntoEightyColumnsWithoutTrailingBlanks) {
  for (const char* word : {"-h", "--help"}) {
    for (const std::string& line : Lines(Case().Run({word}).out)) {
      EXPECT_LE(line.size(), 80U) << line;
      EXPECT_FALSE(line.ends_with(' ')) << line;
    }
  }
}

TEST(Help, BeginsWithExamples) {
  const std::string help = Case().Run({"--help"}).out;
  EXPECT_LT(help.find("\nExamples:\n"), help.find("\nUsage:\n"));
  EXPECT_LT(help.find("\nUsage:\n"), help.find("\nFirst:\n"));
  EXPECT_LT(help.find("\nFirst:\n"), help.find("\nSecond:\n"));
  EXPECT_LT(help.find("\nSecond:\n"), help.find("\nCommon options:\n"));
}

TEST(Help, ShowsDefaultsAndRanges) {
  const std::string help = Case().Run({"-h"}).out;
  EXPECT_NE(help.find("Keep this much [default: 64MiB] [1MiB to 1TiB]"), std::string::npos);
  EXPECT_NE(help.find("[default: drop]"), std::string::npos);
  EXPECT_EQ(help.find("[default: false]"), std::string::npos);
}

TEST(Help, IsMoreThanItsShortForm) {
  const std::string part = "A long explanation";
  EXPECT_EQ(Case().Run({"-h"}).out.find(part), std::string::npos);
  EXPECT_NE(Case().Run({"--help"}).out.find(part), std::string::npos);
  EXPECT_NE(Case().Run({"--help"}).out.find("\nExit status:\n  0       all is well\n"),
            std::string::npos);
}

TEST(Version, NamesProgramProtocolLibrariesAndFeatures) {
  const std::vector<std::string> lines = Lines(Case().Run({"-V"}).out);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0], std::string("example ") + PIPEDUP_VERSION);
  EXPECT_EQ(lines[1], "protocol 1");
  EXPECT_EQ(lines[2], "libexample 1.2.3");
  EXPECT_TRUE(lines[3].starts_with("features: "));
}

TEST(PrintConfig, SaysWhereEachValueIsFrom) {
  Case c;
  c.files["f"] = "max-subs = 3";
  c.variables = {{"PIPEDUP_TEE", "yes"}, {"PIPEDUP_CONFIG", "f"}};
  const Decision decision = c.Run({"--print-config", "-s", "a"});
  EXPECT_EQ(decision.exit_status, kExitOk);
  for (const char* line :
       {"\nstream = \"a\"  # command line\n", "\ntee = true  # environment\n",
        "\nmax-subs = 3  # config file\n", "\nretain = \"64MiB\"  # default\n",
        "\n# last is not set\n", "\nbind = [\"tcp://127.0.0.1:5590\"]  # default\n"}) {
    EXPECT_NE(decision.out.find(line), std::string::npos) << line << decision.out;
  }
}

TEST(PrintConfig, IsReadBackAsItWas) {
  const std::vector<std::vector<std::string>> lines = {
      {},
      {"-n", "5", "-q", "-b", "ipc:///a#b", "-b", "[::1]", "there"},
      {"--from=a\"b\\c\xC3\xA4\n", "--tee", "--no-checksum=ON", "-vv", "--max-subs=007"},
      {"--slow", "wait", "--retain=1.5GiB", "--linger", "1m30s", "--log-format", "json"}};
  for (std::vector<std::string> words : lines) {
    Case first;
    ASSERT_EQ(first.Wrong(words), "");
    words.push_back("--print-config");
    Case printed;
    Case second;
    second.files["f"] = printed.Run(words).out;
    const Decision decision = second.Run({"--config", "f"});
    EXPECT_EQ(decision.wrong, "") << second.files["f"];
    EXPECT_EQ(second.values.from, first.values.from);
    EXPECT_EQ(second.values.last, first.values.last);
    EXPECT_EQ(second.values.endpoint, first.values.endpoint);
    EXPECT_EQ(second.values.tee, first.values.tee);
    EXPECT_EQ(second.values.checksum, first.values.checksum);
    EXPECT_EQ(second.values.wait, first.values.wait);
    EXPECT_EQ(second.values.retain, first.values.retain);
    EXPECT_EQ(second.values.linger, first.values.linger);
    EXPECT_EQ(second.values.most, first.values.most);
    const bool bound = !first.values.bind.empty();
    EXPECT_EQ(second.values.bind,
              bound ? first.values.bind : std::vector<std::string>{"tcp://127.0.0.1:5590"});
    const Decision again = second.Run({"--config", "f", "--print-config"});
    EXPECT_EQ(Lines(again.out).size(), Lines(second.files["f"]).size());
  }
}

TEST(PrintConfig, LeavesOutWhatGaveWay) {
  const std::string out = Case().Run({"-n5", "--print-config"}).out;
  EXPECT_NE(out.find("\n# from is not used: see last\n"), std::string::npos);
  EXPECT_NE(out.find("\nlast = 5  # command line\n"), std::string::npos);
}

}  // namespace
}  // namespace pipedup::cli
