// What comes out is what went in, over every transport and with every kind of record.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "support/content.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

std::string BindFor(const std::string& transport, const TempDir& directory) {
  if (transport == "ipc") return "ipc://" + directory / "s";
  return transport == "ipv6" ? "tcp://[::1]:0" : "tcp://127.0.0.1:0";
}

std::optional<char> DelimiterOf(const std::string& records) {
  if (records == "raw") return std::nullopt;
  return records == "nul" ? '\0' : '\n';
}

/// Publishes `bytes` to `readers` subscribers that were there before, each of which must get
/// all.
void ExpectSameBytes(const std::string& bytes, const std::string& transport,
                     const std::string& records, std::size_t readers, const Words& more = {}) {
  const TempDir directory;
  Words options = {"--bind",      BindFor(transport, directory), "--records", records,
                   "--wait-subs", std::to_string(readers)};
  options.insert(options.end(), more.begin(), more.end());
  Publisher publisher(directory, options);
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  for (std::size_t i = 0; i < readers; ++i) {
    subscribers.push_back(std::make_unique<Subscriber>(directory, publisher.endpoint()));
  }
  ASSERT_TRUE(publisher.WriteAndEnd(bytes)) << publisher.log();
  for (const auto& subscriber : subscribers) {
    ASSERT_EQ(0, subscriber->Wait()) << subscriber->log() << publisher.log();
    const Account account = subscriber->account();
    EXPECT_EQ(0u, account.begin);
    EXPECT_EQ("",
              CheckEquation({.produced = bytes, .delimiter = DelimiterOf(records)}, account))
        << subscriber->log();
    EXPECT_EQ(0u, account.lost_bytes);
  }
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

class SameBytesTest : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(SameBytesTest, ArriveWhateverTheyAre) {
  const auto& [transport, records] = GetParam();
  for (const Content& content : Corpus()) {
    SCOPED_TRACE(content.name);
    ExpectSameBytes(content.bytes, transport, records, 1);
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Everywhere, SameBytesTest,
                         ::testing::Combine(::testing::Values("tcp", "ipc", "ipv6"),
                                            ::testing::Values("lines", "nul", "raw")),
                         [](const auto& run) {
                           return std::get<0>(run.param) + "_" + std::get<1>(run.param);
                         });

TEST(SameBytes, ArriveAtFourSubscribersOnEveryTransport) {
  const std::string bytes = MakeRecords(4, 4 * kMiB);
  for (const std::string transport : {"tcp", "ipc", "ipv6"}) {
    SCOPED_TRACE(transport);
    ExpectSameBytes(bytes, transport, "lines", 4);
  }
}

TEST(SameBytes, ArriveWithoutChecksums) {
  ExpectSameBytes(MakeRecords(5, 4 * kMiB), "tcp", "lines", 1, {"--no-checksum"});
}

TEST(SameBytes, ArriveWhenWrittenOneByteAtATime) {
  const TempDir directory;
  const std::string bytes = MakeRecords(6, 3000) + "the end";
  Publisher publisher(directory, {"--wait-subs", "1", "--max-delay", "0"});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(subscriber.WaitUntilLive());
  for (const char byte : bytes) ASSERT_TRUE(publisher.Write(std::string_view(&byte, 1)));
  publisher.CloseInput();
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account())) << subscriber.log();
}

TEST(SameBytes, ArriveInBulk) {
  const bool large = std::getenv("PIPEDUP_E2E_LARGE") != nullptr;
  const std::string bytes = MakeRecords(7, large ? 1024 * kMiB : 64 * kMiB);
  ExpectSameBytes(bytes, "tcp", "lines", 1, {"--slow", "wait"});
}

TEST(SameBytes, ArriveInBulkAtFourSubscribers) {
  ExpectSameBytes(MakeRecords(8, 24 * kMiB), "ipc", "lines", 4);
}

TEST(SameBytes, AnUnfinishedRecordArrivesAfterMaxDelayWithoutItsEnd) {
  const TempDir directory;
  Publisher publisher(directory, {"--wait-subs", "1"});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(publisher.Write("login: "));
  EXPECT_TRUE(subscriber.WaitForBytes(7)) << subscriber.log();
  EXPECT_EQ("login: ", subscriber.delivered());
}

}  // namespace
}  // namespace pipedup::test
