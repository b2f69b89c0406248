// Loss on purpose: every byte is delivered or reported, and the status says so.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <memory>
#include <string>

#include "support/content.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

// More than all queues on the way to a stopped subscriber hold.
constexpr std::size_t kMuch = 96 * kMiB;

class LossTest : public ::testing::TestWithParam<const char*> {
 protected:
  static std::optional<char> Delimiter() {
    const std::string records = GetParam();
    if (records == "raw") return std::nullopt;
    return records == "nul" ? '\0' : '\n';
  }
};

TEST_P(LossTest, AStoppedSubscriberThatRetentionHasPassedSaysExactlyWhatItLost) {
  const TempDir directory;
  const std::string bytes = MakeRecords(1, kMuch);
  Publisher publisher(directory, {"--retain", "1MiB", "--records", GetParam()});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(subscriber.WaitUntilLive());
  ASSERT_TRUE(publisher.Write(std::string_view(bytes).substr(0, 1000)));
  subscriber.Signal(SIGSTOP);
  ASSERT_TRUE(publisher.WriteAndEnd(std::string_view(bytes).substr(1000)))
      << "a stopped subscriber holds nobody up";
  subscriber.Signal(SIGCONT);
  ASSERT_EQ(3, subscriber.Wait()) << subscriber.log() << publisher.log();
  const Account account = subscriber.account();
  EXPECT_EQ("", CheckEquation({.produced = bytes, .delimiter = Delimiter()}, account))
      << subscriber.log();
  EXPECT_FALSE(account.gaps.empty());
  EXPECT_EQ(publisher.session(), account.gaps.at(0).session);
  EXPECT_EQ("retention passed", account.gaps.at(0).reason);
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

TEST_P(LossTest, AConsumerThatDoesNotReadLosesOnlyWhatIsReported) {
  const TempDir directory;
  const std::string bytes = MakeRecords(2, 48 * kMiB);
  Publisher publisher(directory, {"--retain", "1MiB", "--records", GetParam()});
  Subscriber subscriber(publisher.endpoint(), {}, Stdio::Pipe());
  ASSERT_TRUE(subscriber.WaitUntilLive());
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  const Account account = [&] {
    std::string delivered = subscriber.ReadAll();
    EXPECT_EQ(3, subscriber.Wait()) << subscriber.log();
    return subscriber.account(std::move(delivered));
  }();
  EXPECT_EQ("", CheckEquation({.produced = bytes, .delimiter = Delimiter()}, account))
      << subscriber.log();
  EXPECT_FALSE(account.gaps.empty());
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

INSTANTIATE_TEST_SUITE_P(Records, LossTest, ::testing::Values("lines", "nul", "raw"),
                         [](const auto& run) { return run.param; });

TEST(Loss, StrictStopsAtTheFirstGap) {
  const TempDir directory;
  const std::string bytes = MakeRecords(3, 48 * kMiB);
  Publisher publisher(directory, {"--retain", "1MiB"});
  Subscriber subscriber(publisher.endpoint(), {"--strict"}, Stdio::Pipe());
  ASSERT_TRUE(subscriber.WaitUntilLive());
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  std::string delivered = subscriber.ReadAll();
  ASSERT_EQ(3, subscriber.Wait()) << subscriber.log();
  const Account account = subscriber.account(std::move(delivered));
  ASSERT_EQ(1u, account.gaps.size()) << subscriber.log();
  EXPECT_EQ(account.gaps[0].from, account.position);
  EXPECT_EQ("",
            CheckEquation({.produced = bytes, .until = Expected::Until::kAnyByte}, account));
  EXPECT_EQ(account.position - account.begin, account.delivered.size());
  EXPECT_EQ(0, publisher.Wait()) << "whoever stops on purpose has said so: " << publisher.log();
}

// Its output still has to be read when the stream goes on without it.
TEST(Loss, WhatIsLostBehindTheStopOfStrictIsNotItsLoss) {
  const TempDir directory;
  const std::string bytes = MakeRecords(8, 24 * kMiB);
  const std::string_view first = std::string_view(bytes).substr(0, 512 << 10);
  const std::string_view second = std::string_view(bytes).substr(first.size(), 12 * kMiB);
  Publisher publisher(directory, {"--retain", "1MiB"});
  Subscriber subscriber(publisher.endpoint(), {"--strict"}, Stdio::Pipe());
  ASSERT_TRUE(subscriber.WaitUntilLive());
  ASSERT_TRUE(publisher.Write(first));
  std::string delivered = subscriber.Read(1);
  subscriber.Signal(SIGSTOP);
  ASSERT_TRUE(publisher.Write(second));
  subscriber.Signal(SIGCONT);
  ASSERT_TRUE(subscriber.WaitForEvent("strict"));
  subscriber.Signal(SIGSTOP);
  ASSERT_TRUE(
      publisher.WriteAndEnd(std::string_view(bytes).substr(first.size() + second.size())));
  subscriber.Signal(SIGCONT);
  delivered += subscriber.ReadAll();
  ASSERT_EQ(3, subscriber.Wait()) << subscriber.log();
  const Account account = subscriber.account(std::move(delivered));
  ASSERT_EQ(1u, account.gaps.size()) << subscriber.log();
  EXPECT_EQ("",
            CheckEquation({.produced = bytes, .until = Expected::Until::kAnyByte}, account));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

TEST(Loss, APositionThatIsNoLongerKeptIsAGap) {
  const TempDir directory;
  const std::string bytes = MakeRecords(4, 12 * kMiB);
  Publisher publisher(directory, {"--retain", "1MiB"});
  ASSERT_TRUE(publisher.Write(bytes));
  Subscriber subscriber(directory, publisher.endpoint(), {"--from", "1000"});
  ASSERT_TRUE(subscriber.WaitUntilLive());
  publisher.CloseInput();
  ASSERT_EQ(3, subscriber.Wait()) << subscriber.log();
  const Account account = subscriber.account();
  EXPECT_EQ(1000u, account.begin);
  ASSERT_FALSE(account.gaps.empty());
  EXPECT_EQ(1000u, account.gaps[0].from);
  EXPECT_LE(account.gaps[0].to, 11 * kMiB) << "at least --retain has to be kept";
  EXPECT_FALSE(account.gaps[0].records_known) << "nobody told how many ended before it";
  EXPECT_EQ("", CheckEquation({.produced = bytes}, account)) << subscriber.log();
}

TEST(Loss, AGapBeforeTheFirstByteClaimsNoRecordsThatWereNeverAskedFor) {
  const TempDir directory;
  const std::string bytes = MakeRecords(7, 12 * kMiB);
  Publisher publisher(directory, {"--retain", "1MiB"});
  ASSERT_TRUE(publisher.Write(bytes));
  Subscriber subscriber(directory, publisher.endpoint(), {"--from", std::to_string(6 * kMiB)});
  ASSERT_TRUE(subscriber.WaitUntilLive());
  publisher.CloseInput();
  ASSERT_EQ(3, subscriber.Wait()) << subscriber.log();
  const Account account = subscriber.account();
  ASSERT_FALSE(account.gaps.empty());
  const GapReport& gap = account.gaps[0];
  ASSERT_EQ(6 * kMiB, gap.from);
  const std::string lost = bytes.substr(gap.from, gap.bytes);
  EXPECT_LE(gap.records,
            static_cast<std::uint64_t>(std::count(lost.begin(), lost.end(), '\n')));
}

TEST(Loss, AConsumerThatIsSlowWithinRetentionCatchesUpAndLosesNothing) {
  const TempDir directory;
  const std::string bytes = MakeRecords(5, 40 * kMiB);
  Publisher publisher(directory, {"--retain", "64MiB"});
  Subscriber subscriber(publisher.endpoint(), {}, Stdio::Pipe());
  ASSERT_TRUE(subscriber.WaitUntilLive());
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  std::string delivered = subscriber.ReadAll();
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account(std::move(delivered))));
  EXPECT_GT(subscriber.stats().at("catch_ups"), 1) << "the first one is that of joining";
  EXPECT_EQ(0, publisher.Wait());
}

TEST(Loss, AStoppedSubscriberWithinRetentionLosesNothing) {
  const TempDir directory;
  const std::string bytes = MakeRecords(6, kMuch);
  Publisher publisher(directory, {"--retain", "128MiB"});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(subscriber.WaitUntilLive());
  subscriber.Signal(SIGSTOP);
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  subscriber.Signal(SIGCONT);
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account()));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

}  // namespace
}  // namespace pipedup::test
