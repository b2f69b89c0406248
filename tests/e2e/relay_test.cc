// What comes through relays: every byte, from wherever it is asked for, and the end.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>

#include "e2e/relay_test_base.h"

namespace pipedup::test {
namespace {

/// The first byte at or after `from` that begins a record.
std::size_t NextRecord(const std::string& bytes, std::size_t from) {
  return from == 0 ? 0 : bytes.find('\n', from - 1) + 1;
}

// ---- the same bytes ----

class RelayRow : public RelayTestBase, public ::testing::WithParamInterface<int> {};

TEST_P(RelayRow, BytesArriveUnchanged) {
  struct Case {
    const char* records;
    std::string bytes;
  };
  const std::string nothing;
  const Case cases[] = {
      {"lines", nothing},
      {"lines", "no newline at the end"},
      {"lines", std::string("a\0b\r\n\n\n\xff\xfe\0\n", 12)},
      {"lines", std::string(3 * kMiB, 'x') + "\n" + std::string(700 * 1024, 'y')},
      {"lines", MakeRecords(1, 12 * kMiB)},
      {"nul", MakeRecords(2, 3 * kMiB, '\0') + "tail"},
      {"raw", MakeRecords(3, 3 * kMiB)},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(std::string(one.records) + ", " + std::to_string(one.bytes.size()) + " bytes");
    relays_.clear();
    Publish({"--records", one.records, "--wait-subs", "1"});
    AddRelays(GetParam());
    auto live = Join();
    auto start = Join({"--from", "start"});
    ASSERT_TRUE(live->WaitUntilLive()) << live->log();
    ASSERT_TRUE(start->WaitUntilLive()) << start->log();
    ASSERT_TRUE(publisher_->WriteAndEnd(one.bytes));
    for (auto* subscriber : {&live, &start}) {
      ASSERT_EQ(0, (*subscriber)->Wait()) << (*subscriber)->log() << logs();
      const bool raw = std::string_view(one.records) == "raw";
      const std::optional<char> delimiter =
          raw ? std::nullopt : std::optional(one.records[0] == 'n' ? '\0' : '\n');
      const Account account = (*subscriber)->account();
      EXPECT_EQ("", CheckEquation({.produced = one.bytes, .delimiter = delimiter}, account));
      EXPECT_EQ(one.bytes.size(), account.delivered.size());
    }
    EXPECT_EQ(0, publisher_->Wait()) << logs();
    for (auto& relay : relays_) EXPECT_TRUE(relay->said("end")) << relay->log();
  }
}

TEST_P(RelayRow, PositionsSessionAndTheEndAreThoseOfThePublisher) {
  Publish({}, {"sh", "-c", "echo one; read line; echo two; exit 7"});
  AddRelays(GetParam());
  auto subscriber = Join({"--from", "start"});
  ASSERT_TRUE(subscriber->WaitUntilLive());
  for (auto& relay : relays_) {
    EXPECT_EQ(publisher_->session(), relay->events("listening").at(0).at("session"));
  }
  ASSERT_TRUE(publisher_->Write("go on\n"));
  publisher_->CloseInput();
  produced_ = "one\ntwo\n";
  ExpectAll(*subscriber);
  EXPECT_EQ(publisher_->session(), subscriber->stats().at("session")) << subscriber->log();
  const auto end = subscriber->events("end");
  ASSERT_EQ(1u, end.size());
  EXPECT_EQ(7, end[0].at("status"));
  ExpectEnds(7, 0);
  for (auto& relay : relays_) EXPECT_FALSE(relay->said("gap")) << relay->log();
}

TEST_P(RelayRow, WhatTheParentKeepsAndTheRelayDoesNotIsAskedOfIt) {
  Publish({"--retain", "64MiB"});
  AddRelays(GetParam(), {"--retain", "1MiB"});
  for (std::uint64_t i = 0; i < 12; ++i) Produce(MakeRecords(10 + i, kMiB));
  DismissWitness();
  const std::size_t line = NextRecord(produced_, 2 * kMiB);
  auto start = Join({"--from", "start"});
  auto position = Join({"--from", std::to_string(2 * kMiB)});
  auto last = Join({"--last", "30000"});
  auto ago = Join({"--from", "-1h"});
  auto few = Join({"--last", "3"});
  for (auto* one : {&start, &position, &last, &ago, &few}) {
    ASSERT_TRUE((*one)->WaitUntilLive()) << (*one)->log() << logs();
  }
  Produce(MakeLines('b', 5));
  DismissWitness();
  publisher_->CloseInput();
  ExpectAll(*start);
  ExpectAll(*position, line);
  ExpectAll(*ago);
  const auto records = [](const Account& account) {
    return std::count(account.delivered.begin(), account.delivered.end(), '\n');
  };
  EXPECT_EQ(30'005, records(ExpectAccount(*last)));
  EXPECT_EQ(8, records(ExpectAccount(*few)));
  ExpectEnds();
}

TEST_P(RelayRow, AGapAtThePublisherComesThroughAsItIs) {
  Publish({"--retain", "1MiB"});
  AddRelays(GetParam());
  auto subscriber = Join({"--from", "start"});
  ASSERT_TRUE(subscriber->WaitUntilLive());
  const std::string bytes = MakeRecords(4, 96 * kMiB);
  ASSERT_TRUE(publisher_->Write(std::string_view(bytes).substr(0, 1000)));
  ASSERT_TRUE(subscriber->WaitForBytes(1));
  relays_.front()->Signal(SIGSTOP);
  ASSERT_TRUE(publisher_->WriteAndEnd(std::string_view(bytes).substr(1000)));
  relays_.front()->Signal(SIGCONT);
  produced_ = bytes;
  const Account account = ExpectAccount(*subscriber, 3);
  ASSERT_FALSE(account.gaps.empty());
  const std::vector<Json> at_relay = relays_.front()->events("gap");
  ASSERT_EQ(at_relay.size(), account.gaps.size()) << logs();
  for (std::size_t i = 0; i < at_relay.size(); ++i) {
    EXPECT_EQ(at_relay[i].at("from"), account.gaps[i].from);
    EXPECT_EQ(at_relay[i].at("to"), account.gaps[i].to);
    EXPECT_EQ(at_relay[i].at("records"), account.gaps[i].records);
    EXPECT_EQ("retention passed", account.gaps[i].reason);
  }
  ExpectEnds(0, 3);
}

INSTANTIATE_TEST_SUITE_P(Hops, RelayRow, ::testing::Values(1, 3), [](const auto& run) {
  return run.param == 1 ? std::string("One") : std::string("Three");
});

// ---- who starts when ----

class RelayStart : public RelayTestBase {};

TEST_F(RelayStart, ARelayMayStartBeforeItsPublisherAndASubscriberBeforeBoth) {
  const std::string port = "tcp://127.0.0.1:" + std::to_string(FreePortPair());
  Subscriber early(directory_, port, {"--from", "start"});
  ASSERT_TRUE(early.WaitForEvent("waiting"));
  Relay& relay = AddRelay({"--bind", port});
  Subscriber second(directory_, port, {"--from", "start"});
  ASSERT_TRUE(relay.WaitForEvent("waiting")) << "two seconds of silence are said";
  Publish({"--wait-subs", "1"});
  ASSERT_TRUE(relay.WaitForJoined(2)) << relay.log();
  produced_ = MakeRecords(20, kMiB);
  ASSERT_TRUE(publisher_->WriteAndEnd(produced_));
  ExpectAll(early);
  ExpectAll(second);
  ExpectEnds();
}

TEST_F(RelayStart, ARelayMayComeAfterTheEndWhileThePublisherLingers) {
  Publish();
  Subscriber slow(directory_, source_, {"--from", "start"});
  ASSERT_TRUE(slow.WaitUntilLive());
  produced_ = MakeRecords(21, 2 * kMiB);
  ASSERT_TRUE(publisher_->Write(produced_));
  ASSERT_TRUE(slow.WaitForBytes(produced_.size()));
  slow.Signal(SIGSTOP);  // and is waited for
  publisher_->CloseInput();
  AddRelay();
  EXPECT_EQ(0, relay().Wait()) << relay().log();
  const auto end = relay().events("end");
  ASSERT_EQ(1u, end.size()) << relay().log();
  EXPECT_EQ(produced_.size(), end[0].at("position"));
  slow.Signal(SIGCONT);
  ExpectAll(slow);
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
}

// ---- how it leaves ----

TEST_F(RelayStart, ASignalIsNoEndOfTheStream) {
  Publish();
  AddRelays(1);
  auto subscriber = Join({"--from", "start", "--give-up", "1s"});
  Produce(MakeLines('a', 100));
  DismissWitness();
  ASSERT_TRUE(subscriber->WaitForBytes(produced_.size()));
  relay().Signal(SIGTERM);
  EXPECT_EQ(128 + SIGTERM, relay().Wait()) << relay().log();
  EXPECT_TRUE(publisher_->WaitForEvent("left")) << "it says that it goes: " << logs();
  EXPECT_EQ(4, subscriber->Wait()) << subscriber->log();
  EXPECT_FALSE(subscriber->said("end"));
  EXPECT_EQ(produced_, subscriber->delivered());
}

TEST_F(RelayStart, AParentThatIsNotThereIsGivenUp) {
  AddRelay({"--give-up", "500ms"});
  EXPECT_EQ(4, relay().Wait()) << relay().log();
  EXPECT_TRUE(relay().said("unreachable"));
}

TEST_F(RelayStart, WithFollowAParentIsWaitedForWithoutEnd) {
  AddRelay({"--follow", "--print-config"});
  ASSERT_EQ(0, relay().Wait());
  AddRelay({"--follow", "--give-up", "500ms"});
  EXPECT_EQ(4, relay().Wait()) << "unless it is said: " << relay().log();
}

TEST_F(RelayStart, AStreamThatIsNotThereIsRefused) {
  Publish();
  AddRelay({"--stream", "other"});
  EXPECT_EQ(5, relay().Wait()) << relay().log();
  const auto refused = relay().events("refused");
  ASSERT_EQ(1u, refused.size()) << relay().log();
  EXPECT_NE(std::string::npos, refused[0].at("message").get<std::string>().find("'other'"));
}

TEST_F(RelayStart, MoreThanItsMostSubscribersAreNotLetIn) {
  Publish();
  AddRelay({"--max-subs", "2"});
  ASSERT_TRUE(relay().WaitUntilLive());
  auto one = Join();
  auto two = Join();
  ASSERT_TRUE(one->WaitUntilLive());
  ASSERT_TRUE(two->WaitUntilLive());
  auto three = Join();
  EXPECT_EQ(5, three->Wait()) << three->log();
  produced_ = "line\n";
  ASSERT_TRUE(publisher_->WriteAndEnd(produced_));
  ExpectAll(*one);
  ExpectAll(*two);
  ExpectEnds();
}

TEST_F(RelayStart, ThePublisherSeesARelayAndTheRelayItsSubscribers) {
  Publish();
  AddRelay({"--name", "edge"});
  ASSERT_TRUE(relay().WaitUntilLive());
  auto subscriber = Join({"--name", "reader"});
  ASSERT_TRUE(subscriber->WaitUntilLive());
  const auto at = [](Program& program, const std::string& name) {
    return program.WaitForEvent("joined", [&](const Json& event) {
      return event.at("message").get<std::string>().find(name) != std::string::npos;
    });
  };
  EXPECT_TRUE(at(*publisher_, "edge")) << publisher_->log();
  EXPECT_TRUE(at(relay(), "reader")) << relay().log();
  EXPECT_EQ(1u, publisher_->events("joined").size());
}

}  // namespace
}  // namespace pipedup::test
