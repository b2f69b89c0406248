// The parts that print: with the real stdout, stderr, environment and files.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "base/error.h"
#include "base/text.h"
#include "example_program.h"
#include "pipedup/command_line.h"
#include "pipedup/reporter.h"

namespace pipedup::cli {
namespace {

using testing::internal::CaptureStderr;
using testing::internal::CaptureStdout;
using testing::internal::GetCapturedStderr;
using testing::internal::GetCapturedStdout;

struct Printed {
  Parsed parsed;
  std::string out;
  std::string err;
};

Printed ParseWords(ExampleValues* values, std::vector<const char*> words) {
  words.insert(words.begin(), "/usr/bin/anything");
  CaptureStdout();
  CaptureStderr();
  Printed printed;
  printed.parsed = Parse(MakeProgram(values), static_cast<int>(words.size()), words.data());
  printed.out = GetCapturedStdout();
  printed.err = GetCapturedStderr();
  return printed;
}

ReporterOptions Logging() {
  ReporterOptions options;
  options.program = "example";
  return options;
}

TEST(Main, AWrongOptionIsOneLineAndStatusTwo) {
  ExampleValues values;
  const Printed printed = ParseWords(&values, {"--retain", "12Q"});
  EXPECT_EQ(printed.parsed.exit_status, kExitUsage);
  EXPECT_EQ(printed.out, "");
  EXPECT_EQ(printed.err, "example: error: --retain: '12Q' is not a size (like 64MiB)\n");
}

TEST(Main, HelpGoesToStdout) {
  ExampleValues values;
  const Printed printed = ParseWords(&values, {"--help"});
  EXPECT_EQ(printed.parsed.exit_status, kExitOk);
  EXPECT_TRUE(printed.out.starts_with("example: show what"));
  EXPECT_EQ(printed.err, "");
}

TEST(Main, ReadsTheConfigFileThatAVariableNames) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("pipedup-cli-" + RandomHex(8) + ".toml");
  std::ofstream(path) << "stream = \"from-file\"\n";
  ::setenv("PIPEDUP_CONFIG", path.c_str(), 1);
  ExampleValues values;
  const Printed printed = ParseWords(&values, {"-t"});
  ::unsetenv("PIPEDUP_CONFIG");
  std::filesystem::remove(path);
  EXPECT_FALSE(printed.parsed.exit_status) << printed.err;
  EXPECT_EQ(values.stream, "from-file");
  EXPECT_TRUE(values.tee);
}

TEST(Main, AMissingConfigFileIsOneLine) {
  ExampleValues values;
  const Printed printed = ParseWords(&values, {"--config", "/nonexistent/x.toml"});
  EXPECT_EQ(printed.parsed.exit_status, kExitUsage);
  EXPECT_EQ(printed.err,
            "example: error: --config: /nonexistent/x.toml: No such file or directory\n");
}

TEST(Main, NoArgumentsAtAllAreNotAnError) {
  ExampleValues values;
  EXPECT_FALSE(Parse(MakeProgram(&values), 0, nullptr).exit_status);
}

TEST(RunMain, DoesNothingWhenTheCommandLineHasDecided) {
  bool ran = false;
  const int status = RunMain({.exit_status = 2}, [&](Reporter&) {
    ran = true;
    return 0;
  });
  EXPECT_EQ(status, 2);
  EXPECT_FALSE(ran);
}

TEST(RunMain, ReturnsTheStatusOfTheBody) {
  EXPECT_EQ(RunMain({.exit_status = {}, .reporter = Logging()}, [](Reporter&) { return 7; }),
            7);
}

TEST(RunMain, AnExceptionIsOneLineAndItsStatus) {
  const Parsed parsed{.exit_status = {}, .reporter = Logging()};
  CaptureStderr();
  EXPECT_EQ(RunMain(parsed, [](Reporter&) -> int { throw Error("it: broke", kExitRefused); }),
            kExitRefused);
  EXPECT_EQ(RunMain(parsed, [](Reporter&) -> int { throw std::out_of_range("far"); }),
            kExitFailure);
  EXPECT_EQ(GetCapturedStderr(), "example: error: it: broke\nexample: error: far\n");
}

TEST(Reporter, SaysAsMuchAsItWasAskedFor) {
  const auto say_all = [](int verbosity) {
    ReporterOptions options = Logging();
    options.verbosity = verbosity;
    Reporter reporter(options);
    CaptureStderr();
    reporter.Debug("d", "debug");
    reporter.Info("i", "info");
    reporter.Warn("w", "warning");
    reporter.Error("e", "error");
    return GetCapturedStderr();
  };
  EXPECT_EQ(say_all(-1), "example: warning: warning\nexample: error: error\n");
  EXPECT_TRUE(say_all(0).starts_with("example: info: info\n"));
  EXPECT_TRUE(say_all(1).starts_with("example: debug: debug\n"));
}

TEST(Reporter, ShowsProgressWhereStderrIsNoTerminalOnlyInJsonOrIfItIsForced) {
  ReporterOptions options = Logging();
  CaptureStderr();  // into a file
  EXPECT_EQ(Reporter(options).progress_style(false), ProgressStyle::kNone);
  EXPECT_EQ(Reporter(options).progress_style(true), ProgressStyle::kEvents);
  options.json = true;
  EXPECT_EQ(Reporter(options).progress_style(false), ProgressStyle::kEvents);
  options.verbosity = -1;
  EXPECT_EQ(Reporter(options).progress_style(true), ProgressStyle::kNone) << "quiet";
  EXPECT_EQ(GetCapturedStderr(), "");
}

TEST(Reporter, PutsEventsBeforeTheProgressThatIsShown) {
  Reporter reporter(Logging());
  CaptureStderr();
  reporter.ShowProgress("50%", 2);
  reporter.Info("i", "info");
  reporter.EndProgress();
  reporter.EndProgress();
  reporter.Info("i", "later");
  EXPECT_EQ(GetCapturedStderr(),
            "\r\x1b[K50%\r\x1b[Kexample: info: info\n50%\nexample: info: later\n");
}

}  // namespace
}  // namespace pipedup::cli
