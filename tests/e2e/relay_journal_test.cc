// A relay that keeps what it passes on on disk, and goes on with it.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/checksum.h"
#include "base/text.h"
#include "e2e/relay_test_base.h"
#include "support/same.h"

namespace pipedup::test {
namespace {

namespace fs = std::filesystem;

class RelayJournal : public RelayTestBase, public ::testing::WithParamInterface<const char*> {
 protected:
  /// At the endpoint, and with the directory, of the one before.
  void Start(const Words& more = {}) {
    Words options = {"--bind", port_, "--journal", kept_};
    options.insert(options.end(), more.begin(), more.end());
    relays_.clear();
    ASSERT_TRUE(AddRelay(options).WaitUntilLive()) << relay().log();
  }
  void Kill(Program& program) {
    program.Signal(SIGKILL);
    EXPECT_EQ(128 + SIGKILL, program.Wait());
  }
  /// Whether it has ended by itself or not.
  static void End(Program& program) {
    program.Signal(SIGKILL);
    (void)program.Wait();
  }
  /// While no relay is there.
  void PublishMore(const std::string& bytes) {
    produced_ += bytes;
    ASSERT_TRUE(publisher_->Write(bytes));
  }
  std::size_t Sessions() const {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(kept_)) count += entry.is_directory();
    return count;
  }

  const std::string port_ = "tcp://127.0.0.1:" + std::to_string(FreePortPair());
  const std::string kept_ = directory_.path() + "/kept";
};

TEST_P(RelayJournal, OneThatIsKilledGoesOnWithWhatIsOnDisk) {
  Publish({"--retain", "1MiB"});
  Start({"--fsync", GetParam()});
  for (std::uint64_t i = 0; i < 6; ++i) Produce(MakeRecords(10 + i, kMiB));
  DismissWitness();
  Kill(relay());
  PublishMore(MakeLines('b', 1000));
  Start({"--fsync", GetParam()});
  auto first = Join({"--from", "start"});
  ASSERT_TRUE(first->WaitForBytes(produced_.size())) << first->log() << logs();
  relay().Signal(SIGTERM);
  EXPECT_EQ(128 + SIGTERM, relay().Wait());
  PublishMore(MakeLines('c', 1000));
  Start({"--fsync", GetParam()});
  auto second = Join({"--from", "0"});
  ASSERT_TRUE(second->WaitForBytes(1));
  publisher_->CloseInput();
  ExpectAll(*first);
  ExpectAll(*second);
  ExpectEnds();
}
INSTANTIATE_TEST_SUITE_P(Fsync, RelayJournal, ::testing::Values("1s", "always"),
                         [](const auto& run) { return "With" + std::string(run.param); });

class RelayKept : public RelayJournal {};
INSTANTIATE_TEST_SUITE_P(, RelayKept, ::testing::Values(""));

TEST_P(RelayKept, WhatNobodyHasAnyMoreWhenItComesBackIsAnExactGap) {
  Publish({"--retain", "1MiB"});
  Start();
  Produce(MakeRecords(1, 2 * kMiB));
  DismissWitness();
  Kill(relay());
  const std::size_t kept = produced_.size();
  PublishMore(MakeRecords(2, 16 * kMiB));
  Start();
  auto subscriber = Join({"--from", "0"});
  publisher_->CloseInput();
  const Account account = ExpectAccount(*subscriber, 3);
  ASSERT_EQ(1U, account.gaps.size()) << subscriber->log();
  EXPECT_EQ(kept, account.gaps.front().from);
  EXPECT_EQ("retention passed", account.gaps.front().reason);
  ExpectEnds(0, 3);
}

TEST_P(RelayKept, ASessionThatHasEndedIsNotMissedAndThoseBeforeTheLastAreRemoved) {
  for (int run = 0; run < 3; ++run) {
    SCOPED_TRACE(run);
    Publish();
    Start();
    produced_ = MakeRecords(static_cast<std::uint64_t>(run), kMiB);
    auto subscriber = Join({"--from", "0"});
    ASSERT_TRUE(subscriber->WaitUntilLive()) << subscriber->log() << logs();
    ASSERT_TRUE(publisher_->WriteAndEnd(produced_));
    ExpectAll(*subscriber);
    EXPECT_EQ(run == 0 ? 1U : 2U, Sessions());
    if (run == 2) break;
    End(relay());  // who would stay a while for others who come
    End(*publisher_);
  }
  ExpectEnds();
}

TEST_P(RelayKept, ASessionThatVanishedIsSaid) {
  Publish();
  Start();
  Produce(MakeRecords(1, kMiB));
  DismissWitness();
  Kill(relay());
  Kill(*publisher_);
  Publish();
  Start();
  EXPECT_TRUE(relay().said("session")) << relay().log();
  produced_ = MakeRecords(2, kMiB);
  auto subscriber = Join({"--from", "0"});
  ASSERT_TRUE(subscriber->WaitUntilLive()) << subscriber->log() << logs();
  ASSERT_TRUE(publisher_->WriteAndEnd(produced_));
  ExpectAll(*subscriber);
  ExpectEnds(0, 3);
}

/// As a machine that was started anew finds it.
void ForgetBoot(const std::string& journal) {
  std::string text = ReadFile(journal + "/journal");
  const std::size_t boot = text.find("\nboot ") + 6;
  text.replace(boot, text.find('\n', boot) - boot, "another");
  text.resize(text.rfind("check "));
  WriteFile(journal + "/journal", text + "check " + Hex(Checksum(AsBytes(text))) + "\n");
}

// It has begun to keep the new session when it is told that this goes on with the old one.
TEST_P(RelayKept, ASessionThatGoesOnAsAnotherOneIsKeptAfterARestartOfBothEnds) {
  const Words durable = {"--journal", directory_ / "origin"};
  Publish(durable);
  const std::string old = publisher_->session();
  Start({"--follow"});
  Produce(MakeRecords(1, kMiB));
  DismissWitness();
  Kill(relay());
  Kill(*publisher_);
  ForgetBoot(directory_ / "origin");
  Publish(durable);
  const std::string session = publisher_->session();
  ASSERT_NE(old, session) << publisher_->log();
  Start({"--follow"});
  ASSERT_TRUE(relay().WaitForEvent("continues")) << relay().log();
  const std::size_t at = produced_.size();
  produced_ += MakeRecords(2, kMiB);
  ASSERT_TRUE(publisher_->Write(std::string_view(produced_).substr(at)));
  auto subscriber = Join({"--from", std::to_string(at)});
  ASSERT_TRUE(subscriber->WaitForBytes(produced_.size() - at)) << subscriber->log() << logs();
  EXPECT_EQ(1U, relay().events("listening").size()) << relay().log();
  EXPECT_FALSE(relay().said("journal")) << relay().log();
  EXPECT_EQ(2U, Sessions());
  // What is on disk is gone on with, and nothing has to come from anywhere else.
  Kill(relay());
  Start({"--follow"});
  EXPECT_EQ(session, relay().events("listening").front().at("session"));
  EXPECT_EQ(produced_.size(), relay().events("listening").front().at("position"));
  End(*publisher_);
  auto late = Join({"--from", std::to_string(at)});
  ASSERT_TRUE(late->WaitForBytes(produced_.size() - at)) << late->log() << logs();
  EXPECT_TRUE(Same(produced_.substr(at), late->delivered()));
}

TEST_P(RelayKept, WhatIsNotKnownToBeItsOwnIsLeftAlone) {
  const std::string foreign = kept_ + "/default-00000000000000aa";
  fs::create_directories(foreign);
  std::ofstream(foreign + "/photo.jpg") << "a photo";
  Publish();
  Start();
  Produce(MakeRecords(1, kMiB));
  DismissWitness();
  Kill(relay());
  Kill(*publisher_);
  fs::resize_file(kept_ + "/default.session", 0);
  Publish();
  Start();
  EXPECT_TRUE(fs::exists(foreign + "/photo.jpg"));
  EXPECT_EQ(3U, Sessions()) << "nobody knows which was the last";
}

TEST_P(RelayKept, ADiskThatIsGoneStopsNoStream) {
  Publish();
  Start({"--follow"});
  Produce(MakeRecords(1, kMiB));
  DismissWitness();
  fs::rename(kept_, kept_ + ".gone");
  Kill(*publisher_);
  Publish();
  ASSERT_TRUE(Eventually([&] { return relay().events("listening").size() == 2; }))
      << relay().log();
  EXPECT_TRUE(relay().said("journal")) << relay().log();
  produced_ = MakeRecords(2, kMiB);
  auto subscriber = Join({"--from", "0"});
  ASSERT_TRUE(subscriber->WaitUntilLive()) << subscriber->log() << logs();
  ASSERT_TRUE(publisher_->WriteAndEnd(produced_));
  ExpectAll(*subscriber);
}

TEST_P(RelayKept, ItsDirectoryIsThatOfOneRelayAndOfNoPublisher) {
  const std::string theirs = directory_.path() + "/theirs";
  Publish({"--journal", theirs});
  Start();
  Relay second(directory_, source_, {"--journal", kept_});
  EXPECT_EQ(1, second.Wait());
  EXPECT_NE(std::string::npos, second.log().find("held")) << second.log();
  Relay third(directory_, source_, {"--journal", theirs});
  EXPECT_EQ(1, third.Wait()) << third.log();
  Kill(*publisher_);
  Relay fourth(directory_, source_, {"--journal", theirs});
  EXPECT_EQ(1, fourth.Wait());
  EXPECT_NE(std::string::npos, fourth.log().find("that of a publisher")) << fourth.log();
}

}  // namespace
}  // namespace pipedup::test
