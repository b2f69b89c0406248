// --compress: the same bytes, fewer of them on the wire, and every promise as without.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "os/build.h"
#include "support/content.h"
#include "support/programs.h"
#include "support/same.h"

namespace pipedup::test {
namespace {

std::optional<char> DelimiterOf(const std::string& records) {
  if (records == "raw") return std::nullopt;
  return records == "nul" ? '\0' : '\n';
}

/// Lines that shrink, noise that does not, and what is hard about records.
std::string Everything() {
  using namespace std::string_literals;
  return MakeLines('a', 20'000) + MakeRecords(1, 3 * kMiB) + "a\0b\0\0c\n\0\nd\0"s +
         "\r\n\n\n\n" + std::string(10 * kMiB, 'r') + "\n" + MakeRecords(2, 300'000, '\0') +
         MakeLines('b', 20'000) + "\xff\xfe\x80\xc3 no final newline";
}

class CompressTest : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(CompressTest, EveryByteArrivesLiveAndLate) {
  const auto& [level, records] = GetParam();
  const TempDir directory;
  const std::string bytes = Everything();
  Publisher publisher(directory,
                      {"--compress", level, "--records", records, "--wait-subs", "2"});
  Subscriber live(directory, publisher.endpoint());
  Subscriber other(directory, publisher.endpoint());
  ASSERT_TRUE(publisher.Write(bytes)) << publisher.log();
  Subscriber late(directory, publisher.endpoint(), {"--from", "start"});
  ASSERT_TRUE(late.WaitUntilLive()) << late.log();
  publisher.CloseInput();
  for (Subscriber* subscriber : {&live, &other, &late}) {
    ASSERT_EQ(0, subscriber->Wait()) << subscriber->log() << publisher.log();
    EXPECT_EQ("", CheckEquation({.produced = bytes, .delimiter = DelimiterOf(records)},
                                subscriber->account()))
        << subscriber->log();
    EXPECT_TRUE(Same(bytes, subscriber->delivered()));
    EXPECT_LT(subscriber->stats().at("wire_bytes"), bytes.size() / 2);
    EXPECT_EQ(0, subscriber->stats().at("damaged_blocks"));
  }
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

INSTANTIATE_TEST_SUITE_P(, CompressTest,
                         ::testing::Combine(::testing::Values("zstd", "zstd:7"),
                                            ::testing::Values("lines", "nul", "raw")),
                         [](const auto& run) {
                           return "Level" + std::to_string(run.index) + std::get<1>(run.param);
                         });

TEST(Compress, WhatDoesNotShrinkCostsNothingButTheHeader) {
  const TempDir directory;
  const std::string bytes = MakeRecords(3, 8 * kMiB);  // every byte is random
  Publisher publisher(directory, {"--compress", "zstd", "--wait-subs", "1"});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account()));
  const Json stats = subscriber.stats();
  const auto blocks = stats.at("blocks").get<std::uint64_t>();
  const auto heads = std::uint64_t{1000};  // empty ones, that tell where the head is
  EXPECT_LE(stats.at("wire_bytes").get<std::uint64_t>(),
            bytes.size() + stats.at("duplicate_bytes").get<std::uint64_t>() +
                (2 * blocks + heads) * (64 + 1 + std::string("default").size()));
  EXPECT_EQ(0, publisher.Wait());
}

TEST(Compress, TheJournalStaysPlain) {
  const TempDir directory;
  const std::string bytes = MakeLines('a', 5'000);
  Publisher publisher(directory,
                      {"--compress", "zstd", "--journal", directory / "j", "--wait-subs", "1"});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ(0, publisher.Wait());
  std::string journal;
  for (const std::string& path : FilesBelow(directory / "j")) {
    if (path.ends_with(".log")) journal += ReadFile(path);
  }
  EXPECT_TRUE(Same(bytes, journal));
  EXPECT_LT(subscriber.stats().at("wire_bytes"), bytes.size() / 2) << "sent it was compressed";
}

TEST(Compress, ASubscriberThatReadsTheJournalItselfReadsItPlain) {
  if (IsPortable()) GTEST_SKIP() << "the portable build cannot watch files";
  ::setenv(kAttached, "1", 1);
  const TempDir directory;
  const std::string bytes = Everything();
  Publisher publisher(directory, {"--compress", "zstd", "--slow", "wait"});
  Subscriber subscriber(directory, publisher.endpoint());
  ::unsetenv(kAttached);
  ASSERT_TRUE(subscriber.WaitForEvent(
      "mode", [](const Json& event) { return event.at("message") == "mode: attached"; }));
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account()));
  EXPECT_EQ(0, publisher.Wait());
}

TEST(Compress, WhatRetentionHasPassedIsReportedExactly) {
  const TempDir directory;
  std::string bytes = MakeRecords(4, 48 * kMiB) + MakeLines('g', 400'000);
  Publisher publisher(directory, {"--compress", "zstd", "--retain", "1MiB"});
  Subscriber subscriber(publisher.endpoint(), {}, Stdio::Pipe());
  ASSERT_TRUE(subscriber.WaitUntilLive());
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  std::string delivered = subscriber.ReadAll();
  ASSERT_EQ(3, subscriber.Wait()) << subscriber.log();
  const Account account = subscriber.account(std::move(delivered));
  EXPECT_EQ("", CheckEquation({.produced = bytes}, account)) << subscriber.log();
  EXPECT_FALSE(account.gaps.empty());
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

TEST(Compress, AStoppedSubscriberCatchesUpAndLosesNothing) {
  const TempDir directory;
  const std::string bytes = MakeLines('s', 1'000'000);
  Publisher publisher(directory, {"--compress", "zstd", "--retain", "128MiB"});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(subscriber.WaitUntilLive());
  subscriber.Signal(SIGSTOP);
  ASSERT_TRUE(publisher.WriteAndEnd(bytes)) << "a stopped subscriber holds nobody up";
  subscriber.Signal(SIGCONT);
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account()));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

TEST(Compress, WithSlowWaitNothingIsLost) {
  const TempDir directory;
  const std::string bytes = MakeRecords(6, 12 * kMiB) + MakeLines('w', 300'000);
  Publisher publisher(directory, {"--compress", "zstd:3", "--slow", "wait", "--retain", "4MiB",
                                  "--stall-limit", "1h", "--wait-subs", "2"});
  Subscriber fast(directory, publisher.endpoint());
  Subscriber slow(publisher.endpoint(), {}, Stdio::Pipe());
  std::string delivered;
  std::thread reader([&] { delivered = slow.ReadAll(); });
  EXPECT_TRUE(publisher.WriteAndEnd(bytes));
  reader.join();
  ASSERT_EQ(0, slow.Wait()) << slow.log() << publisher.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, slow.account(std::move(delivered))));
  ASSERT_EQ(0, fast.Wait()) << fast.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, fast.account()));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

TEST(Compress, APublisherThatIsStartedAgainMayCompressOtherwise) {
  const TempDir directory;
  const std::string endpoint = "tcp://127.0.0.1:" + std::to_string(FreePortPair());
  std::unique_ptr<Publisher> publisher;
  const auto start = [&](const std::string& compress) {
    publisher = std::make_unique<Publisher>(
        directory,
        Words{"--bind", endpoint, "--journal", directory / "j", "--compress", compress});
  };
  start("none");
  Subscriber subscriber(directory, endpoint, {"--from", "start"});
  std::string bytes;
  char label = 'a';
  for (const std::string next : {"zstd", "zstd:5", "none", "zstd", ""}) {
    const std::string more = MakeLines(label++, 20'000) + MakeRecords(bytes.size(), 100'000);
    bytes += more;
    ASSERT_TRUE(publisher->Write(more));
    ASSERT_TRUE(subscriber.WaitForBytes(bytes.size())) << subscriber.log();
    if (next.empty()) break;
    publisher->Signal(SIGKILL);
    EXPECT_EQ(128 + SIGKILL, publisher->Wait());
    start(next);
  }
  publisher->CloseInput();
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account())) << subscriber.log();
  EXPECT_EQ(0, publisher->Wait()) << publisher->log();
}

TEST(Compress, WithKeysBothAreDone) {
  const TempDir directory;
  for (const char* name : {"publisher", "alice"}) {
    ASSERT_EQ(0, RunToEnd({.argv = {KeygenBinary(), "-o", directory / name}}).status);
  }
  const std::string bytes = Everything();
  Publisher publisher(
      directory, {"--compress", "zstd", "--wait-subs", "1", "--curve-secret",
                  directory / "publisher.secret", "--allow-keys", directory / "alice.pub"});
  const Words keys = {"--curve-secret", directory / "alice.secret", "--server-key",
                      directory / "publisher.pub"};
  Subscriber live(directory, publisher.endpoint(), keys);
  ASSERT_TRUE(publisher.Write(bytes));
  Words late_options = keys;
  late_options.insert(late_options.end(), {"--from", "start"});
  Subscriber late(directory, publisher.endpoint(), late_options);
  ASSERT_TRUE(late.WaitUntilLive()) << late.log();
  publisher.CloseInput();
  for (Subscriber* subscriber : {&live, &late}) {
    ASSERT_EQ(0, subscriber->Wait()) << subscriber->log();
    EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber->account()));
    EXPECT_LT(subscriber->stats().at("wire_bytes"), bytes.size() / 2);
  }
  EXPECT_EQ(0, publisher.Wait());
}

}  // namespace
}  // namespace pipedup::test
