// What a slow subscriber costs the others: with `drop` nothing, with `wait` time and never a
// byte.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/sanitizer.h"
#include "support/content.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

// Sanitizers need several times the memory of what they watch.
constexpr std::uint64_t kMostMemory = kSanitized ? SIZE_MAX : 80 * kMiB;

/// The most memory that a process has had, in bytes.
std::uint64_t PeakMemory(const Process& process) {
  std::istringstream lines(ReadFile("/proc/" + std::to_string(process.pid()) + "/status"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("VmHWM:")) return 1024 * std::strtoull(line.c_str() + 6, nullptr, 10);
  }
  return 0;
}

std::uint64_t BytesBelow(const std::string& directory) {
  std::uint64_t sum = 0;
  for (const std::string& path : FilesBelow(directory)) sum += FileSize(path);
  return sum;
}

TEST(SlowDrop, AStoppedSubscriberHoldsUpNeitherTheProducerNorTheOthers) {
  const TempDir directory;
  const std::string bytes = MakeRecords(1, 48 * kMiB);
  Publisher publisher(directory, {"--wait-subs", "4"});
  std::vector<std::unique_ptr<Subscriber>> others;
  for (int i = 0; i < 3; ++i) {
    others.push_back(std::make_unique<Subscriber>(directory, publisher.endpoint()));
  }
  Subscriber stopped(directory, publisher.endpoint());
  ASSERT_TRUE(publisher.Write(std::string_view(bytes).substr(0, kMiB)));
  ASSERT_TRUE(stopped.WaitForBytes(kMiB / 2));
  stopped.Signal(SIGSTOP);
  ASSERT_TRUE(publisher.WriteAndEnd(std::string_view(bytes).substr(kMiB)));
  for (auto& other : others) {
    ASSERT_EQ(0, other->Wait()) << other->log() << publisher.log();
    EXPECT_EQ("", CheckEquation({.produced = bytes}, other->account()));
  }
  stopped.Signal(SIGCONT);
  ASSERT_EQ(0, stopped.Wait()) << "all of it is within retention: " << stopped.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, stopped.account()));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

TEST(SlowWait, TheProducerIsHeldForAConsumerThatStopsAndNothingIsLost) {
  const TempDir directory;
  const std::string bytes = MakeRecords(2, 96 * kMiB);
  Publisher publisher(directory, {"--slow", "wait", "--retain", "4MiB", "--stall-limit", "1h"});
  Subscriber fast(directory, publisher.endpoint());
  Subscriber slow(publisher.endpoint(), {"--name", "snail"}, Stdio::Pipe());
  ASSERT_TRUE(fast.WaitUntilLive());
  ASSERT_TRUE(slow.WaitUntilLive());
  Feeder feeder(publisher, bytes);
  const auto waiting = publisher.WaitForEvent("waiting");
  ASSERT_TRUE(waiting) << publisher.log();
  EXPECT_NE(std::string::npos, waiting->at("message").get<std::string>().find("snail"));
  EXPECT_FALSE(publisher.said("resumed"));
  EXPECT_EQ(1u, publisher.events("waiting").size()) << "it is said once";
  EXPECT_LT(FileSize(fast.file()), bytes.size());
  EXPECT_LT(BytesBelow(directory / "pipedup-0"), 8 * kMiB) << "retention bounds the journal";

  std::string delivered = slow.ReadAll();
  ASSERT_EQ(0, slow.Wait()) << slow.log() << publisher.log();
  EXPECT_TRUE(feeder.Done());
  EXPECT_EQ("", CheckEquation({.produced = bytes}, slow.account(std::move(delivered))));
  ASSERT_EQ(0, fast.Wait()) << fast.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, fast.account()));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
  EXPECT_TRUE(publisher.said("resumed"));
}

TEST(SlowWait, MemoryOfAHeldPublisherIsBounded) {
  const TempDir directory;
  const std::string bytes = MakeRecords(3, 128 * kMiB);
  Publisher publisher(directory,
                      {"--slow", "wait", "--retain", "16MiB", "--stall-limit", "1h"});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(subscriber.WaitUntilLive());
  Feeder feeder(publisher, bytes);
  ASSERT_TRUE(subscriber.WaitForBytes(kMiB));
  subscriber.Signal(SIGSTOP);
  ASSERT_TRUE(publisher.WaitForEvent("waiting")) << publisher.log();
  EXPECT_LT(PeakMemory(publisher), kMostMemory);
  EXPECT_LT(BytesBelow(directory.path()) - FileSize(subscriber.file()), 24 * kMiB);
  subscriber.Signal(SIGCONT);
  ASSERT_TRUE(subscriber.WaitForBytes(bytes.size() / 2));
  EXPECT_LT(PeakMemory(subscriber), kMostMemory);
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_TRUE(feeder.Done());
  EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account()));
}

TEST(SlowWait, ATapIsNotWaitedFor) {
  const TempDir directory;
  const std::string bytes = MakeRecords(4, 48 * kMiB);
  Publisher publisher(directory, {"--slow", "wait", "--retain", "4MiB"});
  Subscriber reader(directory, publisher.endpoint());
  Subscriber tap(publisher.endpoint(), {"--tap"}, Stdio::Pipe());
  ASSERT_TRUE(reader.WaitUntilLive());
  ASSERT_TRUE(tap.WaitUntilLive());
  ASSERT_TRUE(publisher.WriteAndEnd(bytes)) << "held by a tap: " << publisher.log();
  ASSERT_EQ(0, reader.Wait()) << reader.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, reader.account()));
  std::string delivered = tap.ReadAll();
  EXPECT_EQ(3, tap.Wait()) << tap.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, tap.account(std::move(delivered))));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

TEST(SlowWait, PastTheStallLimitASubscriberIsLetGoAndBothSidesSaySo) {
  const TempDir directory;
  const std::string bytes = MakeRecords(5, 64 * kMiB);
  Publisher publisher(directory,
                      {"--slow", "wait", "--retain", "4MiB", "--stall-limit", "1500ms"});
  Subscriber reader(directory, publisher.endpoint());
  Subscriber stalled(publisher.endpoint(), {"--name", "rock"}, Stdio::Pipe());
  ASSERT_TRUE(reader.WaitUntilLive());
  ASSERT_TRUE(stalled.WaitUntilLive());
  ASSERT_TRUE(publisher.WriteAndEnd(bytes)) << publisher.log();
  const auto let_go = publisher.WaitForEvent("let-go");
  ASSERT_TRUE(let_go) << publisher.log();
  EXPECT_NE(std::string::npos, let_go->at("message").get<std::string>().find("rock"));
  EXPECT_TRUE(stalled.WaitForEvent("let-go")) << stalled.log();
  ASSERT_EQ(0, reader.Wait()) << reader.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, reader.account()));
  std::string delivered = stalled.ReadAll();
  EXPECT_EQ(3, stalled.Wait()) << stalled.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, stalled.account(std::move(delivered))));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

TEST(SlowWait, ASubscriberThatIsKilledIsWaitedForUntilTheStallLimit) {
  const TempDir directory;
  const std::string bytes = MakeRecords(6, 64 * kMiB);
  Publisher publisher(directory, {"--slow", "wait", "--retain", "4MiB", "--stall-limit", "2s"});
  Subscriber reader(directory, publisher.endpoint());
  Subscriber victim(publisher.endpoint(), {}, Stdio::Pipe());
  ASSERT_TRUE(reader.WaitUntilLive());
  ASSERT_TRUE(victim.WaitUntilLive());
  Feeder feeder(publisher, bytes);
  ASSERT_TRUE(publisher.WaitForEvent("waiting")) << publisher.log();
  victim.Signal(SIGKILL);
  ASSERT_EQ(0, reader.Wait()) << reader.log() << publisher.log();
  EXPECT_TRUE(feeder.Done());
  EXPECT_EQ("", CheckEquation({.produced = bytes}, reader.account()));
  EXPECT_TRUE(publisher.WaitForEvent("let-go")) << publisher.log();
  EXPECT_TRUE(publisher.WaitForEvent("vanished")) << publisher.log();
}

}  // namespace
}  // namespace pipedup::test
