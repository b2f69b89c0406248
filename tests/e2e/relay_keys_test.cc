// Relays with keys, on one side or both; what they may bind; and their options.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <string>

#include "e2e/relay_test_base.h"
#include "os/build.h"

namespace pipedup::test {
namespace {

class RelayKeys : public RelayTestBase {
 protected:
  RelayKeys() {
    for (const char* name : {"publisher", "relay", "alice", "bob"}) {
      EXPECT_EQ(0, RunToEnd({.argv = {KeygenBinary(), "-o", File(name)}}).status);
    }
    Allow("parents", {"relay"});
    Allow("readers", {"alice", "bob"});
  }
  std::string File(const std::string& name) const { return directory_ / name; }
  void Allow(const std::string& list, const Words& names) {
    std::string text = "# who may come in\n";
    for (const std::string& name : names) text += ReadFile(File(name + ".pub"));
    WriteFile(File(list), text);
  }
  Words Server(const std::string& name, const std::string& list) const {
    return {"--curve-secret", File(name + ".secret"), "--allow-keys", File(list)};
  }
  Words Reader(const std::string& name, const std::string& server) const {
    return {"--curve-secret", File(name + ".secret"),
            "--server-key",   File(server + ".pub"),
            "--from",         "start"};
  }
  void ExpectTurnedAway(const std::string& endpoint, Words options) {
    options.insert(options.end(), {"--give-up", "1s"});
    Subscriber subscriber(directory_, endpoint, options);
    EXPECT_EQ(4, subscriber.Wait()) << subscriber.log();
    EXPECT_EQ("", subscriber.delivered());
  }
  void EndsWell(Subscriber& subscriber) {
    produced_ = MakeRecords(1, 5 * kMiB);
    ASSERT_TRUE(publisher_->WriteAndEnd(produced_));
    ExpectAll(subscriber);
    ExpectEnds();
  }
};

TEST_F(RelayKeys, OnBothSides) {
  Publish(Server("publisher", "parents"));
  Words options = Server("relay", "readers");
  options.insert(options.end(), {"--server-key", File("publisher.pub"), "--retain", "1MiB"});
  ASSERT_TRUE(AddRelay(options).WaitUntilLive()) << relay().log();
  auto alice = Join(Reader("alice", "relay"));
  ASSERT_TRUE(alice->WaitUntilLive()) << alice->log();
  EXPECT_TRUE(publisher_->WaitForEvent(
      "joined", [](const Json& event) { return event.at("key") == "relay"; }));
  EXPECT_TRUE(relay().WaitForEvent(
      "joined", [](const Json& event) { return event.at("key") == "alice"; }));
  ExpectTurnedAway(last(), {"--from", "start"});
  ExpectTurnedAway(last(), Reader("relay", "relay"));
  ExpectTurnedAway(last(), Reader("alice", "publisher"));
  ExpectTurnedAway(source_, Reader("alice", "publisher"));
  produced_ = MakeRecords(2, 8 * kMiB);
  ASSERT_TRUE(publisher_->Write(produced_));
  ASSERT_TRUE(alice->WaitForBytes(produced_.size()));
  // What is older than it keeps it asks its parent for, with its key.
  auto bob = Join(Reader("bob", "relay"));
  ASSERT_TRUE(bob->WaitForBytes(produced_.size())) << bob->log() << logs();
  publisher_->CloseInput();
  ExpectAll(*alice);
  ExpectAll(*bob);
  ExpectEnds();
}

TEST_F(RelayKeys, OnlyTowardsThePublisher) {
  Publish(Server("publisher", "parents"));
  AddRelay({"--server-key", File("publisher.pub"), "--curve-secret", File("relay.secret")});
  ASSERT_TRUE(relay().WaitUntilLive()) << relay().log();
  auto plain = Join({"--from", "start"});
  ASSERT_TRUE(plain->WaitUntilLive()) << plain->log();
  EndsWell(*plain);
}

TEST_F(RelayKeys, OnlyTowardsSubscribers) {
  Publish();
  ASSERT_TRUE(AddRelay(Server("relay", "readers")).WaitUntilLive()) << relay().log();
  auto alice = Join(Reader("alice", "relay"));
  ASSERT_TRUE(alice->WaitUntilLive()) << alice->log();
  ExpectTurnedAway(last(), {});
  EndsWell(*alice);
}

TEST_F(RelayKeys, AKeyThatIsTakenOutIsCutOffAndTheOthersGoOn) {
  Publish();
  ASSERT_TRUE(AddRelay(Server("relay", "readers")).WaitUntilLive()) << relay().log();
  auto alice = Join(Reader("alice", "relay"));
  Words impatient = Reader("bob", "relay");
  impatient.insert(impatient.end(), {"--give-up", "1s"});
  auto bob = Join(impatient);
  ASSERT_TRUE(alice->WaitUntilLive());
  ASSERT_TRUE(bob->WaitUntilLive());
  Allow("readers", {"alice"});
  relay().Signal(SIGHUP);
  EXPECT_EQ(4, bob->Wait()) << bob->log() << logs();
  EndsWell(*alice);
}

TEST_F(RelayKeys, APublisherThatDoesNotKnowItIsNotReached) {
  Publish(Server("publisher", "readers"));
  AddRelay({"--server-key", File("publisher.pub"), "--curve-secret", File("relay.secret"),
            "--give-up", "1s"});
  EXPECT_EQ(4, relay().Wait()) << relay().log();
}

class RelayOptions : public RelayTestBase {
 protected:
  Outcome Run(Words words) {
    words.insert(words.begin(), RelayBinary());
    return RunToEnd({.argv = std::move(words)});
  }
  void ExpectRefused(const Words& words, const std::string& part, int status = 2) {
    const Outcome outcome = Run(words);
    EXPECT_EQ(status, outcome.status);
    ASSERT_FALSE(outcome.errors.empty());
    EXPECT_NE(std::string::npos, outcome.errors[0].find(part)) << outcome.errors[0];
  }
};

TEST_F(RelayOptions, WhatCannotBeMeantIsRefusedByName) {
  ExpectRefused({}, "--from ENDPOINT is needed");
  ExpectRefused({"--from", "a:b:c"}, "is not an endpoint");
  ExpectRefused({"--from", ":0"}, "port 0");
  ExpectRefused({"--from", "host", "--bind", "*:5590"}, "can be reached from other machines");
  ExpectRefused({"--from", "host", "--bind", "0.0.0.0:5590"}, "--insecure");
  for (const char* option : {"--progress", "--tee", "--journal", "--records", "--cursor"}) {
    ExpectRefused({"--from", "host", option}, option);
  }
  ExpectRefused({"--from", "host", "--", "cat"}, "runs no programs");
}

TEST_F(RelayOptions, HelpAndConfigurationAreShown) {
  const Outcome help = Run({"--help"});
  EXPECT_EQ(0, help.status);
  for (const char* part :
       {"--from", "--follow", "--retain", "--slow", "--allow-keys", "loop"}) {
    EXPECT_NE(std::string::npos, help.out.find(part)) << part;
  }
  const Outcome config = Run({"--from", "host:1", "--retain", "2MiB", "--print-config"});
  EXPECT_EQ(0, config.status);
  EXPECT_NE(std::string::npos, config.out.find("2MiB")) << config.out;
  EXPECT_NE(std::string::npos, config.out.find("host:1")) << config.out;
}

TEST_F(RelayOptions, AnEndpointThatIsTakenIsAFailure) {
  Publish();
  ExpectRefused({"--from", "host", "--bind", source_}, "bind", 1);
}

// ---- the journal of a relay, on its machine ----

TEST_F(RelayOptions, ASubscriberHereReadsTheRelaysJournalItselfAlsoAcrossAGap) {
  if (IsPortable()) {
    GTEST_SKIP() << "the portable build cannot watch files";
  }
  Publish({"--retain", "1MiB"});
  AddRelays(1);
  ::setenv(kAttached, "1", 1);
  auto attached = Join({"--from", "start"});
  ::unsetenv(kAttached);
  ASSERT_TRUE(attached->WaitForEvent(
      "mode", [](const Json& event) { return event.at("message") == "mode: attached"; }));
  const std::string bytes = MakeRecords(3, 96 * kMiB);
  ASSERT_TRUE(publisher_->Write(std::string_view(bytes).substr(0, kMiB)));
  ASSERT_TRUE(attached->WaitForBytes(kMiB / 2));
  relay().Signal(SIGSTOP);
  ASSERT_TRUE(publisher_->WriteAndEnd(std::string_view(bytes).substr(kMiB)));
  relay().Signal(SIGCONT);
  produced_ = bytes;
  const Account account = ExpectAccount(*attached, 3);
  const std::vector<Json> at_relay = relay().events("gap");
  ASSERT_EQ(at_relay.size(), account.gaps.size()) << attached->log() << logs();
  for (std::size_t i = 0; i < at_relay.size(); ++i) {
    EXPECT_EQ(at_relay[i].at("from"), account.gaps[i].from);
    EXPECT_EQ(at_relay[i].at("to"), account.gaps[i].to);
    EXPECT_EQ("retention passed", account.gaps[i].reason);
  }
  ExpectEnds(0, 3);
}

}  // namespace
}  // namespace pipedup::test
