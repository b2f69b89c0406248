// pipedup-sub -- CONSUMER and --exec: every consumer gets the stream, at its own pace, and what
// one does is no concern of the others.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "support/content.h"
#include "support/proc.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

/// A subscriber with consumers, whose journal is in the test's directory.
class Running : public Program {
 public:
  Running(const TempDir& directory, const std::string& endpoint, Words options,
          Words consumer = {}, Stdio output = Stdio::Null())
      : Program(Build(directory, endpoint, std::move(options), std::move(consumer),
                      std::move(output))) {}

  [[nodiscard]] bool WaitUntilLive() {
    return WaitForEvent("mode",
                        [](const Json& event) {
                          return event.at("message") == "mode: live" ||
                                 event.at("message") == "mode: attached";
                        })
        .has_value();
  }
  Json stats() const {
    const std::vector<Json> all = events("stats");
    return all.empty() ? Json() : all.back();
  }
  /// Of one consumer; `name` as in the gap events.
  Account AccountOf(const std::string& delivered, const std::string& name = "") const {
    Account made{.delivered = delivered};
    const Json totals = stats();
    made.begin = totals.at("begin");
    made.position = totals.at("position");
    made.received_bytes = totals.at("received_bytes");
    for (const Json& gap : events("gap")) {
      if (gap.value("consumer", "") != name) continue;
      made.gaps.push_back({.session = gap.at("session"),
                           .from = gap.at("from"),
                           .to = gap.at("to"),
                           .bytes = gap.at("bytes"),
                           .records_known = false,
                           .reason = gap.at("reason")});
      made.lost_bytes += gap.at("bytes").get<std::uint64_t>();
    }
    return made;
  }

 private:
  static Command Build(const TempDir& directory, const std::string& endpoint, Words options,
                       Words consumer, Stdio output) {
    Command command;
    command.argv = {SubscriberBinary(), "-v", "--log-format", "json", "--stats"};
    for (std::string& word : options) command.argv.push_back(std::move(word));
    command.argv.push_back(endpoint);
    if (!consumer.empty()) command.argv.emplace_back("--");
    for (std::string& word : consumer) command.argv.push_back(std::move(word));
    command.environment = {{"XDG_RUNTIME_DIR", directory.path()}};
    command.output = std::move(output);
    return command;
  }
};

pid_t PidIn(const std::string& file) {
  return static_cast<pid_t>(std::atoi(ReadFile(file).c_str()));
}

/// A shell command that says its process id in `file` and then is `cat > out`.
std::string CatTo(const std::string& out) {
  return "echo $$ > " + out + ".pid; exec cat > " + out;
}

[[nodiscard]] bool WaitForSize(const std::string& file, std::size_t bytes) {
  return Eventually([&] { return FileSize(file) >= bytes; });
}

/// Writes `bytes` from `at` on, never further ahead of the consumer that writes to `file` than
/// the publisher keeps, so that nothing is lost on the way to it.
[[nodiscard]] bool WriteAtThePaceOf(const std::string& file, Publisher& publisher,
                                    std::string_view bytes, std::size_t at) {
  for (; at < bytes.size(); at += 16 * kMiB) {
    if (!publisher.Write(bytes.substr(at, 16 * kMiB))) return false;
    if (!WaitForSize(file, std::min(bytes.size(), at + 12 * kMiB))) return false;
  }
  return true;
}

/// What is left of `bytes` without what the gap events say.
std::string WithoutGaps(std::string bytes, const std::vector<Json>& gaps) {
  for (auto gap = gaps.rbegin(); gap != gaps.rend(); ++gap) {
    const std::size_t from = gap->at("from");
    const std::size_t to = gap->at("to");
    EXPECT_LT(from, to);
    EXPECT_EQ(to - from, gap->at("bytes"));
    EXPECT_LE(to, bytes.size());
    if (to <= bytes.size()) bytes.erase(from, to - from);
  }
  return bytes;
}

/// Journals of subscribers below a test's directory.
std::size_t LocalJournals(const TempDir& directory) {
  std::size_t count = 0;
  for (const std::string& path : FilesBelow(directory.path())) {
    if (path.find("/sub-") != std::string::npos && path.ends_with("/lock")) ++count;
  }
  return count;
}

TEST(Consumers, OneConsumerGetsEveryByteAndNothingGoesToStdout) {
  const TempDir directory;
  const std::string bytes = MakeRecords(1, 24 * kMiB);
  Publisher publisher(directory, {"--wait-subs", "1"});
  Running running(directory, publisher.endpoint(), {},
                  {"sh", "-c", "cat > \"$0\"; echo consumer says this", directory / "copy"},
                  Stdio::Pipe());
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  EXPECT_EQ("consumer says this\n", running.ReadAll());
  EXPECT_EQ(0, running.Wait()) << running.log();
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
  EXPECT_EQ(
      "", CheckEquation({.produced = bytes}, running.AccountOf(ReadFile(directory / "copy"))));
  EXPECT_EQ(0u, LocalJournals(directory));
}

TEST(Consumers, ItsStatusIsTakenOver) {
  const TempDir directory;
  Publisher publisher(directory, {"--wait-subs", "1"});
  Running running(directory, publisher.endpoint(), {}, {"sh", "-c", "cat >/dev/null; exit 7"});
  ASSERT_TRUE(publisher.WriteAndEnd("line\n"));
  EXPECT_EQ(7, running.Wait()) << running.log();
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

TEST(Consumers, OneThatCannotBeRunIs126Or127) {
  const TempDir directory;
  WriteFile(directory / "plain", "no program");
  Running missing(directory, "tcp://127.0.0.1:1", {}, {"/no/such/program"});
  EXPECT_EQ(127, missing.Wait()) << missing.log();
  Running plain(directory, "tcp://127.0.0.1:1", {}, {directory / "plain"});
  EXPECT_EQ(126, plain.Wait()) << plain.log();
}

TEST(Consumers, WhatMakesNoSenseIsRefused) {
  const TempDir directory;
  Running both(directory, "tcp://127.0.0.1:1", {"--exec", "cat"}, {"cat"});
  EXPECT_EQ(2, both.Wait()) << both.log();
  Running none(directory, "tcp://127.0.0.1:1", {"--restart", "always"});
  EXPECT_EQ(2, none.Wait()) << none.log();
}

TEST(Consumers, SeveralGetTheSame) {
  const TempDir directory;
  const std::string bytes = MakeRecords(2, 16 * kMiB);
  Publisher publisher(directory, {"--wait-subs", "1"});
  Words options;
  for (const char* name : {"a", "b", "c"}) {
    options.insert(options.end(), {"--exec", "cat > " + directory / name});
  }
  Running running(directory, publisher.endpoint(), options);
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  EXPECT_EQ(0, running.Wait()) << running.log();
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_EQ(
        "", CheckEquation({.produced = bytes}, running.AccountOf(ReadFile(directory / name))));
  }
  EXPECT_EQ(3 * bytes.size(), running.stats().at("written_bytes"));
}

TEST(Consumers, OfSeveralTheFirstBadStatusCounts) {
  const TempDir directory;
  Publisher publisher(directory, {"--wait-subs", "1"});
  Running running(directory, publisher.endpoint(),
                  {"--exec", "cat >/dev/null", "--exec", "cat >/dev/null; sleep 0.1; exit 5",
                   "--exec", "exit 6"});
  ASSERT_TRUE(publisher.WriteAndEnd("line\n"));
  EXPECT_EQ(5, running.Wait()) << running.log();
}

TEST(Consumers, LabelsAreForConsumersToo) {
  const TempDir directory;
  Publisher publisher(directory, {"--wait-subs", "1", "-s", "web"});
  Running running(directory, publisher.endpoint(), {"--prefix"},
                  {"sh", "-c", "cat > \"$0\"", directory / "copy"});
  ASSERT_TRUE(publisher.WriteAndEnd("one\ntwo\n"));
  EXPECT_EQ(0, running.Wait()) << running.log();
  EXPECT_EQ(0, publisher.Wait()) << "the end was confirmed: " << publisher.log();
  EXPECT_EQ("web: one\nweb: two\n", ReadFile(directory / "copy"));
}

TEST(Consumers, AStoppedOneDoesNotDelayTheOthersAndLosesNothing) {
  const TempDir directory;
  const std::string bytes = MakeRecords(3, 32 * kMiB);
  Publisher publisher(directory, {"--wait-subs", "1"});
  const std::string slow = directory / "slow";
  const std::string fast = directory / "fast";
  Running running(directory, publisher.endpoint(),
                  {"--exec", CatTo(slow), "--exec", CatTo(fast)});
  ASSERT_TRUE(publisher.Write(std::string_view(bytes).substr(0, kMiB)));
  ASSERT_TRUE(WaitForSize(slow, kMiB / 2));
  ASSERT_EQ(0, ::kill(PidIn(slow + ".pid"), SIGSTOP));
  ASSERT_TRUE(publisher.WriteAndEnd(std::string_view(bytes).substr(kMiB)));
  EXPECT_TRUE(WaitForSize(fast, bytes.size())) << running.log();
  EXPECT_LT(FileSize(slow), 4 * kMiB);
  EXPECT_TRUE(running.running());
  ASSERT_EQ(0, ::kill(PidIn(slow + ".pid"), SIGCONT));
  EXPECT_EQ(0, running.Wait()) << running.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, running.AccountOf(ReadFile(slow))));
  EXPECT_EQ("", CheckEquation({.produced = bytes}, running.AccountOf(ReadFile(fast))));
}

TEST(Consumers, OneThatFallsTooFarBehindIsToldExactlyWhatItLost) {
  const TempDir directory;
  const std::string bytes = MakeRecords(4, 96 * kMiB);
  Publisher publisher(directory, {"--wait-subs", "1"});
  const std::string slow = directory / "slow";
  const std::string fast = directory / "fast";
  Running running(directory, publisher.endpoint(),
                  {"--exec", CatTo(slow), "--exec", CatTo(fast)});
  ASSERT_TRUE(publisher.Write(std::string_view(bytes).substr(0, kMiB)));
  ASSERT_TRUE(WaitForSize(slow, kMiB / 2));
  ASSERT_EQ(0, ::kill(PidIn(slow + ".pid"), SIGSTOP));
  ASSERT_TRUE(WriteAtThePaceOf(fast, publisher, bytes, kMiB)) << running.log();
  publisher.CloseInput();
  ASSERT_TRUE(WaitForSize(fast, bytes.size())) << running.log();
  const auto losing = running.WaitForEvent("losing");
  ASSERT_TRUE(losing) << running.log();
  EXPECT_EQ(CatTo(slow), losing->at("consumer"));
  EXPECT_FALSE(running.said("gap")) << "it is not over";
  ASSERT_EQ(0, ::kill(PidIn(slow + ".pid"), SIGCONT));
  EXPECT_EQ(3, running.Wait()) << running.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, running.AccountOf(ReadFile(fast))));
  const std::vector<Json> gaps = running.events("gap");
  ASSERT_EQ(1u, gaps.size()) << "one standstill is one gap: " << running.log();
  EXPECT_EQ(1u, running.events("losing").size());
  EXPECT_EQ(CatTo(slow), gaps[0].at("consumer"));
  // The oracle wants records counted, which nobody does on the way into a consumer.
  EXPECT_TRUE(ReadFile(slow) == WithoutGaps(bytes, gaps));
  EXPECT_EQ(gaps[0].at("bytes"), running.stats().at("consumers_lost_bytes"));
}

TEST(Consumers, StrictStopsWhenOneBeginsToLoseAndTheGapIsReportedAllTheSame) {
  const TempDir directory;
  const std::string bytes = MakeRecords(9, 96 * kMiB);
  Publisher publisher(directory, {"--wait-subs", "1"});
  const std::string slow = directory / "slow";
  const std::string fast = directory / "fast";
  Running running(directory, publisher.endpoint(),
                  {"--strict", "--exec", CatTo(slow), "--exec", CatTo(fast)});
  ASSERT_TRUE(publisher.Write(std::string_view(bytes).substr(0, kMiB)));
  ASSERT_TRUE(WaitForSize(slow, kMiB / 2));
  ASSERT_EQ(0, ::kill(PidIn(slow + ".pid"), SIGSTOP));
  ASSERT_TRUE(
      WriteAtThePaceOf(fast, publisher, std::string_view(bytes).substr(0, 64 * kMiB), kMiB));
  ASSERT_TRUE(publisher.WriteAndEnd(std::string_view(bytes).substr(64 * kMiB)));
  ASSERT_TRUE(running.WaitForEvent("strict")) << running.log();
  EXPECT_FALSE(running.said("gap")) << "it is not over";
  ASSERT_EQ(0, ::kill(PidIn(slow + ".pid"), SIGCONT));
  EXPECT_EQ(3, running.Wait()) << running.log();
  EXPECT_EQ(1u, running.events("strict").size());
  const std::string taken = ReadFile(fast);
  EXPECT_LT(taken.size(), bytes.size()) << "it stopped";
  EXPECT_TRUE(bytes.starts_with(taken));
  ASSERT_EQ(1u, running.events("gap").size()) << running.log();
  EXPECT_TRUE(ReadFile(slow) == WithoutGaps(taken, running.events("gap")));
}

TEST(Consumers, OneThatIsPassedAndDiesHasLostWhatItsPipeHeldWithLabelsToo) {
  const TempDir directory;
  const std::string bytes = MakeRecords(10, 96 * kMiB);
  Publisher publisher(directory, {"--wait-subs", "1", "-s", "web"});
  const std::string slow = directory / "slow";
  const std::string fast = directory / "fast";
  // The first one reads nothing; the one after it copies what is left.
  const std::string command = "[ -e " + slow + ".pid ] && exec cat > " + slow + "; echo $$ > " +
                              slow + ".pid; exec sleep 1000";
  Running running(
      directory, publisher.endpoint(),
      {"--prefix", "--restart", "on-failure", "--exec", command, "--exec", CatTo(fast)});
  ASSERT_TRUE(WriteAtThePaceOf(fast, publisher, bytes, 0)) << running.log();
  ASSERT_TRUE(running.WaitForEvent("losing")) << running.log();
  ASSERT_EQ(0, ::kill(PidIn(slow + ".pid"), SIGKILL));
  ASSERT_TRUE(running.WaitForEvent("restart")) << running.log();
  publisher.CloseInput();
  EXPECT_EQ(3, running.Wait()) << running.log();
  std::vector<Json> gaps = running.events("gap");
  std::ranges::sort(gaps, {},
                    [](const Json& gap) { return gap.at("from").get<std::size_t>(); });
  std::size_t lost = 0;
  for (const Json& gap : gaps) {
    EXPECT_EQ(lost, gap.at("from")) << running.log();
    lost = gap.at("to");
  }
  EXPECT_EQ(lost, running.stats().at("consumers_lost_bytes"));
  // Delivered is all behind it, and the rest of a block of which a part is lost.
  std::string delivered = ReadFile(slow);
  std::string plain;
  for (std::size_t at = 0; at < delivered.size();) {
    if (delivered.compare(at, 5, "web: ") == 0) at += 5;
    const std::size_t end = std::min(delivered.find('\n', at), delivered.size() - 1) + 1;
    plain.append(delivered, at, end - at);
    at = end;
  }
  ASSERT_LT(lost, bytes.size());
  EXPECT_TRUE(plain.ends_with(std::string_view(bytes).substr(lost)));
}

TEST(Consumers, ASingleOneThatIsStoppedIsWaitedForAtThePublisher) {
  const TempDir directory;
  const std::string bytes = MakeRecords(5, 48 * kMiB);
  Publisher publisher(directory, {"--wait-subs", "1", "--slow", "wait", "--retain", "4MiB"});
  const std::string copy = directory / "copy";
  Running running(directory, publisher.endpoint(), {"--exec", CatTo(copy)});
  ASSERT_TRUE(publisher.Write(std::string_view(bytes).substr(0, kMiB)));
  ASSERT_TRUE(WaitForSize(copy, kMiB / 2));
  ASSERT_EQ(0, ::kill(PidIn(copy + ".pid"), SIGSTOP));
  std::size_t written = kMiB;
  ASSERT_TRUE(Eventually([&] {
    written += publisher.WriteWhatFits(std::string_view(bytes).substr(written));
    return publisher.said("waiting");
  }));
  EXPECT_LT(written, 40 * kMiB);
  ASSERT_EQ(0, ::kill(PidIn(copy + ".pid"), SIGCONT));
  ASSERT_TRUE(publisher.WriteAndEnd(std::string_view(bytes).substr(written)));
  EXPECT_EQ(0, running.Wait()) << running.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, running.AccountOf(ReadFile(copy))));
}

TEST(Consumers, OneThatLeavesEarlyLeavesTheOthersComplete) {
  const TempDir directory;
  const std::string bytes = MakeRecords(6, 8 * kMiB);
  Publisher publisher(directory, {"--wait-subs", "1"});
  Running running(
      directory, publisher.endpoint(),
      {"--exec", "head -n 1 > " + directory / "head", "--exec", "cat > " + directory / "copy"});
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  EXPECT_EQ(0, running.Wait()) << running.log();
  EXPECT_EQ(
      "", CheckEquation({.produced = bytes}, running.AccountOf(ReadFile(directory / "copy"))));
  EXPECT_TRUE(bytes.starts_with(ReadFile(directory / "head")));
  EXPECT_GT(FileSize(directory / "head"), 0u);
}

TEST(Consumers, WhenAllHaveLeftTheSubscriberLeaves) {
  const TempDir directory;
  Publisher publisher(directory);
  Running running(directory, publisher.endpoint(), {"--from", "start"}, {"head", "-n", "1"},
                  Stdio::Pipe());
  ASSERT_TRUE(publisher.Write("one\ntwo\n"));
  EXPECT_EQ("one\n", running.ReadAll());
  EXPECT_EQ(0, running.Wait()) << running.log();
  EXPECT_TRUE(publisher.WaitForEvent("left")) << "with a word: " << publisher.log();
  EXPECT_FALSE(publisher.said("vanished"));
}

TEST(Consumers, ARestartedOneGoesOnAtTheVeryByte) {
  const TempDir directory;
  const std::string bytes = MakeRecords(7, 350'000);
  Publisher publisher(directory, {"--wait-subs", "1"});
  // Reads exactly 100,000 bytes and fails; the last finds fewer, and ends well.
  Running running(directory, publisher.endpoint(),
                  {"--restart", "on-failure", "--exec",
                   "test $(dd bs=1 count=100000 2>/dev/null | tee -a " + directory / "copy" +
                       " | wc -c) -lt 100000",
                   "--exec", "cat > " + directory / "other"});
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  EXPECT_EQ(0, running.Wait()) << running.log();
  EXPECT_EQ(
      "", CheckEquation({.produced = bytes}, running.AccountOf(ReadFile(directory / "copy"))));
  EXPECT_EQ(
      "", CheckEquation({.produced = bytes}, running.AccountOf(ReadFile(directory / "other"))));
  const auto restarts = running.events("restart");
  ASSERT_EQ(3u, restarts.size()) << running.log();
  EXPECT_NE(std::string::npos, restarts[0].at("message").get<std::string>().find("100ms"));
  EXPECT_NE(std::string::npos, restarts[1].at("message").get<std::string>().find("200ms"));
  EXPECT_NE(std::string::npos, restarts[2].at("message").get<std::string>().find("400ms"));
}

TEST(Consumers, AKilledOneIsStartedAgainAndTheOthersDoNotNotice) {
  const TempDir directory;
  const std::string bytes = MakeRecords(8, 4 * kMiB);
  Publisher publisher(directory, {"--wait-subs", "1"});
  const std::string copy = directory / "copy";
  Running running(
      directory, publisher.endpoint(),
      {"--restart", "always", "--exec", "echo $$ > " + copy + ".pid; exec cat >> " + copy});
  ASSERT_TRUE(publisher.Write(std::string_view(bytes).substr(0, kMiB)));
  // All of it has been written, so the kill loses nothing that cat had read.
  ASSERT_TRUE(WaitForSize(copy, kMiB));
  const pid_t first = PidIn(copy + ".pid");
  ASSERT_EQ(0, ::kill(first, SIGKILL));
  ASSERT_TRUE(running.WaitForEvent("restart")) << running.log();
  ASSERT_TRUE(publisher.WriteAndEnd(std::string_view(bytes).substr(kMiB)));
  EXPECT_EQ(0, running.Wait()) << running.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, running.AccountOf(ReadFile(copy))));
  EXPECT_NE(first, PidIn(copy + ".pid"));
}

TEST(Consumers, AConsumerThatHasEndedIsNoZombie) {
  const TempDir directory;
  Publisher publisher(directory, {"--wait-subs", "1"});
  Running running(directory, publisher.endpoint(),
                  {"--exec", "exit 0", "--exec", "cat >/dev/null"});
  ASSERT_TRUE(running.WaitForEvent("consumer")) << running.log();
  EXPECT_TRUE(Eventually([&] { return ChildrenOf(running.pid()).size() == 1; }));
  EXPECT_TRUE(running.running());
  ASSERT_TRUE(publisher.WriteAndEnd("line\n"));
  EXPECT_EQ(0, running.Wait()) << running.log();
}

TEST(Consumers, AConsumerHasDescriptors0To2AndNoOther) {
  const TempDir directory;
  Publisher publisher(directory, {"--wait-subs", "1"});
  // The second one is started while this process holds the pipe of the first.
  Running running(directory, publisher.endpoint(),
                  {"--restart", "on-failure", "--exec", "cat > /dev/null", "--exec",
                   "exec ls /proc/self/fd > " + directory / "list"});
  ASSERT_TRUE(publisher.WriteAndEnd("line\n"));
  EXPECT_EQ(0, running.Wait()) << running.log();
  // What lists the directory has it open, and that is 3 unless something was leaked.
  EXPECT_EQ("0\n1\n2\n3\n", ReadFile(directory / "list"));
}

TEST(Consumers, SignalsArePassedOnAndEndTheSubscriber) {
  const TempDir directory;
  Publisher publisher(directory, {"--wait-subs", "1"});
  const std::string said = directory / "said";
  const auto script = [&](const std::string& end) {
    return "trap 'echo term >> " + said + "; " + end + "' TERM; echo ready >> " + said +
           "; while :; do sleep 0.02; done";
  };
  {
    Running running(directory, publisher.endpoint(), {}, {"sh", "-c", script("exit 9")});
    ASSERT_TRUE(WaitForSize(said, 6)) << running.log();
    running.Signal(SIGTERM);
    EXPECT_EQ(9, running.Wait()) << running.log();
    EXPECT_EQ("ready\nterm\n", ReadFile(said));
  }
  Running running(directory, publisher.endpoint(), {}, {"sh", "-c", script("exit 0")});
  ASSERT_TRUE(WaitForSize(said, 17)) << running.log();
  running.Signal(SIGTERM);
  EXPECT_EQ(143, running.Wait()) << "the stream did not come to its end";
  EXPECT_EQ(0u, LocalJournals(directory));
}

TEST(Consumers, AKilledSubscribersJournalIsRemovedByTheNextOne) {
  const TempDir directory;
  Publisher publisher(directory);
  {
    Running killed(directory, publisher.endpoint(), {}, {"cat"});
    ASSERT_TRUE(killed.WaitUntilLive()) << killed.log();
    EXPECT_EQ(1u, LocalJournals(directory));
    killed.Signal(SIGKILL);
    EXPECT_EQ(137, killed.Wait());
  }
  EXPECT_EQ(1u, LocalJournals(directory));
  Running next(directory, publisher.endpoint(), {}, {"cat"});
  ASSERT_TRUE(next.WaitUntilLive()) << next.log();
  EXPECT_EQ(1u, LocalJournals(directory));
  ASSERT_TRUE(publisher.WriteAndEnd("line\n"));
  EXPECT_EQ(0, next.Wait()) << next.log();
  EXPECT_EQ(0u, LocalJournals(directory));
}

}  // namespace
}  // namespace pipedup::test
