// A publisher that dies is never taken for an end; with --follow the next one is read.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "support/content.h"
#include "support/programs.h"
#include "support/same.h"

namespace pipedup::test {
namespace {

constexpr auto kUntilAnyByte = Expected::Until::kAnyByte;

/// A publisher that can be killed and started again at the same endpoint.
class VanishTest : public ::testing::Test {
 protected:
  void Start(Words more = {}) {
    more.insert(more.end(), {"--bind", endpoint_});
    publisher_ = std::make_unique<Publisher>(directory_, more);
  }

  void Kill() {
    publisher_->Signal(SIGKILL);
    EXPECT_EQ(128 + SIGKILL, publisher_->Wait());
  }

  const TempDir directory_;
  const std::string endpoint_ = "tcp://127.0.0.1:" + std::to_string(FreePortPair());
  std::unique_ptr<Publisher> publisher_;
};

TEST_F(VanishTest, WithoutFollowIsStatusFourAndAPrefix) {
  Start({"--wait-subs", "1"});
  Subscriber subscriber(directory_, endpoint_, {"--give-up", "1s"});
  const std::string bytes = MakeLines('a', 1000);
  ASSERT_TRUE(publisher_->Write(bytes));
  ASSERT_TRUE(subscriber.WaitForBytes(bytes.size()));
  Kill();
  ASSERT_EQ(4, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("",
            CheckEquation({.produced = bytes, .until = kUntilAnyByte}, subscriber.account()))
      << subscriber.log();
  EXPECT_TRUE(Same(bytes, subscriber.delivered()));
  EXPECT_FALSE(subscriber.said("end"));
}

TEST_F(VanishTest, AtAnyPointLeavesARightPrefix) {
  constexpr std::size_t kBytes = 16 * 1024 * 1024;
  const std::string bytes = MakeRecords(1, kBytes);
  std::mt19937 random(12345);
  for (int round = 0; round < 6; ++round) {
    const std::size_t kill_at =
        std::uniform_int_distribution<std::size_t>(1000, kBytes - 1)(random);
    SCOPED_TRACE("killed after " + std::to_string(kill_at) + " bytes");
    Start({"--wait-subs", "2"});
    Subscriber one(directory_, endpoint_, {"--give-up", "1s"});
    Subscriber two(directory_, endpoint_, {"--give-up", "1s"});
    ASSERT_TRUE(publisher_->Write(std::string_view(bytes).substr(0, kill_at)));
    ASSERT_TRUE(one.WaitForBytes(1));
    ASSERT_TRUE(two.WaitForBytes(1));
    Kill();
    for (Subscriber* subscriber : {&one, &two}) {
      ASSERT_EQ(4, subscriber->Wait()) << subscriber->log();
      EXPECT_EQ(
          "", CheckEquation({.produced = bytes, .until = kUntilAnyByte}, subscriber->account()))
          << subscriber->log();
      EXPECT_FALSE(subscriber->said("end"));
    }
  }
}

TEST_F(VanishTest, WithoutFollowANextSessionIsNotReadInItsPlace) {
  Start({"--wait-subs", "1"});
  Subscriber subscriber(directory_, endpoint_, {"--give-up", "0"});
  ASSERT_TRUE(publisher_->Write("old\n"));
  ASSERT_TRUE(subscriber.WaitForBytes(4));
  Kill();
  Start();
  ASSERT_TRUE(publisher_->Write("new\n"));
  ASSERT_EQ(4, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("old\n", subscriber.delivered());
}

TEST_F(VanishTest, WithFollowTheNextSessionIsReadAndSaid) {
  Start({"--wait-subs", "1"});
  const std::string old_session = publisher_->session();
  Subscriber subscriber(directory_, endpoint_, {"--follow"});
  const std::string before = MakeLines('a', 100);
  const std::string after = MakeLines('b', 100);
  ASSERT_TRUE(publisher_->Write(before));
  ASSERT_TRUE(subscriber.WaitForBytes(before.size()));
  Kill();
  Start();
  ASSERT_TRUE(publisher_->Write(after));
  ASSERT_TRUE(subscriber.WaitForBytes(before.size() + after.size())) << subscriber.log();
  const auto said = subscriber.WaitForEvent("session");
  ASSERT_TRUE(said) << subscriber.log();
  EXPECT_EQ("warning", said->at("level"));
  EXPECT_EQ(old_session, said->at("old_session"));
  EXPECT_EQ(publisher_->session(), said->at("session"));
  EXPECT_EQ(false, said->at("old_ended"));
  publisher_->CloseInput();
  ASSERT_TRUE(subscriber.WaitForEvent("end"));
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
  EXPECT_TRUE(subscriber.running()) << "an end is not the end with --follow";
  subscriber.Signal(SIGTERM);
  EXPECT_EQ(143, subscriber.Wait());
  EXPECT_TRUE(Same(before + after, subscriber.delivered()));
}

TEST_F(VanishTest, WithFollowASessionAfterAnEndIsReadFromItsFirstByte) {
  Start({"--wait-subs", "1"});
  Subscriber subscriber(directory_, endpoint_, {"--follow"});
  ASSERT_TRUE(publisher_->WriteAndEnd("one\n"));
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
  Start();
  ASSERT_TRUE(publisher_->WriteAndEnd("two\n"));
  // Nobody may have joined yet: then there is nobody whom the publisher could wait for.
  publisher_->Wait();
  Start({"--wait-subs", "1"});
  ASSERT_TRUE(publisher_->WriteAndEnd("three\n"));
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
  subscriber.Signal(SIGTERM);
  EXPECT_EQ(143, subscriber.Wait());
  const std::string delivered = subscriber.delivered();
  EXPECT_TRUE(delivered == "one\ntwo\nthree\n" || delivered == "one\nthree\n") << delivered;
  for (const Json& event : subscriber.events("session")) EXPECT_EQ(true, event.at("old_ended"));
}

TEST_F(VanishTest, WithFollowEverySessionLeavesARightPrefix) {
  constexpr int kSessions = 5;
  constexpr std::size_t kLines = 20'000;
  std::mt19937 random(54321);
  std::vector<std::string> produced;
  std::unique_ptr<Subscriber> subscriber;
  for (int i = 0; i < kSessions; ++i) {
    produced.push_back(MakeLines(static_cast<char>('a' + i), kLines));
    const std::string& bytes = produced.back();
    Start({"--wait-subs", "1"});
    if (!subscriber) {
      subscriber = std::make_unique<Subscriber>(directory_, endpoint_, Words{"--follow"});
    }
    if (i == kSessions - 1) {
      ASSERT_TRUE(publisher_->WriteAndEnd(bytes));
      EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
    } else {
      const auto at = std::uniform_int_distribution<std::size_t>(1, bytes.size())(random);
      const std::uint64_t before = FileSize(subscriber->file());
      ASSERT_TRUE(publisher_->Write(std::string_view(bytes).substr(0, at)));
      ASSERT_TRUE(subscriber->WaitForBytes(before + 1)) << subscriber->log();
      Kill();
    }
  }
  ASSERT_TRUE(subscriber->WaitForEvent("end"));
  subscriber->Signal(SIGTERM);
  ASSERT_EQ(143, subscriber->Wait());
  const std::string delivered = subscriber->delivered();
  std::string_view left = delivered;
  for (const std::string& bytes : produced) left.remove_prefix(CommonPrefix(left, bytes));
  EXPECT_EQ("", left.substr(0, 200)) << "belongs to no session: " << subscriber->log();
  EXPECT_TRUE(delivered.ends_with(produced.back())) << "the last session was not cut short";
  EXPECT_EQ(kSessions - 1u, subscriber->events("session").size());
}

TEST_F(VanishTest, WhatWasKnownAndNotDeliveredIsReportedLost) {
  const std::string bytes = MakeRecords(2, 48 * 1024 * 1024);
  Start({"--wait-subs", "1"});
  Subscriber subscriber(endpoint_, {"--give-up", "1s"}, Stdio::Pipe());
  ASSERT_TRUE(publisher_->Write(bytes));
  // It holds 16 MiB. Whatever it delivers behind them it has asked for, and has been told then
  // how much there is.
  constexpr std::size_t kAsked = 24 * 1024 * 1024;
  std::string delivered = subscriber.Read(kAsked);
  ASSERT_EQ(kAsked, delivered.size()) << subscriber.log();
  Kill();
  delivered += subscriber.ReadAll();
  ASSERT_EQ(4, subscriber.Wait()) << subscriber.log();
  const Account account = subscriber.account(std::move(delivered));
  EXPECT_EQ("", CheckEquation({.produced = bytes, .until = kUntilAnyByte}, account))
      << subscriber.log();
  ASSERT_EQ(1u, account.gaps.size()) << subscriber.log();
  EXPECT_EQ(account.position, account.gaps[0].to);
}

TEST_F(VanishTest, WithFollowWhatRetentionPassedOfTheNextSessionIsAGap) {
  Start({"--wait-subs", "1"});
  Subscriber subscriber(directory_, endpoint_, {"--follow"});
  ASSERT_TRUE(publisher_->Write("old\n"));
  ASSERT_TRUE(subscriber.WaitForBytes(4));
  subscriber.Signal(SIGSTOP);
  Kill();
  const std::string bytes = MakeRecords(3, 12 * 1024 * 1024);
  Start({"--retain", "1MiB"});
  ASSERT_TRUE(publisher_->Write(bytes));
  subscriber.Signal(SIGCONT);
  ASSERT_TRUE(publisher_->WaitForJoined(1)) << subscriber.log();
  publisher_->CloseInput();
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
  ASSERT_TRUE(subscriber.WaitForEvent("end"));
  subscriber.Signal(SIGTERM);
  ASSERT_EQ(143, subscriber.Wait());
  Account account = subscriber.account(subscriber.delivered().substr(4));
  account.received_bytes -= 4;
  EXPECT_EQ(0u, account.begin);
  ASSERT_FALSE(account.gaps.empty()) << subscriber.log();
  EXPECT_EQ(publisher_->session(), account.gaps[0].session);
  EXPECT_EQ("", CheckEquation({.produced = bytes}, account)) << subscriber.log();
}

TEST_F(VanishTest, NeverReachedIsStatusFour) {
  Subscriber subscriber(directory_, endpoint_, {"--give-up", "500ms"});
  EXPECT_EQ(4, subscriber.Wait()) << subscriber.log();
  EXPECT_TRUE(subscriber.said("unreachable"));
}

TEST_F(VanishTest, APublisherThatStoppedAndGoesOnIsTheSameSession) {
  Start({"--wait-subs", "1"});
  Subscriber subscriber(directory_, endpoint_, {"--dead-after", "300ms"});
  ASSERT_TRUE(publisher_->Write("a\n"));
  ASSERT_TRUE(subscriber.WaitForBytes(2));
  publisher_->Signal(SIGSTOP);
  ASSERT_TRUE(subscriber.WaitForEvent("silence")) << subscriber.log();
  publisher_->Signal(SIGCONT);
  ASSERT_TRUE(publisher_->WriteAndEnd("b\n"));
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = "a\nb\n"}, subscriber.account()));
}

}  // namespace
}  // namespace pipedup::test
