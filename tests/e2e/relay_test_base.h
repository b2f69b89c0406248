// A publisher, relays in a row behind it, and whoever reads from the last one.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "support/content.h"
#include "support/programs.h"

namespace pipedup::test {

class RelayTestBase : public ::testing::Test {
 protected:
  /// A publisher at an endpoint at which it may be started again.
  void Publish(Words options = {}, Words producer = {}) {
    options.insert(options.end(), {"--bind", source_});
    publisher_ = std::make_unique<Publisher>(
        directory_, Publisher::Setup{.options = options, .producer = std::move(producer)});
  }
  /// One more relay in the row.
  Relay& AddRelay(const Words& options = {}) {
    relays_.push_back(std::make_unique<Relay>(directory_, last(), options));
    return *relays_.back();
  }
  void AddRelays(int count, const Words& options = {}) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(AddRelay(options).WaitUntilLive()) << relays_.back()->log();
    }
  }
  /// The endpoint of the last one in the row.
  const std::string& last() const {
    return relays_.empty() ? source_ : relays_.back()->endpoint();
  }
  Relay& relay() { return *relays_.back(); }

  std::unique_ptr<Subscriber> Join(const Words& options = {}) {
    return std::make_unique<Subscriber>(directory_, last(), options);
  }
  /// Returns when the last one in the row has it, and not only the publisher.
  void Produce(const std::string& bytes) {
    produced_ += bytes;
    ASSERT_TRUE(publisher_->Write(bytes));
    if (!witness_) witness_ = Join({"--from", "0", "--follow"});
    ASSERT_TRUE(witness_->WaitForBytes(produced_.size())) << witness_->log() << logs();
  }
  void DismissWitness() {
    if (!witness_) return;
    witness_->Signal(SIGTERM);
    EXPECT_EQ(128 + SIGTERM, witness_->Wait());
    witness_.reset();
  }

  /// The equation, of one that has ended with `status`.
  Account ExpectAccount(Subscriber& subscriber, int status = 0) {
    EXPECT_EQ(status, subscriber.Wait()) << subscriber.log() << logs();
    const Account account = subscriber.account();
    EXPECT_EQ("", CheckEquation({.produced = produced_}, account)) << subscriber.log();
    return account;
  }
  void ExpectAll(Subscriber& subscriber, std::size_t from = 0) {
    const Account account = ExpectAccount(subscriber);
    EXPECT_EQ(from, account.begin) << subscriber.log();
    EXPECT_EQ(produced_.size() - from, account.delivered.size());
  }
  /// Publisher and relays end, each with this status.
  void ExpectEnds(int publisher = 0, int relays = 0) {
    EXPECT_EQ(publisher, publisher_->Wait()) << logs();
    for (auto& relay : relays_) EXPECT_EQ(relays, relay->Wait()) << relay->log();
  }
  std::string logs() const {
    std::string text = "--- publisher\n" + (publisher_ ? publisher_->log() : "");
    for (const auto& relay : relays_) text += "--- relay\n" + relay->log();
    return text;
  }

  const TempDir directory_;
  const std::string source_ = "tcp://127.0.0.1:" + std::to_string(FreePortPair());
  std::unique_ptr<Publisher> publisher_;
  std::vector<std::unique_ptr<Relay>> relays_;
  std::unique_ptr<Subscriber> witness_;
  std::string produced_;
};

}  // namespace pipedup::test
