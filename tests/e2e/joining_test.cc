// Where a subscriber begins, whenever it comes.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "support/content.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

/// The first byte at or after `from` that begins a record.
std::size_t NextRecord(const std::string& bytes, std::size_t from) {
  return from == 0 ? 0 : bytes.find('\n', from - 1) + 1;
}

/// A publisher that has published `published` already, and a subscriber that has read it.
class JoiningTest : public ::testing::Test {
 protected:
  void Publish(const std::string& published, const Words& options = {}) {
    publisher_ = std::make_unique<Publisher>(directory_, options);
    witness_ = std::make_unique<Subscriber>(directory_, publisher_->endpoint(),
                                            Words{"--from", "start"});
    PublishMore(published);
  }

  /// Returns when it was published and not only written.
  void PublishMore(const std::string& bytes) {
    produced_ += bytes;
    ASSERT_TRUE(publisher_->Write(bytes));
    ASSERT_TRUE(witness_->WaitForBytes(produced_.size())) << witness_->log();
  }

  std::unique_ptr<Subscriber> Join(const Words& options = {}) {
    return std::make_unique<Subscriber>(directory_, publisher_->endpoint(), options);
  }

  void ExpectAllFrom(std::size_t begin, Subscriber& subscriber) {
    ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
    const Account account = subscriber.account();
    EXPECT_EQ(begin, account.begin) << subscriber.log();
    EXPECT_EQ("", CheckEquation({.produced = produced_}, account)) << subscriber.log();
    EXPECT_EQ(produced_.size() - begin, account.delivered.size());
  }

  const TempDir directory_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<Subscriber> witness_;
  std::string produced_;
};

TEST_F(JoiningTest, LastGivesExactlyThatManyRecordsAndGoesOnLive) {
  Publish(MakeLines('a', 1000));
  const std::size_t line = produced_.size() / 1000;
  auto ten = Join({"--last", "10"});
  auto one = Join({"-n", "1"});
  auto none = Join({"--last", "0"});
  for (auto* subscriber : {&ten, &one, &none}) ASSERT_TRUE((*subscriber)->WaitUntilLive());
  PublishMore(MakeLines('b', 5));
  publisher_->CloseInput();
  ExpectAllFrom(990 * line, *ten);
  ExpectAllFrom(999 * line, *one);
  ExpectAllFrom(1000 * line, *none);
}

TEST_F(JoiningTest, LastOfMoreThanThereAreGivesAll) {
  Publish(MakeLines('a', 20));
  auto subscriber = Join({"--last", "21"});
  ASSERT_TRUE(subscriber->WaitUntilLive());
  publisher_->CloseInput();
  ExpectAllFrom(0, *subscriber);
}

TEST_F(JoiningTest, LastCountsFinishedRecordsAndAddsTheUnfinishedOne) {
  Publish("one\ntwo\nthree\nfou");
  auto subscriber = Join({"--last", "2"});
  ASSERT_TRUE(subscriber->WaitUntilLive());
  PublishMore("r\n");
  publisher_->CloseInput();
  ExpectAllFrom(4, *subscriber);
}

TEST_F(JoiningTest, LastOfARawStreamIsAnErrorThatSaysWhy) {
  Publish("bytes", {"--records", "raw"});
  auto subscriber = Join({"--last", "2"});
  EXPECT_EQ(1, subscriber->Wait());
  EXPECT_TRUE(subscriber->WaitForLine("raw")) << subscriber->log();
}

TEST_F(JoiningTest, FromStartGivesAllThatWasPublished) {
  Publish(MakeRecords(1, 8 * kMiB));
  auto subscriber = Join({"--from", "start"});
  ASSERT_TRUE(subscriber->WaitForEvent("begin"));
  publisher_->CloseInput();
  ExpectAllFrom(0, *subscriber);
}

TEST_F(JoiningTest, FromStartBeginsAtTheOldestRecordThatIsKept) {
  Publish(MakeRecords(2, kMiB), {"--retain", "1MiB"});
  for (int i = 0; i < 8; ++i) PublishMore(MakeRecords(static_cast<std::uint64_t>(3 + i), kMiB));
  auto subscriber = Join({"--from", "start"});
  ASSERT_TRUE(subscriber->WaitUntilLive());
  publisher_->CloseInput();
  ASSERT_EQ(0, subscriber->Wait()) << subscriber->log();
  const Account account = subscriber->account();
  EXPECT_GT(account.begin, 6 * kMiB);
  EXPECT_LE(account.begin, 8 * kMiB) << "at least --retain has to be kept";
  EXPECT_EQ(NextRecord(produced_, account.begin), account.begin) << "no record begins there";
  EXPECT_EQ("", CheckEquation({.produced = produced_}, account)) << subscriber->log();
}

TEST_F(JoiningTest, FromNowGivesOnlyWhatComesLater) {
  Publish(MakeLines('a', 1000));
  const std::size_t before = produced_.size();
  auto subscriber = Join();
  auto explicitly = Join({"--from", "now"});
  ASSERT_TRUE(subscriber->WaitUntilLive());
  ASSERT_TRUE(explicitly->WaitUntilLive());
  PublishMore(MakeLines('b', 10));
  publisher_->CloseInput();
  ExpectAllFrom(before, *subscriber);
  ExpectAllFrom(before, *explicitly);
}

TEST_F(JoiningTest, FromNowBeginsAtTheRecordThatIsBeingWritten) {
  Publish("whole\nunfinish");
  auto subscriber = Join();
  ASSERT_TRUE(subscriber->WaitUntilLive());
  PublishMore("ed\nnext\n");
  publisher_->CloseInput();
  ExpectAllFrom(6, *subscriber);
}

TEST_F(JoiningTest, FromNowOfARecordWhoseBeginningIsGoneBeginsAtTheNextOne) {
  Publish("one\n", {"--retain", "1MiB"});
  for (int i = 0; i < 8; ++i) PublishMore(std::string(kMiB, 'x'));
  auto subscriber = Join();
  ASSERT_TRUE(subscriber->WaitUntilLive());
  const std::string rest = std::string(1000, 'x') + "\n";
  PublishMore(rest);
  const std::size_t next = produced_.size();
  PublishMore("two\nthree\n");
  publisher_->CloseInput();
  ExpectAllFrom(next, *subscriber);
}

TEST_F(JoiningTest, FromAPositionBeginsAtTheFirstRecordFromThereOn) {
  Publish(MakeRecords(9, kMiB));
  const std::size_t boundary = NextRecord(produced_, 500'000);
  std::vector<std::pair<std::size_t, std::unique_ptr<Subscriber>>> subscribers;
  for (const std::size_t from : {std::size_t{0}, std::size_t{1}, boundary - 1, boundary,
                                 boundary + 1, std::size_t{kMiB - 1}, std::size_t{kMiB}}) {
    subscribers.emplace_back(from, Join({"--from", std::to_string(from)}));
  }
  for (auto& [from, subscriber] : subscribers) ASSERT_TRUE(subscriber->WaitUntilLive());
  PublishMore(MakeLines('b', 3));
  publisher_->CloseInput();
  for (auto& [from, subscriber] : subscribers) {
    SCOPED_TRACE("--from " + std::to_string(from));
    ExpectAllFrom(NextRecord(produced_, from), *subscriber);
  }
}

TEST_F(JoiningTest, FromAPositionOfARawStreamBeginsThere) {
  Publish(MakeRecords(10, 100'000), {"--records", "raw"});
  auto subscriber = Join({"--from", "777"});
  ASSERT_TRUE(subscriber->WaitUntilLive());
  publisher_->CloseInput();
  ASSERT_EQ(0, subscriber->Wait());
  const Account account = subscriber->account();
  EXPECT_EQ(777u, account.begin);
  EXPECT_EQ("", CheckEquation({.produced = produced_, .delimiter = std::nullopt}, account));
}

TEST_F(JoiningTest, FromATimeAgoLeavesOutWhatIsOlder) {
  const auto begun = Clock::now();
  Publish(MakeLines('a', 1000));
  const std::size_t old = produced_.size();
  const auto arrived = Clock::now();
  // Not for something to happen: the option is about time that has passed.
  ASSERT_TRUE(Eventually([&] { return Clock::now() - arrived > std::chrono::seconds(1); }));
  const auto wrote = Clock::now();
  PublishMore(MakeLines('b', 10));
  auto all = Join({"--from", "-1h"});
  auto some = Join({"--from", "-900ms"});
  ASSERT_TRUE(some->WaitUntilLive());
  const bool in_time = Clock::now() - wrote < std::chrono::milliseconds(900);
  ASSERT_TRUE(all->WaitUntilLive());
  EXPECT_LT(begun, arrived);
  publisher_->CloseInput();
  ExpectAllFrom(0, *all);
  ASSERT_EQ(0, some->Wait());
  const Account account = some->account();
  EXPECT_GE(account.begin, old);
  EXPECT_TRUE(account.begin == old || !in_time) << some->log();
  EXPECT_EQ("", CheckEquation({.produced = produced_}, account));
}

TEST_F(JoiningTest, WhoeverJoinsInTheMiddleOfABulkGetsWholeRecordsFromThere) {
  Publish("first\n");
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  for (int i = 0; i < 8; ++i) {
    const std::string part = MakeRecords(static_cast<std::uint64_t>(20 + i), 2 * kMiB);
    produced_ += part;
    ASSERT_TRUE(publisher_->Write(part));
    subscribers.push_back(Join(i % 2 == 0 ? Words{} : Words{"--last", "100"}));
    if (i % 3 == 0) {
      ASSERT_TRUE(subscribers.back()->WaitForEvent("begin"));
    }
  }
  for (auto& subscriber : subscribers) ASSERT_TRUE(subscriber->WaitUntilLive());
  publisher_->CloseInput();
  for (auto& subscriber : subscribers) {
    ASSERT_EQ(0, subscriber->Wait()) << subscriber->log();
    const Account account = subscriber->account();
    EXPECT_EQ(NextRecord(produced_, account.begin), account.begin);
    EXPECT_EQ("", CheckEquation({.produced = produced_}, account)) << subscriber->log();
  }
}

TEST(Joining, ASubscriberMayStartBeforeItsPublisher) {
  for (const bool tcp : {true, false}) {
    const TempDir directory;
    const std::string endpoint =
        tcp ? "tcp://127.0.0.1:" + std::to_string(FreePortPair()) : "ipc://" + directory / "s";
    SCOPED_TRACE(endpoint);
    Subscriber subscriber(directory, endpoint, {"--from", "start"});
    ASSERT_TRUE(subscriber.WaitForEvent("waiting")) << "two seconds of silence are said";
    Publisher publisher(directory, {"--bind", endpoint, "--wait-subs", "1"});
    const std::string bytes = MakeRecords(30, kMiB);
    ASSERT_TRUE(publisher.WriteAndEnd(bytes));
    ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
    EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account()));
    EXPECT_EQ(1u, subscriber.events("waiting").size());
    EXPECT_EQ(0, publisher.Wait());
  }
}

TEST_F(JoiningTest, FromAPositionThatIsStillToComeBeginsThere) {
  Publish(MakeLines('a', 10));
  auto subscriber = Join({"--from", "100000"});
  ASSERT_TRUE(subscriber->WaitForEvent("mode"));
  ASSERT_TRUE(publisher_->WaitForJoined(2));
  PublishMore(MakeRecords(40, kMiB));
  publisher_->CloseInput();
  ExpectAllFrom(NextRecord(produced_, 100'000), *subscriber);
}

TEST(Joining, OnePublisherMayBindSeveralEndpoints) {
  const TempDir directory;
  const std::string ipc = "ipc://" + directory / "s";
  Publisher publisher(directory, {"--bind", "tcp://127.0.0.1:0", "--bind", "tcp://[::1]:0",
                                  "--bind", ipc, "--wait-subs", "3"});
  std::string ipv6;
  ASSERT_TRUE(publisher.WaitForEvent("listening", [&](const Json& event) {
    ipv6 = event.at("endpoint");
    return ipv6.starts_with("tcp://[");
  }));
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  for (const std::string& endpoint : {publisher.endpoint(), ipv6, ipc}) {
    subscribers.push_back(std::make_unique<Subscriber>(directory, endpoint));
  }
  const std::string bytes = MakeRecords(41, 2 * kMiB);
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  for (auto& subscriber : subscribers) {
    ASSERT_EQ(0, subscriber->Wait()) << subscriber->log();
    EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber->account()));
  }
  EXPECT_EQ(0, publisher.Wait());
}

TEST(Joining, AStreamMayBeAskedForByItsName) {
  const TempDir directory;
  Publisher publisher(directory, {"--stream", "web.errors", "--wait-subs", "1"});
  Subscriber subscriber(directory, publisher.endpoint(), {"--stream", "web.errors"});
  ASSERT_TRUE(publisher.WriteAndEnd("line\n"));
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("line\n", subscriber.delivered());
}

}  // namespace
}  // namespace pipedup::test
