// pipedup-tee on a terminal that stands still: the others do not notice, and neither do
// signals.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>

#include "support/content.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;

/// A terminal as a shell has it, with this test at its other side.
class Terminal {
 public:
  Terminal() : screen_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    std::array<char, 64> name{};
    if (!screen_ || ::grantpt(screen_.get()) != 0 || ::unlockpt(screen_.get()) != 0 ||
        ::ptsname_r(screen_.get(), name.data(), name.size()) != 0) {
      throw std::system_error(errno, std::generic_category(), "posix_openpt");
    }
    name_ = name.data();
    terminal_ = UniqueFd(::open(name_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  }
  const std::string& name() const { return name_; }
  int fd() const { return terminal_.get(); }
  void Stop() const { ::tcflow(terminal_.get(), TCOOFF); }
  void GoOn() const { ::tcflow(terminal_.get(), TCOON); }
  /// Whether it shows `written` next, waiting for that. (A line ends with CR LF there.)
  [[nodiscard]] bool Shows(std::string_view written) const {
    std::string expected;
    for (const char byte : written) {
      if (byte == '\n') expected += '\r';
      expected += byte;
    }
    return Read(expected.size()) == expected;
  }

 private:
  std::string Read(std::size_t bytes) const {
    std::string text(bytes, '\0');
    std::size_t used = 0;
    while (used < bytes) {
      pollfd item{screen_.get(), POLLIN, 0};
      const auto patience =
          std::chrono::duration_cast<std::chrono::milliseconds>(kPatience).count();
      if (::poll(&item, 1, static_cast<int>(patience)) != 1) break;
      const ssize_t n = ::read(screen_.get(), text.data() + used, bytes - used);
      if (n <= 0) break;
      used += static_cast<std::size_t>(n);
    }
    text.resize(used);
    return text;
  }

  UniqueFd screen_;
  UniqueFd terminal_;
  std::string name_;
};

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
