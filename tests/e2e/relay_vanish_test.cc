// What happens when a relay, its parent, or a subscriber behind it dies, stops, or comes back.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <random>
#include <string>

#include "e2e/relay_test_base.h"
#include "support/same.h"

namespace pipedup::test {
namespace {

constexpr auto kUntilAnyByte = Expected::Until::kAnyByte;

class RelayVanish : public RelayTestBase {
 protected:
  /// The relay at `place` in the row is killed and started again.
  void Restart(std::size_t place, const Words& options = {}) {
    Kill(place);
    StartAgain(place, options);
  }
  void Kill(std::size_t place) {
    relays_[place]->Signal(SIGKILL);
    ASSERT_EQ(128 + SIGKILL, relays_[place]->Wait());
  }
  void StartAgain(std::size_t place, Words options = {}) {
    const std::string endpoint = relays_[place]->endpoint();
    const std::string parent = place == 0 ? source_ : relays_[place - 1]->endpoint();
    options.insert(options.end(), {"--bind", endpoint});
    relays_[place] = std::make_unique<Relay>(directory_, parent, options);
  }
  /// Of whoever was killed and did not come back under its name, the end is not confirmed.
  void ExpectUnconfirmedEnds() {
    EXPECT_EQ(3, publisher_->Wait()) << logs();
    for (auto& relay : relays_) {
      const int status = relay->Wait();
      EXPECT_TRUE(status == 0 || status == 3) << status << relay->log();
      EXPECT_TRUE(relay->said("end")) << relay->log();
    }
  }
  void KillPublisher() {
    publisher_->Signal(SIGKILL);
    ASSERT_EQ(128 + SIGKILL, publisher_->Wait());
  }
};

TEST_F(RelayVanish, ARelayThatIsKilledAndStartedAgainGoesOnAtTheSamePosition) {
  Publish({"--linger", "1s"});
  AddRelays(2, {"--linger", "2s"});
  auto plain = Join({"--from", "start"});
  auto follows = Join({"--from", "start", "--follow"});
  for (std::uint64_t round = 0; round < 4; ++round) {
    Produce(MakeRecords(30 + round, 6 * kMiB));
    Restart(round % 2, {"--linger", "2s"});
  }
  Produce(MakeRecords(40, kMiB));
  DismissWitness();
  publisher_->CloseInput();
  ExpectAll(*plain);
  ASSERT_TRUE(follows->WaitForEvent("end")) << follows->log();
  follows->Signal(SIGTERM);
  EXPECT_EQ(143, follows->Wait());
  EXPECT_TRUE(Same(produced_, follows->delivered()));
  ExpectUnconfirmedEnds();
}

// It is asked for the position at which its subscribers are before it has got there itself.
TEST_F(RelayVanish, ASubscriberThatIsAheadOfARelayWaitsForIt) {
  Publish({"--retain", "256MiB", "--linger", "1s"});
  AddRelays(1, {"--retain", "256MiB"});
  auto subscriber = Join({"--from", "start"});
  Produce(MakeRecords(41, 150 * kMiB));
  ASSERT_TRUE(subscriber->WaitForBytes(produced_.size()));
  DismissWitness();
  for (int round = 0; round < 3; ++round) {
    Restart(0, {"--retain", "256MiB"});
    ASSERT_TRUE(relay().WaitForJoined(1)) << relay().log();
  }
  Produce("more\n");
  DismissWitness();
  publisher_->CloseInput();
  ExpectAll(*subscriber);
  ExpectUnconfirmedEnds();
}

TEST_F(RelayVanish, OneThatIsStartedAgainRightBeforeTheEndWaitsForThoseWhoReadFromItBefore) {
  Publish({"--linger", "1s"});
  AddRelays(1);
  auto subscriber = Join({"--from", "start"});
  Produce(MakeLines('a', 1000));
  ASSERT_TRUE(subscriber->WaitForBytes(produced_.size()));
  DismissWitness();
  subscriber->Signal(SIGSTOP);
  Restart(0);
  ASSERT_TRUE(relay().WaitUntilLive()) << relay().log();
  publisher_->CloseInput();
  ASSERT_TRUE(relay().WaitForEvent("end")) << logs();
  subscriber->Signal(SIGCONT);
  ExpectAll(*subscriber);
  EXPECT_EQ(0, relay().Wait()) << relay().log();
  EXPECT_EQ(3, publisher_->Wait()) << publisher_->log();
}

TEST_F(RelayVanish, ARelayThatIsKilledIsNoEnd) {
  Publish();
  AddRelays(1);
  auto subscriber = Join({"--from", "start", "--give-up", "1s"});
  Produce(MakeLines('a', 1000));
  DismissWitness();
  ASSERT_TRUE(subscriber->WaitForBytes(produced_.size()));
  Kill(0);
  ASSERT_EQ(4, subscriber->Wait()) << subscriber->log();
  EXPECT_FALSE(subscriber->said("end"));
  EXPECT_TRUE(Same(produced_, subscriber->delivered()));
}

TEST_F(RelayVanish, ARelayThatIsStoppedAndContinuedLosesNothingWithinRetention) {
  Publish({"--retain", "128MiB"});
  AddRelays(2, {"--retain", "128MiB"});
  auto subscriber = Join({"--from", "start"});
  ASSERT_TRUE(subscriber->WaitUntilLive());
  const std::string bytes = MakeRecords(42, 96 * kMiB);
  for (std::size_t at = 0; at < 2; ++at) {
    relays_[at]->Signal(SIGSTOP);
    ASSERT_TRUE(publisher_->Write(std::string_view(bytes).substr(at * 48 * kMiB, 48 * kMiB)));
    relays_[at]->Signal(SIGCONT);
  }
  produced_ = bytes;
  publisher_->CloseInput();
  ExpectAll(*subscriber);
  ExpectEnds();
}

TEST_F(RelayVanish, APublisherWithAJournalThatIsKilledGoesOnWithTheSameSession) {
  const Words durable = {"--journal", directory_ / "journal"};
  Publish(durable);
  const std::string session = publisher_->session();
  AddRelays(2);
  auto subscriber = Join({"--from", "start"});
  for (std::uint64_t round = 0; round < 3; ++round) {
    Produce(MakeRecords(50 + round, 3 * kMiB));
    KillPublisher();
    Publish(durable);
    EXPECT_EQ(session, publisher_->session());
  }
  Produce(MakeRecords(60, kMiB));
  DismissWitness();
  publisher_->CloseInput();
  ExpectAll(*subscriber);
  ExpectEnds();
  for (auto& relay : relays_) EXPECT_EQ(1u, relay->events("listening").size());
}

// Then nothing that the relay says of its parent is what it said before.
TEST_F(RelayVanish, PublisherAndRelayMayBothBeStartedAgainUnderASubscriber) {
  const Words durable = {"--journal", directory_ / "journal", "--retain", "256MiB", "--linger",
                         "1s"};
  Publish(durable);
  AddRelays(1, {"--retain", "256MiB"});
  auto subscriber = Join({"--from", "start"});
  Produce(MakeRecords(61, 120 * kMiB));
  ASSERT_TRUE(subscriber->WaitForBytes(produced_.size()));
  DismissWitness();
  subscriber->Signal(SIGSTOP);
  Kill(0);
  KillPublisher();
  Publish(durable);
  StartAgain(0, {"--retain", "256MiB"});
  subscriber->Signal(SIGCONT);
  ASSERT_TRUE(relay().WaitForJoined(1)) << relay().log();
  Produce("more\n");
  DismissWitness();
  publisher_->CloseInput();
  ExpectAll(*subscriber);
  ExpectUnconfirmedEnds();
}

TEST_F(RelayVanish, WithoutFollowAPublisherThatDiesIsTheEndOfTheRelay) {
  Publish();
  AddRelays(2, {"--give-up", "1s"});
  auto subscriber = Join({"--from", "start", "--give-up", "2s"});
  Produce(MakeRecords(62, kMiB));
  DismissWitness();
  ASSERT_TRUE(subscriber->WaitForBytes(produced_.size()));
  KillPublisher();
  for (auto& relay : relays_) EXPECT_EQ(4, relay->Wait()) << relay->log();
  EXPECT_EQ(4, subscriber->Wait()) << subscriber->log();
  EXPECT_FALSE(subscriber->said("end"));
  EXPECT_TRUE(Same(produced_, subscriber->delivered()));
}

TEST_F(RelayVanish, WithoutFollowANewSessionIsNotRelayedInItsPlace) {
  Publish();
  AddRelays(1);
  auto subscriber = Join({"--from", "start", "--give-up", "1s"});
  Produce("old\n");
  DismissWitness();
  ASSERT_TRUE(subscriber->WaitForBytes(4));
  KillPublisher();
  Publish();
  ASSERT_TRUE(publisher_->Write("new\n"));
  EXPECT_EQ(4, relay().Wait()) << relay().log();
  EXPECT_EQ(4, subscriber->Wait()) << subscriber->log();
  EXPECT_EQ("old\n", subscriber->delivered());
}

TEST_F(RelayVanish, WithFollowTheNextSessionIsRelayedAndSaid) {
  Publish();
  const std::string old_session = publisher_->session();
  AddRelays(2, {"--follow"});
  auto follows = Join({"--from", "start", "--follow"});
  auto plain = Join({"--from", "start"});
  const std::string before = MakeLines('a', 1000);
  ASSERT_TRUE(publisher_->Write(before));
  ASSERT_TRUE(follows->WaitForBytes(before.size()));
  ASSERT_TRUE(plain->WaitForBytes(before.size()));
  KillPublisher();
  Publish();
  const std::string after = MakeLines('b', 1000);
  ASSERT_TRUE(publisher_->Write(after));
  ASSERT_TRUE(follows->WaitForBytes(before.size() + after.size())) << follows->log() << logs();
  const auto said = follows->WaitForEvent("session");
  ASSERT_TRUE(said) << follows->log();
  EXPECT_EQ("warning", said->at("level"));
  EXPECT_EQ(old_session, said->at("old_session"));
  EXPECT_EQ(publisher_->session(), said->at("session"));
  EXPECT_EQ(false, said->at("old_ended"));
  EXPECT_EQ(4, plain->Wait()) << plain->log();
  EXPECT_TRUE(Same(before, plain->delivered()));
  publisher_->CloseInput();
  ASSERT_TRUE(follows->WaitForEvent("end")) << follows->log();
  EXPECT_EQ(0, publisher_->Wait()) << logs();
  follows->Signal(SIGTERM);
  EXPECT_EQ(143, follows->Wait());
  EXPECT_TRUE(Same(before + after, follows->delivered()));
  for (auto& relay : relays_) {
    EXPECT_TRUE(relay->running()) << "an end is not the end with --follow";
    relay->Signal(SIGTERM);
    EXPECT_EQ(143, relay->Wait());
  }
}

// The relay has it, and who reads it is not told of the next session before.
TEST_F(RelayVanish, WhoeverIsBehindWhenANewSessionBeginsReadsTheOldOneToItsEnd) {
  Publish();
  AddRelays(1, {"--follow"});
  const std::string bytes = MakeRecords(63, 48 * kMiB);
  auto witness = Join({"--from", "start", "--follow"});
  Subscriber slow(last(), {"--from", "start", "--follow"}, Stdio::Pipe());
  ASSERT_TRUE(slow.WaitForEvent("mode"));
  ASSERT_TRUE(publisher_->Write(bytes));
  ASSERT_TRUE(witness->WaitForBytes(bytes.size())) << witness->log() << logs();
  KillPublisher();
  Publish();
  const std::string after = MakeLines('b', 1000);
  ASSERT_TRUE(publisher_->Write(after));
  ASSERT_TRUE(witness->WaitForBytes(bytes.size() + after.size())) << witness->log() << logs();
  const std::string delivered = slow.Read(bytes.size() + after.size());
  EXPECT_TRUE(Same(bytes + after, delivered)) << slow.log() << logs();
  EXPECT_EQ(0u, slow.events("gap").size()) << slow.log();
}

TEST_F(RelayVanish, SessionsThatEndOneAfterTheOtherComeThroughWhole) {
  Publish({"--wait-subs", "1"});
  AddRelay({"--follow"});
  ASSERT_TRUE(relay().WaitUntilLive());
  auto follows = Join({"--from", "start", "--follow"});
  std::string all;
  for (char label = 'a'; label < 'e'; ++label) {
    if (label != 'a') Publish({"--wait-subs", "1"});
    const std::string bytes = MakeLines(label, 20'000);
    all += bytes;
    ASSERT_TRUE(publisher_->WriteAndEnd(bytes));
    EXPECT_EQ(0, publisher_->Wait()) << logs();
    ASSERT_TRUE(follows->WaitForBytes(all.size())) << follows->log() << logs();
  }
  follows->Signal(SIGTERM);
  EXPECT_EQ(143, follows->Wait());
  EXPECT_TRUE(Same(all, follows->delivered()));
  for (const Json& event : follows->events("session")) EXPECT_EQ(true, event.at("old_ended"));
}

TEST_F(RelayVanish, ALoopIsRefused) {
  Publish();
  AddRelay({"--follow"});
  ASSERT_TRUE(relay().WaitUntilLive());
  Produce("line\n");
  DismissWitness();
  KillPublisher();
  // Where the publisher was there is a relay now that reads from the one that read from it.
  Relay second(directory_, last(), {"--follow", "--bind", source_});
  EXPECT_EQ(5, relay().Wait()) << relay().log() << second.log();
  const auto refused = relay().events("refused");
  ASSERT_EQ(1u, refused.size()) << relay().log();
  EXPECT_NE(std::string::npos, refused[0].at("message").get<std::string>().find("a loop"));
}

// It is asked for what only the publisher keeps, and is gone meanwhile.
TEST_F(RelayVanish, WhoReadsWhatOnlyThePublisherKeepsLosesNothingWhenARelayIsKilled) {
  Publish();
  AddRelays(2, {"--retain", "1MiB"});
  for (std::uint64_t i = 0; i < 12; ++i) Produce(MakeRecords(70 + i, 2 * kMiB));
  Subscriber late(last(), {"--from", "start"}, Stdio::Pipe());
  std::string delivered = late.Read(kMiB);
  Restart(0, {"--retain", "1MiB"});
  delivered += late.Read(3 * kMiB);
  Restart(1, {"--retain", "1MiB"});
  Produce("more\n");
  DismissWitness();
  publisher_->CloseInput();
  delivered += late.ReadAll();
  EXPECT_EQ(0, late.Wait()) << late.log() << logs();
  EXPECT_EQ("", CheckEquation({.produced = produced_}, late.account(delivered)));
  EXPECT_TRUE(Same(produced_, delivered));
}

// The connection over which a relay asks has a descriptor that a subscriber had before, and is
// not held to what subscribers may send.
TEST_F(RelayVanish, WhatIsAskedForComesAlsoWhenManyHaveLeft) {
  Publish();
  AddRelays(1, {"--retain", "1MiB"});
  for (std::uint64_t i = 0; i < 8; ++i) Produce(MakeRecords(110 + i, kMiB));
  std::vector<std::unique_ptr<Subscriber>> many;
  for (int i = 0; i < 8; ++i) many.push_back(Join());
  for (auto& one : many) ASSERT_TRUE(one->WaitUntilLive()) << one->log();
  for (auto& one : many) {
    one->Signal(SIGTERM);
    EXPECT_EQ(128 + SIGTERM, one->Wait());
  }
  ASSERT_TRUE(Eventually([&] { return relay().events("left").size() == many.size(); }));
  auto late = Join({"--from", "start"});
  ASSERT_TRUE(late->WaitForBytes(1));
  DismissWitness();
  publisher_->CloseInput();
  ExpectAll(*late);
  ExpectEnds();
}

TEST_F(RelayVanish, WhatOnlyAPublisherHadThatIsGoneIsAGap) {
  Publish();
  AddRelays(1, {"--retain", "1MiB", "--dead-after", "200ms", "--follow"});
  for (std::uint64_t i = 0; i < 8; ++i) Produce(MakeRecords(90 + i, kMiB));
  DismissWitness();
  KillPublisher();
  auto late = Join({"--from", "1000", "--give-up", "0"});
  ASSERT_TRUE(late->WaitUntilLive()) << late->log() << logs();
  late->Signal(SIGTERM);
  EXPECT_EQ(143, late->Wait());
  const Account account = late->account();
  EXPECT_EQ("", CheckEquation({.produced = produced_}, account)) << late->log();
  ASSERT_EQ(1u, account.gaps.size()) << late->log();
  EXPECT_EQ("it is not kept here any more, and who may have it is not heard",
            account.gaps[0].reason);
}

TEST_F(RelayVanish, AtAnyPointLeavesARightPrefix) {
  const std::string bytes = MakeRecords(64, 16 * kMiB);
  std::mt19937 random(4711);
  for (int round = 0; round < 4; ++round) {
    relays_.clear();
    publisher_.reset();
    const auto kill_at =
        std::uniform_int_distribution<std::size_t>(1000, bytes.size() - 1)(random);
    SCOPED_TRACE("killed after " + std::to_string(kill_at) + " bytes");
    Publish({"--wait-subs", "1"});
    AddRelays(1);
    auto one = Join({"--from", "start", "--give-up", "1s"});
    ASSERT_TRUE(one->WaitUntilLive());
    ASSERT_TRUE(publisher_->Write(std::string_view(bytes).substr(0, kill_at)));
    ASSERT_TRUE(one->WaitForBytes(1));
    Kill(0);
    ASSERT_EQ(4, one->Wait()) << one->log();
    EXPECT_EQ("", CheckEquation({.produced = bytes, .until = kUntilAnyByte}, one->account()))
        << one->log();
    EXPECT_FALSE(one->said("end"));
  }
}

}  // namespace
}  // namespace pipedup::test
