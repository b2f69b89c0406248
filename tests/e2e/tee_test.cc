// Over 500 lines: one program, whose modes must all keep the same promises.
// pipedup-tee: every output gets every byte, whatever the others do, and the status says so.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <sstream>
#include <string>
#include <thread>

#include "support/content.h"
#include "support/proc.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

constexpr std::uint64_t kOrdinarySignals = 0x7fffffff;

class Tee : public Program {
 public:
  struct Setup {
    Words options = {};
    Words commands = {};
    Stdio input = Stdio::Pipe();
    Stdio output = Stdio::Null();
    Words wrapper = {};
  };
  Tee(const TempDir& directory, const Setup& setup)
      : Program(MakeCommand(directory, setup)), directory_(directory) {}

  [[nodiscard]] bool WriteAndEnd(std::string_view bytes) {
    const bool written = Write(bytes);
    CloseInput();
    return written;
  }
  /// The process id that a command has written to the file `name`.
  pid_t PidIn(const std::string& name) const {
    const std::string path = directory_ / name;
    EXPECT_TRUE(Eventually([&] { return ReadFile(path).ends_with('\n'); })) << log();
    return static_cast<pid_t>(std::stol(ReadFile(path)));
  }

 private:
  static Command MakeCommand(const TempDir& directory, const Setup& setup) {
    Command command;
    command.argv = setup.wrapper;
    for (const Words& more :
         {Words{TeeBinary(), "-v", "--log-format", "json"}, setup.options, setup.commands}) {
      command.argv.insert(command.argv.end(), more.begin(), more.end());
    }
    command.environment = {{"XDG_RUNTIME_DIR", directory.path()},
                           {"D", directory.path()}};  // for commands
    command.input = setup.input;
    command.output = setup.output;
    return command;
  }
  const TempDir& directory_;
};

/// What is left of the journal's directory.
std::size_t FilesOfJournals(const TempDir& directory) {
  std::size_t count = 0;
  for (const std::string& path : FilesBelow(directory.path())) {
    count +=
        path.find("pipedup-") != std::string::npos && path.find("/tee-") != std::string::npos;
  }
  return count;
}

Account AccountOf(const Tee& tee, const std::string& output, std::string delivered,
                  std::size_t produced) {
  Account made{.delivered = std::move(delivered), .position = produced};
  for (const Json& gap : tee.events("gap")) {
    if (gap.at("output") != output) continue;
    made.gaps.push_back({.from = gap.at("from"),
                         .to = gap.at("to"),
                         .bytes = gap.at("bytes"),
                         .reason = "slow"});
    made.lost_bytes += made.gaps.back().bytes;
  }
  made.received_bytes = made.delivered.size();
  return made;
}

// ---- the same bytes, in all modes ----

class TeeMode : public testing::TestWithParam<Words> {};

const Words kLockstep = {};
const Words kBuffered = {"--buffer", "1MiB"};
const Words kDropping = {"--slow", "drop"};

std::string NameOfMode(const testing::TestParamInfo<Words>& mode) {
  const char* const names[] = {"Lockstep", "Buffered", "Dropping"};
  return names[mode.index];
}
INSTANTIATE_TEST_SUITE_P(Modes, TeeMode, testing::Values(kLockstep, kBuffered, kDropping),
                         NameOfMode);

TEST_P(TeeMode, OneToEightCommandsAndStdoutGetTheSameBytes) {
  for (std::size_t n = 1; n <= 8; ++n) {
    SCOPED_TRACE(n);
    const TempDir directory;
    const std::string bytes = MakeRecords(n, 3 * kMiB + n);
    Words commands;
    for (std::size_t i = 0; i < n; ++i) commands.push_back("cat > $D/copy" + std::to_string(i));
    Tee tee(directory, {.options = GetParam(),
                        .commands = commands,
                        .output = Stdio::File(directory / "out")});
    ASSERT_TRUE(tee.WriteAndEnd(bytes)) << tee.log();
    ASSERT_EQ(0, tee.Wait()) << tee.log();
    EXPECT_TRUE(ReadFile(directory / "out") == bytes);
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_TRUE(ReadFile(directory / ("copy" + std::to_string(i))) == bytes) << i;
    }
    EXPECT_EQ(0u, FilesOfJournals(directory));
  }
}

TEST_P(TeeMode, EmptyInputIsEmptyOutput) {
  const TempDir directory;
  Tee tee(directory, {.options = GetParam(),
                      .commands = {"wc -c > $D/count"},
                      .input = Stdio::Null(),
                      .output = Stdio::File(directory / "out")});
  EXPECT_EQ(0, tee.Wait()) << tee.log();
  EXPECT_EQ("0\n", ReadFile(directory / "count"));
  EXPECT_EQ("", ReadFile(directory / "out"));
}

TEST_P(TeeMode, ReadsFilesAndSockets) {
  const TempDir directory;
  const std::string bytes = MakeRecords(20, 3 * kMiB + 17);
  WriteFile(directory / "in", bytes);
  std::array<int, 2> ends{};
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()));
  UniqueFd theirs(ends[0]);
  UniqueFd ours(ends[1]);
  const Tee::Setup setup{.options = GetParam(), .commands = {"cat > $D/a", "cat > $D/b"}};
  for (const Stdio& input : {Stdio::File(directory / "in"), Stdio::Descriptor(theirs.get())}) {
    const bool socket = input.kind == Stdio::Kind::kDescriptor;
    SCOPED_TRACE(socket ? "socket" : "file");
    Tee::Setup with = setup;
    with.input = input;
    with.output = Stdio::File(directory / "out");
    Tee tee(directory, with);
    if (socket) {
      theirs.Reset();
      std::size_t sent = 0;
      while (sent < bytes.size()) {
        const ssize_t n = ::send(ours.get(), bytes.data() + sent, bytes.size() - sent, 0);
        ASSERT_GT(n, 0);
        sent += static_cast<std::size_t>(n);
      }
      ours.Reset();
    }
    ASSERT_EQ(0, tee.Wait()) << tee.log();
    for (const char* copy : {"a", "b", "out"}) {
      EXPECT_TRUE(ReadFile(directory / copy) == bytes) << copy;
    }
  }
}

TEST_P(TeeMode, WritesPipesSocketsAndTheEndsOfFiles) {
  const TempDir directory;
  const std::string bytes = MakeRecords(21, 3 * kMiB + 17);
  WriteFile(directory / "log", "before\n");
  const UniqueFd log(::open((directory / "log").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  std::array<int, 2> ends{};
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()));
  UniqueFd theirs(ends[0]);
  const UniqueFd ours(ends[1]);
  std::array<int, 2> pipe{};
  ASSERT_EQ(0, ::pipe2(pipe.data(), O_CLOEXEC));
  UniqueFd read_end(pipe[0]);
  UniqueFd write_end(pipe[1]);
  Process socket_reader({.argv = {"cat"},
                         .input = Stdio::Descriptor(ours.get()),
                         .output = Stdio::File(directory / "from-socket")});
  Process pipe_reader({.argv = {"cat"},
                       .input = Stdio::Descriptor(read_end.get()),
                       .output = Stdio::File(directory / "from-pipe")});
  for (UniqueFd const* output :
       std::initializer_list<const UniqueFd*>{&log, &theirs, &write_end}) {
    Tee tee(directory, {.options = GetParam(),
                        .commands = {"cat > $D/a", "cat > $D/b"},
                        .output = Stdio::Descriptor(output->get())});
    ASSERT_TRUE(tee.WriteAndEnd(bytes)) << tee.log();
    ASSERT_EQ(0, tee.Wait()) << tee.log();
    EXPECT_TRUE(ReadFile(directory / "a") == bytes);
    EXPECT_TRUE(ReadFile(directory / "b") == bytes);
  }
  theirs.Reset();
  write_end.Reset();
  EXPECT_EQ(0, socket_reader.Wait());
  EXPECT_EQ(0, pipe_reader.Wait());
  EXPECT_TRUE(ReadFile(directory / "log") == "before\n" + bytes);
  EXPECT_TRUE(ReadFile(directory / "from-socket") == bytes);
  EXPECT_TRUE(ReadFile(directory / "from-pipe") == bytes);
}

TEST_P(TeeMode, WhatIsWrittenComesAtOnce) {
  const TempDir directory;
  Tee tee(directory, {.options = GetParam(),
                      .commands = {"cat > $D/a"},
                      .output = Stdio::File(directory / "out")});
  std::string all;
  for (const char* part : {"one\n", "two", " and no end"}) {
    all += part;
    ASSERT_TRUE(tee.Write(part));
    EXPECT_TRUE(Eventually([&] {
      return ReadFile(directory / "a") == all && ReadFile(directory / "out") == all;
    })) << tee.log();
  }
  tee.CloseInput();
  EXPECT_EQ(0, tee.Wait());
}

TEST_P(TeeMode, OutputFilesAreEmptiedFirst) {
  const TempDir directory;
  const std::string bytes = MakeRecords(22, kMiB);
  WriteFile(directory / "a", bytes + bytes);
  Words options = GetParam();
  options.insert(options.end(),
                 {"-o", directory / "a", "--output", directory / "b", "--no-stdout"});
  Tee tee(directory, {.options = options, .output = Stdio::File(directory / "out")});
  ASSERT_TRUE(tee.WriteAndEnd(bytes));
  EXPECT_EQ(0, tee.Wait()) << tee.log();
  EXPECT_TRUE(ReadFile(directory / "a") == bytes);
  EXPECT_TRUE(ReadFile(directory / "b") == bytes);
  EXPECT_EQ("", ReadFile(directory / "out")) << "--no-stdout";
}

// ---- outputs that leave or fail ----

TEST_P(TeeMode, ThoseThatLeaveEarlyLeaveTheOthersComplete) {
  const TempDir directory;
  const std::string bytes = MakeLines('L', 100'000);
  Tee tee(directory, {.options = GetParam(),
                      .commands = {"head -n 1 > $D/first", "exit 0", "cat > $D/all"},
                      .output = Stdio::Pipe()});
  tee.TakeOutput().Reset();
  ASSERT_TRUE(tee.WriteAndEnd(bytes)) << tee.log();
  EXPECT_EQ(0, tee.Wait()) << tee.log();
  EXPECT_EQ(bytes.substr(0, bytes.find('\n') + 1), ReadFile(directory / "first"));
  EXPECT_TRUE(ReadFile(directory / "all") == bytes);
  EXPECT_TRUE(tee.events("output").empty()) << tee.log();
}

TEST_P(TeeMode, EndsWhenAllOutputsHaveLeftAnIdleInput) {
  const TempDir directory;
  Words options = GetParam();
  options.emplace_back("--no-stdout");
  Tee tee(directory,
          {.options = options, .commands = {"head -c 1 > $D/a", "head -c 2 > $D/b"}});
  ASSERT_TRUE(tee.Write("abc"));
  EXPECT_EQ(0, tee.Wait()) << tee.log();
  EXPECT_EQ("a", ReadFile(directory / "a"));
  EXPECT_EQ("ab", ReadFile(directory / "b"));
}

TEST_P(TeeMode, TheProducerIsToldThatNobodyReadsWhileACommandStillRuns) {
  const TempDir directory;
  Words options = GetParam();
  options.emplace_back("--no-stdout");
  Tee tee(directory,
          {.options = options,
           .commands = {"exec < /dev/null; until [ -e $D/go ]; do sleep 0.02; done; exit 5"}});
  EXPECT_TRUE(Eventually([&] { return !tee.Write("x", Duration(0)); }));
  EXPECT_TRUE(tee.running());
  WriteFile(directory / "go", "");
  EXPECT_EQ(5, tee.Wait()) << tee.log();
}

TEST_P(TeeMode, AnOutputThatCannotBeWrittenIsReportedAndTheOthersGoOn) {
  const TempDir directory;
  const std::string bytes = MakeRecords(23, 3 * kMiB);
  Tee tee(directory, {.options = GetParam(),
                      .commands = {"cat > $D/all", "exit 4"},
                      .output = Stdio::File("/dev/full")});
  ASSERT_TRUE(tee.WriteAndEnd(bytes));
  EXPECT_EQ(1, tee.Wait()) << tee.log();
  EXPECT_TRUE(ReadFile(directory / "all") == bytes);
  const auto said = tee.events("output");
  ASSERT_EQ(1u, said.size()) << tee.log();
  EXPECT_EQ("write stdout: No space left on device", said[0].at("message"));
}

TEST(Tee, AloneOnStdoutItEndsWithItsReaderAsOtherProgramsDo) {
  const TempDir directory;
  Tee tee(directory, {.output = Stdio::Pipe()});
  tee.TakeOutput().Reset();
  EXPECT_EQ(141, tee.Wait()) << tee.log();
}

// ---- exit statuses ----

TEST(Tee, TheStatusIsTheFirstInTheOrderGivenThatIsNotZero) {
  const TempDir directory;
  for (const auto& [commands, status] : {
           std::pair<Words, int>{{"cat > /dev/null", "exit 0"}, 0},
           {{"cat > /dev/null", "cat > /dev/null; sleep 0.1; exit 3", "exit 7"}, 3},
           {{"cat > /dev/null; kill -KILL $$", "exit 7"}, 137},
           {{"no-such-program-at-all", "exit 7"}, 127},
           {{"$D", "exit 7"}, 126},
       }) {
    SCOPED_TRACE(commands.front());
    Tee tee(directory, {.commands = commands});
    ASSERT_TRUE(tee.WriteAndEnd("some\nlines\n"));
    EXPECT_EQ(status, tee.Wait()) << tee.log();
  }
}

TEST(Tee, WhatCannotBeOpenedOrRunIsAnErrorBeforeTheFirstByte) {
  const TempDir directory;
  const std::string bad = directory / "no/such/file";
  struct Case {
    Words options;
    std::map<std::string, std::string> environment;
    int status;
    std::string text;
  };
  for (const Case& each :
       {Case{{"-o", bad, "touch $D/ran"}, {}, 1, "--output '" + bad + "'"},
        Case{{"cat"}, {{"PATH", directory.path()}}, 127, "run 'sh'"},
        Case{{""}, {}, 2, "command"}, Case{{"--", " "}, {}, 2, "command"},
        Case{{"--no-stdout"}, {}, 2, "--no-stdout"}, Case{{"--buffer", "1"}, {}, 2, "--buffer"},
        Case{{"--slow", "never"}, {}, 2, "--slow"}}) {
    SCOPED_TRACE(each.text);
    Command command{.argv = {TeeBinary()},
                    .environment = each.environment,
                    .input = Stdio::Pipe(),
                    .output = Stdio::File(directory / "out")};
    command.argv.insert(command.argv.end(), each.options.begin(), each.options.end());
    command.environment["D"] = directory.path();
    Process process(command);
    (void)process.WriteWhatFits("some\n");  // it may have ended already
    EXPECT_EQ(each.status, process.Wait()) << process.log();
    EXPECT_EQ("", ReadFile(directory / "out"));
    ASSERT_EQ(1u, process.lines().size()) << process.log();
    EXPECT_TRUE(process.lines()[0].starts_with("pipedup-tee: error: ")) << process.log();
    EXPECT_NE(std::string::npos, process.lines()[0].find(each.text)) << process.log();
  }
  EXPECT_EQ(0u, FileSize(directory / "ran"));
}

TEST(Tee, CommandsBehindTwoDashesMayBeginWithOne) {
  const TempDir directory;
  Tee tee(directory, {.options = {"--no-stdout"},
                      .commands = {"[ -d $D ] && cat > $D/a", "--", "-no-such-program"}});
  ASSERT_TRUE(tee.WriteAndEnd("bytes"));
  EXPECT_EQ(127, tee.Wait()) << tee.log();
  EXPECT_EQ("bytes", ReadFile(directory / "a"));
}

// ---- slow outputs ----

TEST(Tee, AStoppedCommandStopsNobodyAndLosesNothingWithinTheBuffer) {
  const TempDir directory;
  const std::string bytes = MakeRecords(30, 16 * kMiB);
  Tee tee(directory,
          {.options = {"--slow", "drop"},
           .commands = {"echo $$ > $D/pid; kill -STOP $$; cat > $D/slow", "cat > $D/fast"},
           .output = Stdio::File(directory / "out")});
  const pid_t stopped = tee.PidIn("pid");
  ASSERT_TRUE(tee.WriteAndEnd(bytes)) << tee.log();
  EXPECT_TRUE(Eventually([&] {
    return FileSize(directory / "fast") == bytes.size() &&
           FileSize(directory / "out") == bytes.size();
  })) << tee.log();
  EXPECT_TRUE(tee.running());
  EXPECT_EQ(0u, FileSize(directory / "slow"));
  ASSERT_EQ(0, ::kill(stopped, SIGCONT));
  EXPECT_EQ(0, tee.Wait()) << tee.log();
  for (const char* copy : {"slow", "fast", "out"}) {
    EXPECT_TRUE(ReadFile(directory / copy) == bytes) << copy;
  }
  EXPECT_EQ(0u, FilesOfJournals(directory));
}

TEST(Tee, BeyondTheBufferEveryLossIsReportedExactly) {
  const TempDir directory;
  const std::string bytes = MakeRecords(31, 16 * kMiB);
  const std::string command = "echo $$ > $D/pid; kill -STOP $$; cat > $D/slow";
  Tee tee(directory, {.options = {"--slow", "drop", "--buffer", "1MiB"},
                      .commands = {command, "cat > $D/fast"},
                      .output = Stdio::File(directory / "out")});
  const pid_t stopped = tee.PidIn("pid");
  ASSERT_TRUE(tee.WriteAndEnd(bytes)) << tee.log();
  EXPECT_TRUE(Eventually([&] { return ChildrenOf(tee.pid()).size() == 1; })) << tee.log();
  const auto is_its = [&](const Json& event) {
    return event.at("output") == "'" + command + "'";
  };
  ASSERT_TRUE(tee.WaitForEvent("losing", is_its)) << tee.log();
  EXPECT_TRUE(std::ranges::none_of(tee.events("gap"), is_its)) << "it is not over";
  ASSERT_EQ(0, ::kill(stopped, SIGCONT));
  EXPECT_EQ(3, tee.Wait()) << tee.log();
  const struct {
    std::string output, file;
  } outputs[] = {{"'" + command + "'", "slow"}, {"'cat > $D/fast'", "fast"}, {"stdout", "out"}};
  for (const auto& [output, file] : outputs) {
    SCOPED_TRACE(file);
    const Account account = AccountOf(tee, output, ReadFile(directory / file), bytes.size());
    EXPECT_EQ("", CheckEquation({.produced = bytes, .delimiter = std::nullopt}, account))
        << tee.log();
    if (file == "slow") {
      EXPECT_EQ(1u, account.gaps.size()) << "one standstill is one gap";
    }
  }
}

TEST(Tee, AGapThatIsNotOverWhenASignalEndsItIsReported) {
  const TempDir directory;
  const std::string bytes = MakeRecords(34, 16 * kMiB);
  Tee tee(directory, {.options = {"--slow", "drop", "--buffer", "1MiB", "--no-stdout"},
                      .commands = {"exec sleep 1000"}});
  ASSERT_TRUE(tee.Write(bytes)) << tee.log();
  ASSERT_TRUE(Eventually([&] { return tee.unread_input() == 0; }));
  EXPECT_FALSE(tee.said("gap")) << "it is not over";
  tee.Signal(SIGTERM);
  EXPECT_EQ(128 + SIGTERM, tee.Wait()) << tee.log();
  const std::vector<Json> gaps = tee.events("gap");
  ASSERT_EQ(1u, gaps.size()) << tee.log();
  EXPECT_EQ("'exec sleep 1000'", gaps[0].at("output"));
  EXPECT_GT(gaps[0].at("bytes"), 8 * kMiB);
}

TEST(Tee, WithABufferTheInputWaitsForAStoppedCommandOnlyWhenItIsFull) {
  const TempDir directory;
  const std::string bytes = MakeRecords(32, 24 * kMiB);
  Tee tee(directory, {.options = {"--slow", "wait", "--buffer", "4MiB"},
                      .commands = {"echo $$ > $D/pid; kill -STOP $$; cat > $D/slow"},
                      .output = Stdio::File(directory / "out")});
  const pid_t stopped = tee.PidIn("pid");
  std::size_t written = 0;
  EXPECT_TRUE(Eventually([&] {
    written += tee.WriteWhatFits(std::string_view(bytes).substr(written));
    return FileSize(directory / "out") >= 4 * kMiB;
  })) << tee.log();
  // In the buffer, in the pipes on both sides, and one read more.
  EXPECT_LE(FileSize(directory / "out"), 6 * kMiB);
  ASSERT_EQ(0, ::kill(stopped, SIGCONT));
  ASSERT_TRUE(tee.WriteAndEnd(std::string_view(bytes).substr(written))) << tee.log();
  EXPECT_EQ(0, tee.Wait()) << tee.log();
  EXPECT_TRUE(ReadFile(directory / "slow") == bytes);
  EXPECT_TRUE(ReadFile(directory / "out") == bytes);
  EXPECT_TRUE(tee.events("gap").empty()) << tee.log();
}

TEST(Tee, InLockstepASlowOutputHoldsUpTheOthersAndLosesNothing) {
  const TempDir directory;
  const std::string bytes = MakeRecords(33, 16 * kMiB);
  Tee tee(directory, {.commands = {"echo $$ > $D/pid; kill -STOP $$; cat > $D/slow"},
                      .output = Stdio::File(directory / "out")});
  const pid_t stopped = tee.PidIn("pid");
  std::size_t written = 0;
  EXPECT_TRUE(Eventually([&] {
    written += tee.WriteWhatFits(std::string_view(bytes).substr(written));
    return FileSize(directory / "out") > 0;
  }));
  EXPECT_LE(FileSize(directory / "out"), 3 * kMiB);
  ASSERT_EQ(0, ::kill(stopped, SIGCONT));
  ASSERT_TRUE(tee.WriteAndEnd(std::string_view(bytes).substr(written)));
  EXPECT_EQ(0, tee.Wait()) << tee.log();
  EXPECT_TRUE(ReadFile(directory / "slow") == bytes);
  EXPECT_TRUE(ReadFile(directory / "out") == bytes);
}

// ---- processes ----

TEST_P(TeeMode, CommandsHaveDescriptors0To2AndNoOther) {
  const TempDir directory;
  Words options = GetParam();
  options.insert(options.end(), {"-o", directory / "file"});
  // What lists the directory has it open, and that is 3 unless something was leaked.
  Tee tee(directory, {.options = options,
                      .commands = {"ls /proc/self/fd > $D/a; cat > /dev/null",
                                   "ls /proc/self/fd > $D/b; cat > /dev/null",
                                   "ls /proc/self/fd > $D/c; cat > /dev/null"}});
  ASSERT_TRUE(tee.WriteAndEnd("bytes"));
  EXPECT_EQ(0, tee.Wait()) << tee.log();
  for (const char* list : {"a", "b", "c"}) {
    EXPECT_EQ("0\n1\n2\n3\n", ReadFile(directory / list)) << list;
  }
}

TEST(Tee, CommandsHaveNoSignalBlockedOrIgnored) {
  const TempDir directory;
  Tee tee(directory,
          {.commands = {"grep -E '^Sig(Blk|Ign)' /proc/self/status; cat > /dev/null"},
           .input = Stdio::Null(),
           .output = Stdio::Pipe()});
  std::istringstream lines(tee.ReadAll());
  EXPECT_EQ(0, tee.Wait()) << tee.log();
  std::string name;
  std::uint64_t signals = 0;
  int count = 0;
  while (lines >> name >> std::hex >> signals) {
    EXPECT_EQ(0u, signals & kOrdinarySignals) << name << std::hex << signals;
    ++count;
  }
  EXPECT_EQ(2, count);
}

TEST_P(TeeMode, ACommandThatHasEndedIsNoZombie) {
  const TempDir directory;
  Tee tee(directory, {.options = GetParam(), .commands = {"exit 0", "cat > $D/a"}});
  EXPECT_TRUE(Eventually([&] {
    const auto children = ChildrenOf(tee.pid());
    return children.size() == 1 && children[0].state != 'Z';
  }));
  ASSERT_TRUE(tee.WriteAndEnd("bytes"));
  EXPECT_EQ(0, tee.Wait()) << tee.log();
  EXPECT_EQ("bytes", ReadFile(directory / "a"));
}

TEST_P(TeeMode, SignalsGoToTheCommandsAndEndIt) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    SCOPED_TRACE(number);
    const TempDir directory;
    Tee tee(
        directory,
        {.options = GetParam(),
         .commands = {"trap 'echo int > $D/got; exit 0' INT; trap 'echo term > $D/got; exit "
                      "0' TERM; trap 'echo hup > $D/got; exit 0' HUP; echo $$ > $D/pid; "
                      "while :; do sleep 0.02; done"},
         .output = Stdio::Pipe()});  // which nobody reads
    (void)tee.PidIn("pid");
    const std::string bytes = MakeRecords(40, 8 * kMiB);
    (void)tee.WriteWhatFits(bytes);
    tee.Signal(number);
    EXPECT_EQ(128 + number, tee.Wait()) << tee.log();
    const std::string expected = number == SIGINT    ? "int\n"
                                 : number == SIGTERM ? "term\n"
                                                     : "hup\n";
    EXPECT_EQ(expected, ReadFile(directory / "got"));
    EXPECT_EQ(0u, FilesOfJournals(directory));
  }
}

TEST(Tee, WorksAsProcessOneAndReapsOrphans) {
  if (!MayUnshare("--pid")) GTEST_SKIP() << "no process namespaces for this user";
  const TempDir directory;
  Tee tee(directory,
          {.commands = {"sh -c 'sleep 0.1 </dev/null >/dev/null & :'; echo $PPID > $D/pid; "
                        "cat > $D/a"},
           .wrapper = {"unshare", "--pid", "--fork", "--kill-child"}});
  EXPECT_EQ(1, tee.PidIn("pid"));
  const auto children = ChildrenOf(tee.pid());
  ASSERT_EQ(1u, children.size());
  EXPECT_TRUE(Eventually([&] {
    const auto left = ChildrenOf(children[0].pid);
    return left.size() == 1 && left[0].state != 'Z';
  }));
  ASSERT_TRUE(tee.WriteAndEnd("bytes"));
  EXPECT_EQ(0, tee.Wait()) << tee.log();
  EXPECT_EQ("bytes", ReadFile(directory / "a"));
}

}  // namespace
}  // namespace pipedup::test
