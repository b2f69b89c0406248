// pipedup-tee on a terminal that stands still: the others do not notice, and neither do
// signals.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "support/content.h"
#include "support/programs.h"
#include "support/terminal.h"

namespace pipedup::test {
namespace {

/// The terminal is stdout, or the file of -o; a command copies everything to the file "all".
class TerminalTee : public Program {
 public:
  TerminalTee(const TempDir& directory, const Terminal& terminal, Words options, bool as_file)
      : Program(MakeCommand(directory, terminal, std::move(options), as_file)) {}

 private:
  static Command MakeCommand(const TempDir& directory, const Terminal& terminal, Words options,
                             bool as_file) {
    Command command;
    command.argv = {TeeBinary(), "--log-format", "json"};
    command.argv.insert(command.argv.end(), options.begin(), options.end());
    if (as_file) command.argv.insert(command.argv.end(), {"-o", terminal.name()});
    command.argv.push_back("cat > " + directory / "all");
    command.environment = {{"XDG_RUNTIME_DIR", directory.path()}};
    command.input = Stdio::Pipe();
    command.output = as_file ? Stdio::Null() : Stdio::Descriptor(terminal.fd());
    return command;
  }
};

/// The parameter: the terminal is named with -o.
class ATerminal : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(, ATerminal, testing::Bool(),
                         [](const auto& as_file) { return as_file.param ? "File" : "Stdout"; });

TEST_P(ATerminal, ThatNobodyReadsDoesNotHoldUpTheOthersWithSlowDrop) {
  const TempDir directory;
  const Terminal terminal;
  const std::string bytes = MakeRecords(50, 8 * kMiB);
  TerminalTee tee(directory, terminal, {"--slow", "drop"}, GetParam());
  ASSERT_TRUE(tee.Write(bytes)) << tee.log();
  tee.CloseInput();
  EXPECT_TRUE(Eventually([&] { return FileSize(directory / "all") == bytes.size(); }));
  EXPECT_TRUE(tee.running());
  EXPECT_EQ(0, ::fcntl(terminal.fd(), F_GETFL) & O_NONBLOCK) << "the shell has it too";
  EXPECT_TRUE(terminal.Shows(bytes));
  EXPECT_EQ(0, tee.Wait()) << tee.log();
  EXPECT_TRUE(ReadFile(directory / "all") == bytes);
}

TEST_P(ATerminal, ThatWasStoppedDoesNotHoldUpTheOthersWithSlowDrop) {
  const TempDir directory;
  const Terminal terminal;
  const std::string bytes = MakeRecords(51, 8 * kMiB);
  TerminalTee tee(directory, terminal, {"--slow", "drop"}, GetParam());
  ASSERT_TRUE(tee.Write(std::string_view(bytes).substr(0, 1000)));
  EXPECT_TRUE(terminal.Shows(std::string_view(bytes).substr(0, 1000)));
  terminal.Stop();
  ASSERT_TRUE(tee.Write(std::string_view(bytes).substr(1000))) << tee.log();
  tee.CloseInput();
  EXPECT_TRUE(Eventually([&] { return FileSize(directory / "all") == bytes.size(); }));
  EXPECT_TRUE(tee.running());
  terminal.GoOn();
  EXPECT_TRUE(terminal.Shows(std::string_view(bytes).substr(1000)));
  EXPECT_EQ(0, tee.Wait()) << tee.log();
}

TEST_P(ATerminal, ThatStandsStillDoesNotKeepASignalWaiting) {
  for (const bool stopped : {false, true}) {
    SCOPED_TRACE(stopped);
    const TempDir directory;
    const Terminal terminal;
    if (stopped) terminal.Stop();
    const std::string bytes = MakeRecords(52, 8 * kMiB);
    TerminalTee tee(directory, terminal, {}, GetParam());
    std::size_t written = 0;
    // The terminal is given each round before the command is.
    EXPECT_TRUE(Eventually([&] {
      written += tee.WriteWhatFits(std::string_view(bytes).substr(written));
      return FileSize(directory / "all") > 0;
    })) << tee.log();
    EXPECT_LT(written, bytes.size()) << "without a buffer all keep pace with it";
    tee.Signal(SIGTERM);
    EXPECT_EQ(128 + SIGTERM, tee.Wait()) << tee.log();
  }
}

}  // namespace
}  // namespace pipedup::test
