// pipedup-pub -- PRODUCER: the producer's output, its status, its signals, and nothing else of
// ours.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdint>
#include <sstream>
#include <string>

#include "support/content.h"
#include "support/proc.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

// All but those that the C library keeps for itself.
constexpr std::uint64_t kOrdinarySignals = 0x7fffffff;

Publisher::Setup Shell(const std::string& script, Words options = {"--wait-subs", "1"}) {
  return {.options = std::move(options), .producer = {"sh", "-c", script}};
}

TEST(Exec, TheProducersOutputIsTheStreamAndItsStatusTheStatus) {
  const TempDir directory;
  Publisher publisher(directory, Shell("echo one; echo two; exit 7"));
  Subscriber subscriber(directory, publisher.endpoint());
  EXPECT_EQ(7, publisher.Wait()) << publisher.log();
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("one\ntwo\n", subscriber.delivered());
  const auto end = subscriber.events("end");
  ASSERT_EQ(1u, end.size());
  EXPECT_EQ(7, end[0].at("status"));
}

TEST(Exec, AConfigFileMayHaveTheProducer) {
  const TempDir directory;
  WriteFile(directory / "pub.toml", "exec = \"echo one; echo two; exit 7\"\n");
  Publisher publisher(directory, Publisher::Setup{.options = {"--wait-subs", "1", "--config",
                                                              directory / "pub.toml"}});
  Subscriber subscriber(directory, publisher.endpoint());
  EXPECT_EQ(7, publisher.Wait()) << publisher.log();
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("one\ntwo\n", subscriber.delivered());
}

TEST(Exec, AProducerThatASignalEndsIs128AndItsNumber) {
  const TempDir directory;
  Publisher publisher(directory, Shell("echo line; kill -KILL $$"));
  Subscriber subscriber(directory, publisher.endpoint());
  EXPECT_EQ(137, publisher.Wait()) << publisher.log();
  EXPECT_EQ(0, subscriber.Wait());
  EXPECT_EQ("line\n", subscriber.delivered());
}

TEST(Exec, AProducerThatCannotBeRunIsStatus127Or126InOneLine) {
  const TempDir directory;
  WriteFile(directory / "data", "no program\n");
  for (const auto& [program, status] :
       {std::pair<std::string, int>{"no-such-program-at-all", 127},
        {directory / "data", 126},
        {directory.path(), 126}}) {
    SCOPED_TRACE(program);
    const Outcome outcome =
        RunToEnd({.argv = {PublisherBinary(), "--bind", "127.0.0.1:0", "-q", "--", program},
                  .environment = {{"XDG_RUNTIME_DIR", directory.path()}}});
    EXPECT_EQ(status, outcome.status);
    EXPECT_EQ("", outcome.out);
    ASSERT_EQ(1u, outcome.errors.size());
    EXPECT_TRUE(outcome.errors[0].starts_with("pipedup-pub: error: ")) << outcome.errors[0];
    EXPECT_NE(std::string::npos, outcome.errors[0].find(program)) << outcome.errors[0];
  }
  EXPECT_TRUE(FilesBelow(directory / "pipedup-0").empty());
}

TEST(Exec, SignalsGoToTheProducerWhichDecides) {
  const TempDir directory;
  Publisher publisher(directory,
                      Shell("trap 'echo bye; exit 9' TERM; trap 'echo hup' HUP; echo ready; "
                            "while :; do sleep 0.02; done"));
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(subscriber.WaitForBytes(6)) << subscriber.log();
  publisher.Signal(SIGHUP);
  ASSERT_TRUE(subscriber.WaitForBytes(10)) << subscriber.log();
  publisher.Signal(SIGTERM);
  EXPECT_EQ(9, publisher.Wait()) << publisher.log();
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("ready\nhup\nbye\n", subscriber.delivered());
}

TEST(Exec, TheProducerReadsStdinOfThePublisher) {
  const TempDir directory;
  Publisher publisher(directory, {.options = {"--wait-subs", "1"}, .producer = {"cat"}});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(publisher.WriteAndEnd("through cat\n"));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
  EXPECT_EQ(0, subscriber.Wait());
  EXPECT_EQ("through cat\n", subscriber.delivered());
}

TEST(Exec, TeeCopiesTheStreamToStdout) {
  const TempDir directory;
  const std::string bytes = MakeRecords(1, 8 * 1024 * 1024);
  Publisher publisher(directory, {.options = {"--tee", "--wait-subs", "1"},
                                  .output = Stdio::File(directory / "copy")});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_TRUE(ReadFile(directory / "copy") == bytes);
  EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account()));
}

TEST(Exec, TeeGoesOnWithoutAReaderThatLeaves) {
  const TempDir directory;
  const std::string bytes = MakeRecords(2, 4 * 1024 * 1024);
  Publisher publisher(directory, {.options = {"-t", "--wait-subs", "1"},
                                  .producer = {"sh", "-c", "printf x; cat"},
                                  .output = Stdio::Pipe()});
  Subscriber subscriber(directory, publisher.endpoint());
  EXPECT_EQ("x", publisher.Read(1));
  publisher.TakeOutput().Reset();
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
  EXPECT_EQ(0, subscriber.Wait());
  EXPECT_EQ("", CheckEquation({.produced = "x" + bytes}, subscriber.account()));
  EXPECT_EQ(1u, publisher.events("tee").size()) << publisher.log();
}

TEST(Exec, TheProducerHasDescriptors0To2AndNoOther) {
  const TempDir directory;
  // What lists the directory has it open, and that is 3 unless something was leaked.
  Publisher publisher(directory,
                      {.options = {"--wait-subs", "1"}, .producer = {"ls", "/proc/self/fd"}});
  Subscriber subscriber(directory, publisher.endpoint());
  EXPECT_EQ(0, publisher.Wait());
  EXPECT_EQ(0, subscriber.Wait());
  EXPECT_EQ("0\n1\n2\n3\n", subscriber.delivered());
}

TEST(Exec, TheProducerHasNoSignalBlockedOrIgnored) {
  const TempDir directory;
  Publisher publisher(directory,
                      {.options = {"--wait-subs", "1"},
                       .producer = {"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}});
  Subscriber subscriber(directory, publisher.endpoint());
  EXPECT_EQ(0, publisher.Wait());
  EXPECT_EQ(0, subscriber.Wait());
  std::istringstream lines(subscriber.delivered());
  std::string name;
  std::uint64_t signals = 0;
  int count = 0;
  while (lines >> name >> std::hex >> signals) {
    EXPECT_EQ(0u, signals & kOrdinarySignals) << name << std::hex << signals;
    ++count;
  }
  EXPECT_EQ(2, count) << subscriber.delivered();
}

TEST(Exec, AProducerThatHasEndedIsNoZombieWhileSubscribersAreWaitedFor) {
  const TempDir directory;
  Publisher publisher(directory, Shell("echo line; read go", {}));
  Subscriber subscriber(directory, publisher.endpoint(), {"--from", "start"});
  ASSERT_TRUE(subscriber.WaitForBytes(5));
  EXPECT_EQ(1u, ChildrenOf(publisher.pid()).size());
  subscriber.Signal(SIGSTOP);
  ASSERT_TRUE(publisher.WriteAndEnd("go\n"));
  ASSERT_TRUE(publisher.WaitForEvent("producer")) << publisher.log();
  EXPECT_TRUE(publisher.running());
  EXPECT_EQ(0u, ChildrenOf(publisher.pid()).size());
  subscriber.Signal(SIGCONT);
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

TEST(Exec, WorksAsProcessOneAndReapsOrphans) {
  if (!MayUnshare("--pid")) GTEST_SKIP() << "no process namespaces for this user";
  const TempDir directory;
  // The inner shell leaves a child behind, which then is a child of process 1.
  Publisher publisher(
      directory,
      {.options = {"--wait-subs", "1"},
       .producer = {"sh", "-c",
                    "echo parent $PPID; sh -c 'sleep 0.1 </dev/null >/dev/null & :'; "
                    "trap 'exit 8' TERM; while :; do sleep 0.02; done"},
       .wrapper = {"unshare", "--pid", "--fork", "--kill-child"}});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(subscriber.WaitForBytes(9)) << publisher.log();
  EXPECT_EQ("parent 1\n", subscriber.delivered());
  const auto children = ChildrenOf(publisher.pid());
  ASSERT_EQ(1u, children.size());
  const pid_t first = children[0].pid;
  // Until the orphan has ended as well, and only the producer is left.
  EXPECT_TRUE(Eventually([&] {
    const auto left = ChildrenOf(first);
    return left.size() == 1 && left[0].state != 'Z';
  }));
  ::kill(first, SIGTERM);
  EXPECT_EQ(8, publisher.Wait()) << publisher.log();
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
}

}  // namespace
}  // namespace pipedup::test
