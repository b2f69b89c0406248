// Several endpoints at a subscriber: publishers of the same session are one stream.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "fault/proxy.h"
#include "support/content.h"
#include "support/programs.h"
#include "support/raw_peer.h"
#include "support/same.h"

namespace pipedup::test {
namespace {

/// Two publishers that go on with copies of one journal, each at its own endpoint. They are fed
/// the same bytes, and cut them as they come.
class TwinsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    {
      Publisher first(directory_, {"--journal", directory_ / "0"});
      session_ = first.session();
      ASSERT_TRUE(first.WriteAndEnd(produced_));
      ASSERT_EQ(0, first.Wait()) << first.log();
    }
    std::filesystem::copy(directory_ / "0", directory_ / "1",
                          std::filesystem::copy_options::recursive);
  }
  void TearDown() override {
    for (std::thread& feeder : feeders_) {
      if (feeder.joinable()) feeder.join();
    }
  }

  void Start(std::size_t number, Words more = {}) {
    more.insert(more.end(), {"--bind", endpoints_[number], "--journal",
                             directory_ / std::to_string(number)});
    twins_[number] = std::make_unique<Publisher>(directory_, more);
    EXPECT_EQ(session_, twins_[number]->session());
  }
  void StartBoth(const Words& more = {}) {
    Start(0, more);
    Start(1, more);
  }
  void Kill(std::size_t number) {
    twins_[number]->Signal(SIGKILL);
    EXPECT_EQ(128 + SIGKILL, twins_[number]->Wait());
  }
  /// Writes all of it to both while the test goes on.
  void Feed(const std::string& bytes) {
    produced_ += bytes;
    for (std::size_t i = 0; i < 2; ++i) {
      feeders_[i] = std::thread([this, i, bytes] { (void)twins_[i]->Write(bytes); });
    }
  }
  void End() {
    for (std::size_t i = 0; i < 2; ++i) {
      if (feeders_[i].joinable()) feeders_[i].join();
      if (twins_[i]) twins_[i]->CloseInput();
    }
  }
  Subscriber Subscribe(Words options = {}) {
    options.push_back(endpoints_[1]);
    return Subscriber(directory_, endpoints_[0], options);
  }
  /// The subscriber has been let in by both, and knows that they have one session.
  bool WaitUntilItReadsBoth(Subscriber& subscriber) const {
    return std::ranges::all_of(endpoints_, [&](const std::string& endpoint) {
      const auto is_there = [&](const Json& event) {
        return event.at("message").get<std::string>().ends_with(" at " + endpoint);
      };
      return subscriber.WaitForEvent("mode", is_there).has_value();
    });
  }
  /// The first position in a twin's journal: its oldest segment is called like that.
  std::uint64_t FirstKept(std::size_t number) const {
    std::uint64_t first = UINT64_MAX;
    for (const std::string& file : FilesBelow(directory_ / std::to_string(number))) {
      const std::filesystem::path path(file);
      if (path.extension() == ".log")
        first = std::min<std::uint64_t>(first, std::stoull(path.stem()));
    }
    return first;
  }
  void ExpectComplete(Subscriber& subscriber) {
    EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
    EXPECT_EQ("", CheckEquation({.produced = produced_}, subscriber.account()))
        << subscriber.log();
    EXPECT_TRUE(Same(produced_, subscriber.delivered()));
  }

  const TempDir directory_;
  const std::array<std::string, 2> endpoints_{
      "tcp://127.0.0.1:" + std::to_string(FreePortPair()),
      "tcp://127.0.0.1:" + std::to_string(FreePortPair())};
  std::string produced_ = MakeLines('a', 1000);
  std::string session_;
  std::array<std::unique_ptr<Publisher>, 2> twins_;
  std::array<std::thread, 2> feeders_;
};

TEST_F(TwinsTest, TwoAreReadAsOneAndBothAreToldTheEnd) {
  StartBoth();
  Subscriber subscriber = Subscribe({"--from", "start"});
  ASSERT_TRUE(twins_[0]->WaitForJoined(1));
  ASSERT_TRUE(twins_[1]->WaitForJoined(1));
  Feed(MakeRecords(1, 24 * kMiB));
  End();
  ExpectComplete(subscriber);
  EXPECT_EQ(0, twins_[0]->Wait()) << "each has been told: " << twins_[0]->log();
  EXPECT_EQ(0, twins_[1]->Wait()) << twins_[1]->log();
}

TEST_F(TwinsTest, OneThatIsKilledIsNotMissed) {
  for (std::size_t killed = 0; killed < 2; ++killed) {
    SCOPED_TRACE(killed);
    StartBoth();
    Subscriber subscriber = Subscribe({"--from", "start"});
    ASSERT_TRUE(twins_[0]->WaitForJoined(1));
    ASSERT_TRUE(twins_[1]->WaitForJoined(1));
    const std::size_t before = produced_.size();
    Feed(MakeRecords(2 + killed, 24 * kMiB));
    ASSERT_TRUE(subscriber.WaitForBytes(before + 8 * kMiB)) << subscriber.log();
    Kill(killed);
    End();
    ExpectComplete(subscriber);
    EXPECT_EQ(0, twins_[1 - killed]->Wait()) << twins_[1 - killed]->log();
    // For the next round they are the same again.
    const std::string dead = directory_ / std::to_string(killed);
    std::filesystem::remove_all(dead);
    std::filesystem::copy(directory_ / std::to_string(1 - killed), dead,
                          std::filesystem::copy_options::recursive);
  }
}

TEST_F(TwinsTest, OneThatComesLaterIsJoined) {
  Start(1);
  Subscriber subscriber = Subscribe({"--from", "start"});
  ASSERT_TRUE(twins_[1]->WaitForJoined(1));
  const std::string some = MakeRecords(4, kMiB);
  const std::size_t before = produced_.size();
  produced_ += some;
  ASSERT_TRUE(twins_[1]->Write(some));
  ASSERT_TRUE(subscriber.WaitForBytes(before + some.size()));
  Start(0);
  ASSERT_TRUE(twins_[0]->WaitForJoined(1));
  ASSERT_TRUE(twins_[0]->Write(some)) << "it gets where the other one is";
  const std::string more = MakeRecords(5, kMiB);
  ASSERT_TRUE(twins_[0]->Write(more)) << "and further";
  produced_ += more;
  ASSERT_TRUE(subscriber.WaitForBytes(produced_.size())) << subscriber.log();
  Kill(1);
  End();
  ExpectComplete(subscriber);
}

TEST_F(TwinsTest, WhatOneNoLongerHasComesFromTheOther) {
  Start(0, {"--retain", "1MiB"});
  Start(1, {"--retain", "64MiB"});
  const std::string bytes = MakeRecords(6, 24 * kMiB);
  produced_ += bytes;
  ASSERT_TRUE(twins_[0]->Write(bytes));
  ASSERT_TRUE(twins_[1]->Write(bytes));
  Subscriber subscriber = Subscribe({"--from", "0"});
  Subscriber turned(directory_, endpoints_[1], {"--from", "0", endpoints_[0]});
  for (const auto& twin : twins_) ASSERT_TRUE(twin->WaitForJoined(2));
  End();
  ExpectComplete(subscriber);
  ExpectComplete(turned);
}

TEST_F(TwinsTest, WhatNobodyHasIsAGapUpToTheFirstByteThatOneHas) {
  Start(0, {"--retain", "1MiB"});
  Start(1, {"--retain", "8MiB"});
  const std::string bytes = MakeRecords(7, 24 * kMiB);
  produced_ += bytes;
  ASSERT_TRUE(twins_[0]->Write(bytes));
  ASSERT_TRUE(twins_[1]->Write(bytes));
  Subscriber subscriber = Subscribe({"--from", "0"});
  ASSERT_TRUE(twins_[0]->WaitForJoined(1));
  ASSERT_TRUE(twins_[1]->WaitForJoined(1));
  End();
  ASSERT_EQ(3, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = produced_}, subscriber.account()))
      << subscriber.log();
  ASSERT_FALSE(subscriber.account().gaps.empty());
  const GapReport first = subscriber.account().gaps[0];
  EXPECT_EQ(0u, first.from);
  EXPECT_LE(first.to, FirstKept(1)) << "no further than what the other one has";
  EXPECT_LT(first.to, FirstKept(0));
}

TEST_F(TwinsTest, ACursorGoesOnWhereItStoppedWithWhoeverIsThere) {
  StartBoth();
  Subscriber first = Subscribe({"--from", "start", "--cursor", directory_ / "cursor"});
  ASSERT_TRUE(first.WaitForBytes(produced_.size())) << first.log();
  first.Signal(SIGTERM);  // after a kill the last write would come again, in another file
  ASSERT_EQ(128 + SIGTERM, first.Wait()) << first.log();
  const std::string had = first.delivered();
  Kill(0);
  const std::string more = MakeRecords(8, kMiB);
  produced_ += more;
  ASSERT_TRUE(twins_[1]->Write(more));
  Subscriber second = Subscribe({"--cursor", directory_ / "cursor"});
  ASSERT_TRUE(second.WaitForBytes(more.size())) << second.log();
  End();
  ASSERT_EQ(0, second.Wait()) << second.log();
  EXPECT_TRUE(Same(produced_, had + second.delivered()));
}

TEST_F(TwinsTest, ANewSessionOfOneIsLeftAloneAsLongAsTheOtherHasTheOld) {
  StartBoth();
  Subscriber subscriber = Subscribe({"--from", "start"});
  ASSERT_TRUE(subscriber.WaitForBytes(produced_.size()));
  ASSERT_TRUE(WaitUntilItReadsBoth(subscriber)) << subscriber.log();
  Kill(0);
  Publisher other(directory_, {"--bind", endpoints_[0]});
  const auto apart = subscriber.WaitForEvent("apart");
  ASSERT_TRUE(apart) << subscriber.log();
  EXPECT_EQ(endpoints_[0], apart->at("endpoint"));
  EXPECT_EQ(other.session(), apart->at("session"));
  ASSERT_TRUE(other.Write("of another session\n"));
  const std::string more = MakeRecords(9, kMiB);
  produced_ += more;
  ASSERT_TRUE(twins_[1]->Write(more));
  End();
  ExpectComplete(subscriber);
}

TEST_F(TwinsTest, FollowingGoesOverToTheNewSessionWhenNobodyHasTheOld) {
  StartBoth();
  Subscriber subscriber = Subscribe({"--from", "start", "-F", "--dead-after", "1s"});
  ASSERT_TRUE(subscriber.WaitForBytes(produced_.size()));
  ASSERT_TRUE(WaitUntilItReadsBoth(subscriber)) << subscriber.log();
  Kill(0);
  Publisher other(directory_, {"--bind", endpoints_[0]});
  ASSERT_TRUE(other.Write("of another session\n"));
  ASSERT_TRUE(subscriber.WaitForEvent("apart")) << subscriber.log();
  Kill(1);
  ASSERT_TRUE(subscriber.WaitForEvent("session")) << subscriber.log();
  ASSERT_TRUE(subscriber.WaitForBytes(produced_.size() + 19)) << subscriber.log();
  EXPECT_EQ(produced_ + "of another session\n", subscriber.delivered());
  subscriber.Signal(SIGTERM);
  EXPECT_EQ(128 + SIGTERM, subscriber.Wait());
}

TEST_F(TwinsTest, EachEndpointThatIsSilentIsNamed) {
  Start(1);
  Subscriber subscriber = Subscribe({"--from", "start"});
  const auto waiting = subscriber.WaitForEvent("waiting");
  ASSERT_TRUE(waiting);
  EXPECT_NE(std::string::npos, waiting->at("message").get<std::string>().find(endpoints_[0]))
      << subscriber.log();
  Start(0);
  const auto connected = subscriber.WaitForEvent("connected");
  ASSERT_TRUE(connected);
  EXPECT_NE(std::string::npos, connected->at("message").get<std::string>().find(endpoints_[0]));
  End();
  ExpectComplete(subscriber);
  EXPECT_EQ(1u, subscriber.events("waiting").size()) << subscriber.log();
}

// The same publisher twice, once over a network that damages, cuts and stops.
TEST(TwoWays, ABadNetworkOnOneOfThemIsNotFelt) {
  const TempDir directory;
  Publisher publisher(directory, {"--slow", "wait", "--wait-subs", "2"});
  Proxy proxy(PortOf(publisher.endpoint()), 1);
  Subscriber subscriber(directory, publisher.endpoint(), {"--from", "start", proxy.endpoint()});
  ASSERT_TRUE(publisher.WaitForJoined(2)) << "two ways are two members";
  const std::string bytes = MakeRecords(10, 48 * kMiB);
  std::thread feeder([&] { EXPECT_TRUE(publisher.WriteAndEnd(bytes)); });
  EXPECT_TRUE(subscriber.WaitForBytes(4 * kMiB));
  proxy.Corrupt(Proxy::Direction::kDown, 8);
  EXPECT_TRUE(subscriber.WaitForBytes(16 * kMiB));
  proxy.CutAll(Proxy::Cut::kReset);
  feeder.join();
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_TRUE(Same(bytes, subscriber.delivered()));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

TEST(TwoWays, OneEndpointIsNotGivenTwice) {
  const Outcome outcome =
      RunToEnd({.argv = {SubscriberBinary(), "127.0.0.1:5590", "tcp://127.0.0.1:5590"}});
  EXPECT_EQ(2, outcome.status);
  ASSERT_EQ(1u, outcome.errors.size());
  EXPECT_NE(std::string::npos, outcome.errors[0].find("given twice")) << outcome.errors[0];
}

}  // namespace
}  // namespace pipedup::test
