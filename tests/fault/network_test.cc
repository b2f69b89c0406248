// Partitions between two machines, which are network namespaces.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "support/content.h"
#include "support/lan.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

constexpr const char* kName = "publisher.test";
constexpr auto kDeadAfter = std::chrono::seconds(1);
// Half-open links are noticed within this.
constexpr auto kNoticed = kDeadAfter + std::chrono::seconds(2);
// And when packets go through again, a new connection is there within: the longest pause
// between attempts of libzmq (5 s), and one that was under way.
constexpr auto kHealed = std::chrono::seconds(12);

class NetworkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static const std::string why_not = Lan::WhyNot();
    if (!why_not.empty()) GTEST_SKIP() << why_not;
    lan_ = std::make_unique<Lan>();
    here_ = &lan_->Add();
    there_ = &lan_->Add();
    lan_->SetName(kName, here_->addresses());
    Words options = {"--bind", "*:5590", "--insecure", "--wait-subs", "1", "--linger", "5s"};
    options.insert(options.end(), more_.begin(), more_.end());
    publisher_ = std::make_unique<Publisher>(
        directory_, Publisher::Setup{.options = options, .wrapper = here_->Here()});
    Command command;
    command.argv = there_->Here();
    for (const std::string& word :
         {SubscriberBinary(), std::string("-v"), std::string("--log-format"),
          std::string("json"), std::string("--stats"), std::string("--no-attach"),
          std::string("--dead-after"), std::string("1s"), std::string(kName)}) {
      command.argv.push_back(word);
    }
    command.output = Stdio::File(file_);
    subscriber_ = std::make_unique<Program>(command);
  }

  void Write(std::size_t from, std::size_t to) {
    ASSERT_TRUE(publisher_->Write(std::string_view(bytes_).substr(from, to - from)))
        << publisher_->log();
  }
  [[nodiscard]] bool Arrived(std::size_t bytes, Duration patience = kPatience) {
    return Eventually([&] { return FileSize(file_) >= bytes; }, patience);
  }
  /// It was there before, so it counts from here on.
  std::size_t Silences() const { return subscriber_->events("silence").size(); }

  void ExpectAllOfIt(bool without_loss) {
    publisher_->CloseInput();
    const int status = subscriber_->Wait();
    ASSERT_TRUE(status == 0 || (status == 3 && !without_loss)) << status << "\n"
                                                               << subscriber_->log();
    Account account = AccountOf(*subscriber_, ReadFile(file_));
    EXPECT_EQ("", CheckEquation({.produced = bytes_}, account)) << subscriber_->log();
    EXPECT_EQ(status == 3, !account.gaps.empty());
    // After a partition the publisher may hear what was sent before it behind what was sent
    // after it, and miss the subscriber's last words: then it says who did not confirm the end.
    const int publisher = publisher_->Wait();
    EXPECT_TRUE(publisher == 0 || (publisher == 3 && publisher_->said("unconfirmed")))
        << publisher_->log() << subscriber_->log();
  }

  Words more_ = {};
  const TempDir directory_;
  const std::string file_ = directory_ / "out";
  const std::string bytes_ = MakeRecords(77, 12 * kMiB);
  std::unique_ptr<Lan> lan_;
  Machine* here_ = nullptr;   // the publisher's
  Machine* there_ = nullptr;  // the subscriber's
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<Program> subscriber_;
};

TEST_F(NetworkTest, AHalfOpenLinkIsNoticedAndHealed) {
  Write(0, kMiB);
  ASSERT_TRUE(Arrived(kMiB)) << subscriber_->log();
  const std::size_t before = Silences();
  here_->Unplug();
  const auto unplugged = Clock::now();
  Write(kMiB, 4 * kMiB);
  ASSERT_TRUE(Eventually([&] { return Silences() > before; })) << subscriber_->log();
  EXPECT_LT(Clock::now() - unplugged, kNoticed);
  here_->PlugIn();
  const auto plugged_in = Clock::now();
  ASSERT_TRUE(Arrived(4 * kMiB)) << subscriber_->log();
  EXPECT_LT(Clock::now() - plugged_in, kHealed);
  Write(4 * kMiB, bytes_.size());
  ExpectAllOfIt(true);
}

TEST_F(NetworkTest, AShortPartitionIsNoticedByNobody) {
  Write(0, kMiB);
  ASSERT_TRUE(Arrived(kMiB)) << subscriber_->log();
  here_->Unplug();
  Write(kMiB, 2 * kMiB);
  here_->PlugIn();
  Write(2 * kMiB, bytes_.size());
  ExpectAllOfIt(true);
}

class NetworkWithoutRetentionTest : public NetworkTest {
 protected:
  NetworkWithoutRetentionTest() { more_ = {"--retain", "1MiB"}; }
};

TEST_F(NetworkWithoutRetentionTest, WhatAPartitionOutlastedIsReported) {
  Write(0, kMiB);
  ASSERT_TRUE(Arrived(kMiB)) << subscriber_->log();
  const std::size_t before = Silences();
  here_->Unplug();
  // Both sides make new connections, so that nothing of it is in anybody's queue.
  Write(kMiB, 2 * kMiB);
  ASSERT_TRUE(Eventually([&] { return Silences() > before; })) << subscriber_->log();
  Write(2 * kMiB, bytes_.size() - 1000);
  here_->PlugIn();
  ASSERT_TRUE(subscriber_->WaitForEvent("gap")) << subscriber_->log();
  Write(bytes_.size() - 1000, bytes_.size());
  ExpectAllOfIt(false);
  EXPECT_TRUE(subscriber_->said("gap"));
}

}  // namespace
}  // namespace pipedup::test
