// The library as programs of others use it: include/pipedup/ and nothing else of ours.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "contract/running_publisher.h"
#include "pipedup/publisher.h"
#include "pipedup/subscriber.h"
#include "support/content.h"
#include "support/oracle.h"
#include "support/wait.h"

namespace pipedup {
namespace {

using namespace std::chrono_literals;
using test::kPatience;

std::string_view TextOf(const Subscriber::Block& block) {
  return {reinterpret_cast<const char*>(block.bytes.data()), block.bytes.size()};
}

/// What a subscriber returned, until it was over or `stop` said so.
struct Taken {
  test::Account account;
  std::vector<Subscriber::Begin> begins;
  std::optional<Subscriber::End> end;
  std::optional<Subscriber::Failure> failure;
  bool in_order = true;  // each item begins where the one before it has ended

  std::optional<Position> at;

  void Add(const Subscriber::Item& item) {
    if (const auto* begin = std::get_if<Subscriber::Begin>(&item)) {
      begins.push_back(*begin);
      account.begin = account.position = begin->position;
      at = begin->position;
    } else if (const auto* block = std::get_if<Subscriber::Block>(&item)) {
      in_order = in_order && at == block->position;
      account.delivered += TextOf(*block);
      account.position = *(at = block->end());
    } else if (const auto* gap = std::get_if<Gap>(&item)) {
      in_order = in_order && at == gap->from;
      test::GapReport report;
      report.from = gap->from;
      report.to = gap->to;
      report.bytes = gap->bytes();
      report.records_known = gap->records_known;
      report.first_record = gap->first_record;
      report.records = gap->records;
      account.gaps.push_back(report);
      account.lost_bytes += gap->bytes();
      account.lost_records += gap->records;
      account.position = *(at = gap->to);
    } else if (const auto* last = std::get_if<Subscriber::End>(&item)) {
      end = *last;
    } else {
      failure = std::get<Subscriber::Failure>(item);
    }
    account.received_bytes = account.delivered.size();
  }
};

template <typename Until>
Taken TakeUntil(Subscriber& subscriber, Until until) {
  Taken taken;
  while (!until(taken)) {
    const auto item = subscriber.Next(kPatience);
    if (!item) break;
    taken.Add(*item);
  }
  return taken;
}

Taken TakeAll(Subscriber& subscriber) {
  return TakeUntil(subscriber, [&](const Taken&) { return subscriber.over(); });
}

class Library : public testing::Test {
 protected:
  std::string Ipc() const { return "ipc://" + directory_.path() + "/data"; }
  PublisherOptions Publishing() const {
    PublisherOptions options;
    options.stream = "demo";
    options.bind = {Ipc()};
    options.linger = kPatience;
    return options;
  }
  SubscriberOptions Reading() const {
    SubscriberOptions options;
    options.endpoints = {Ipc()};
    options.from.kind = StartAt::Kind::kStart;
    options.attach = false;
    return options;
  }

  TemporaryDirectory directory_;
};

TEST_F(Library, WhatIsWrittenIsReadToTheEndWithTheProducersStatus) {
  const std::string produced = test::MakeRecords(1, 8 * kMiB);
  Publisher publisher(Publishing());
  Subscriber subscriber(Reading());
  ASSERT_TRUE(publisher.WaitForSubscribers(1, kPatience));
  std::thread producer([&] {
    publisher.Write(produced);
    EXPECT_EQ(publisher.Close(7), std::vector<std::string>());
  });
  const Taken taken = TakeAll(subscriber);
  producer.join();
  EXPECT_EQ(test::CheckEquation({.produced = produced}, taken.account), "");
  EXPECT_TRUE(taken.in_order);
  ASSERT_EQ(taken.begins.size(), 1U);
  EXPECT_EQ(taken.begins[0].stream, "demo");
  EXPECT_EQ(taken.begins[0].session, publisher.session());
  EXPECT_FALSE(taken.begins[0].continues);
  ASSERT_TRUE(taken.end);
  EXPECT_EQ(taken.end->exit_status, 7U);
  EXPECT_EQ(taken.end->position, produced.size());
  EXPECT_TRUE(subscriber.over());
  EXPECT_FALSE(subscriber.Next(0ns));
}

TEST_F(Library, TheSameFromTheJournalItself) {
  const std::string produced = test::MakeRecords(2, 8 * kMiB);
  Publisher publisher(Publishing());
  SubscriberOptions reading = Reading();
  reading.attach = true;
  Subscriber subscriber(reading);
  ASSERT_TRUE(publisher.WaitForSubscribers(1, kPatience));
  std::thread producer([&] {
    publisher.Write(produced);
    EXPECT_EQ(publisher.Close(), std::vector<std::string>());
  });
  const Taken taken = TakeAll(subscriber);
  producer.join();
  EXPECT_EQ(test::CheckEquation({.produced = produced}, taken.account), "");
  ASSERT_TRUE(taken.end);
  EXPECT_FALSE(taken.end->exit_status);
}

TEST_F(Library, AReaderThatDoesNotComeBackLosesNothingThatIsRetained) {
  const std::string produced = test::MakeRecords(3, 24 * kMiB);
  Publisher publisher(Publishing());
  SubscriberOptions reading = Reading();
  reading.hold_bytes = 4 * kMiB;
  Subscriber subscriber(reading);
  ASSERT_TRUE(publisher.WaitForSubscribers(1, kPatience));
  publisher.Write(produced);  // nobody makes it wait
  std::thread producer([&] { EXPECT_EQ(publisher.Close(), std::vector<std::string>()); });
  const Taken taken = TakeAll(subscriber);
  producer.join();
  EXPECT_EQ(test::CheckEquation({.produced = produced}, taken.account), "");
  EXPECT_TRUE(taken.account.gaps.empty());
}

TEST_F(Library, WhatRetentionHasPassedIsAGap) {
  const std::string produced = test::MakeRecords(4, 24 * kMiB);
  PublisherOptions publishing = Publishing();
  publishing.retain_bytes = kMiB;
  Publisher publisher(publishing);
  SubscriberOptions reading = Reading();
  reading.hold_bytes = 4 * kMiB;
  Subscriber subscriber(reading);
  ASSERT_TRUE(publisher.WaitForSubscribers(1, kPatience));
  publisher.Write(produced);
  std::thread producer([&] { EXPECT_EQ(publisher.Close(), std::vector<std::string>()); });
  const Taken taken = TakeAll(subscriber);
  producer.join();
  EXPECT_EQ(test::CheckEquation({.produced = produced}, taken.account), "");
  EXPECT_FALSE(taken.account.gaps.empty());
  EXPECT_TRUE(taken.in_order);
}

TEST_F(Library, WithWaitTheProducerWaitsForTheReader) {
  const std::string produced = test::MakeRecords(5, 16 * kMiB);
  PublisherOptions publishing = Publishing();
  publishing.retain_bytes = kMiB;
  publishing.wait = true;
  Publisher publisher(publishing);
  Subscriber subscriber(Reading());
  ASSERT_TRUE(publisher.WaitForSubscribers(1, kPatience));
  std::thread producer([&] {
    publisher.Write(produced);
    EXPECT_EQ(publisher.Close(), std::vector<std::string>());
  });
  const Taken taken = TakeAll(subscriber);
  producer.join();
  EXPECT_EQ(taken.account.delivered.size(), produced.size());
  EXPECT_TRUE(taken.account.delivered == produced);
}

TEST_F(Library, AReaderGoesOnWhereAnEarlierOneHasStopped) {
  const std::string produced = test::MakeRecords(6, 4 * kMiB);
  Publisher publisher(Publishing());
  publisher.Write(produced);
  std::string delivered;
  ResumePoint point;
  {
    Subscriber first(Reading());
    const Taken taken =
        TakeUntil(first, [](const Taken& so_far) { return so_far.account.position > kMiB; });
    delivered = taken.account.delivered;
    point = first.resume_point();
  }
  EXPECT_EQ(point.position, delivered.size());
  EXPECT_EQ(point.stream, "demo");
  SubscriberOptions reading = Reading();
  reading.resume = point;
  Subscriber second(reading);
  std::thread producer([&] { EXPECT_EQ(publisher.Close(), std::vector<std::string>()); });
  const Taken taken = TakeAll(second);
  producer.join();
  ASSERT_EQ(taken.begins.size(), 1U);
  EXPECT_TRUE(taken.begins[0].continues);
  EXPECT_TRUE(delivered + taken.account.delivered == produced);
}

TEST_F(Library, APublisherThatIsDestroyedHasVanishedAndIsNoEnd) {
  std::optional<Publisher> publisher(Publishing());
  SubscriberOptions reading = Reading();
  reading.give_up = 3s;
  reading.dead_after = 1s;
  Subscriber subscriber(reading);
  ASSERT_TRUE(publisher->WaitForSubscribers(1, kPatience));
  publisher->Write("one\n");
  Taken taken = TakeUntil(
      subscriber, [](const Taken& so_far) { return so_far.account.delivered == "one\n"; });
  publisher.reset();
  const Taken rest = TakeAll(subscriber);
  EXPECT_FALSE(rest.end);
  ASSERT_TRUE(rest.failure);
  EXPECT_EQ(rest.failure->kind, Subscriber::Failure::Kind::kVanished);
}

TEST_F(Library, ADurableStreamGoesOnInTheNextPublisher) {
  PublisherOptions publishing = Publishing();
  publishing.journal = directory_.path() + "/journal";
  std::optional<Publisher> publisher(publishing);
  const SessionId session = publisher->session();
  SubscriberOptions reading = Reading();
  reading.give_up = 0ns;
  reading.dead_after = 1s;
  Subscriber subscriber(reading);
  ASSERT_TRUE(publisher->WaitForSubscribers(1, kPatience));
  publisher->Write("one\ntw");  // what was written is kept, whole records or not
  publisher.reset();
  publisher.emplace(publishing);
  EXPECT_EQ(publisher->session(), session);
  publisher->Write("o\nthree\n");
  std::thread producer([&] { EXPECT_EQ(publisher->Close(), std::vector<std::string>()); });
  const Taken taken = TakeAll(subscriber);
  producer.join();
  EXPECT_EQ(taken.account.delivered, "one\ntwo\nthree\n");
  EXPECT_TRUE(taken.end);
}

TEST_F(Library, WithFollowTheNextSessionIsReadToo) {
  std::optional<Publisher> publisher(Publishing());
  SubscriberOptions reading = Reading();
  reading.follow = true;
  Subscriber subscriber(reading);
  ASSERT_TRUE(publisher->WaitForSubscribers(1, kPatience));
  publisher->Write("one\n");
  std::thread producer([&] {
    EXPECT_EQ(publisher->Close(), std::vector<std::string>());
    publisher.emplace(Publishing());
    publisher->Write("two\n");
  });
  const Taken taken = TakeUntil(
      subscriber, [](const Taken& so_far) { return so_far.account.delivered == "one\ntwo\n"; });
  producer.join();
  EXPECT_EQ(taken.account.delivered, "one\ntwo\n");
  EXPECT_TRUE(taken.end);
  ASSERT_EQ(taken.begins.size(), 2U);
  EXPECT_EQ(taken.begins[1].session, publisher->session());
  EXPECT_EQ(taken.begins[1].position, 0U);
  EXPECT_FALSE(subscriber.over());
}

TEST_F(Library, NobodyThereAndNotLetInAreSaid) {
  SubscriberOptions reading = Reading();
  reading.give_up = 200ms;
  Subscriber lonely(reading);
  const Taken nothing = TakeAll(lonely);
  ASSERT_TRUE(nothing.failure);
  EXPECT_EQ(nothing.failure->kind, Subscriber::Failure::Kind::kUnreachable);

  Publisher publisher(Publishing());
  reading = Reading();
  reading.stream = "other";
  Subscriber refused(reading);
  const Taken no = TakeAll(refused);
  ASSERT_TRUE(no.failure);
  EXPECT_EQ(no.failure->kind, Subscriber::Failure::Kind::kRefused);
  EXPECT_NE(no.failure->text.find("demo"), std::string::npos) << no.failure->text;
}

TEST_F(Library, OneThatTookThePlaceOfAnotherIsNoRefusal) {
  std::optional<Publisher> publisher(Publishing());
  SubscriberOptions reading = Reading();
  reading.dead_after = 1s;
  Subscriber subscriber(reading);
  ASSERT_TRUE(publisher->WaitForSubscribers(1, kPatience));
  publisher.reset();
  publisher.emplace(Publishing());
  const Taken taken = TakeAll(subscriber);
  ASSERT_TRUE(taken.failure);
  EXPECT_EQ(taken.failure->kind, Subscriber::Failure::Kind::kVanished);
}

TEST_F(Library, WhatComesAfterAFailureIsNotTakenForRead) {
  PublisherOptions publishing = Publishing();
  publishing.journal = directory_.path() + "/journal";
  std::optional<Publisher> publisher(publishing);
  SubscriberOptions reading = Reading();
  reading.give_up = 3s;
  reading.dead_after = 1s;
  Subscriber subscriber(reading);
  ASSERT_TRUE(publisher->WaitForSubscribers(1, kPatience));
  publisher->Write("one\n");
  EXPECT_EQ(TakeUntil(subscriber,
                      [](const Taken& taken) { return taken.account.delivered == "one\n"; })
                .account.delivered,
            "one\n");
  publisher.reset();
  EXPECT_TRUE(TakeAll(subscriber).failure);
  publishing.linger = 2s;
  std::vector<std::string> said;
  publishing.log = [&](std::string_view text) { said.emplace_back(text); };
  publisher.emplace(publishing);  // it knows this subscriber, and waits for it
  publisher->Write("two\n");
  (void)publisher->Close();
  publisher.reset();
  // If it came, then to say that it leaves.
  const auto count = [&](std::string_view what) {
    return std::ranges::count_if(said,
                                 [&](const auto& text) { return text.starts_with(what); });
  };
  EXPECT_EQ(count("joined"), count("left"));
  EXPECT_EQ(subscriber.resume_point().position, 4U);
}

TEST_F(Library, APointWhoseSessionIsGoneIsAGapUnlessThatHadEnded) {
  ResumePoint point = {"demo", 7, 100, false};
  Publisher publisher(Publishing());
  publisher.Write("one\n");
  for (const bool ended : {false, true}) {
    point.ended = ended;
    SubscriberOptions reading = Reading();
    reading.resume = point;
    Subscriber subscriber(reading);
    std::vector<Gap> gaps;
    std::string delivered;
    while (delivered.empty()) {
      const auto item = subscriber.Next(kPatience);
      ASSERT_TRUE(item);
      if (const auto* gap = std::get_if<Gap>(&*item)) gaps.push_back(*gap);
      if (const auto* block = std::get_if<Subscriber::Block>(&*item))
        delivered += TextOf(*block);
    }
    EXPECT_EQ(delivered, "one\n");
    ASSERT_EQ(gaps.size(), ended ? 0U : 1U);
    if (ended) continue;
    EXPECT_EQ(gaps[0].session, 7U);
    EXPECT_EQ(gaps[0].from, 100U);
    EXPECT_EQ(gaps[0].bytes(), 0U);
  }
}

TEST_F(Library, TheLastRecordsAreFoundWithTheLeastRoomThatIsAllowed) {
  Publisher publisher(Publishing());
  publisher.Write(test::MakeRecords(7, 6 * kMiB));
  publisher.Write("the last one\n");
  SubscriberOptions reading = Reading();
  reading.from = {StartAt::Kind::kLast, 1};
  reading.hold_bytes = 4 * kMiB;
  Subscriber subscriber(reading);
  const Taken taken = TakeUntil(
      subscriber, [](const Taken& so_far) { return !so_far.account.delivered.empty(); });
  EXPECT_EQ(taken.account.delivered, "the last one\n");
}

TEST_F(Library, CloseWaitsForAWriteThatWaits) {
  const std::string produced = test::MakeRecords(8, 8 * kMiB);
  PublisherOptions publishing = Publishing();
  publishing.retain_bytes = kMiB;
  publishing.wait = true;
  publishing.linger = std::chrono::nanoseconds::max();  // for ever
  Publisher publisher(publishing);
  SubscriberOptions reading = Reading();
  reading.hold_bytes = 4 * kMiB;
  Subscriber subscriber(reading);
  ASSERT_TRUE(publisher.WaitForSubscribers(1, kPatience));
  std::thread producer([&] { publisher.Write(produced); });
  const Taken some = TakeUntil(
      subscriber, [](const Taken& so_far) { return !so_far.account.delivered.empty(); });
  std::thread closer([&] { EXPECT_EQ(publisher.Close(), std::vector<std::string>()); });
  const Taken rest = TakeAll(subscriber);
  producer.join();
  closer.join();
  EXPECT_TRUE(some.account.delivered + rest.account.delivered == produced);
}

TEST_F(Library, StopEndsANextThatWaits) {
  Publisher publisher(Publishing());
  Subscriber subscriber(Reading());
  std::thread stopper([&] {
    EXPECT_TRUE(publisher.WaitForSubscribers(1, kPatience));
    subscriber.Stop();
  });
  EXPECT_FALSE(subscriber.Next());
  EXPECT_TRUE(subscriber.over());
  stopper.join();
}

TEST_F(Library, AReaderThatLeavesIsNotWaitedFor) {
  Publisher publisher(Publishing());
  {
    Subscriber subscriber(Reading());
    ASSERT_TRUE(publisher.WaitForSubscribers(1, kPatience));
  }
  publisher.Write("one\n");
  EXPECT_EQ(publisher.Close(), std::vector<std::string>());
  EXPECT_THROW(publisher.Write("two\n"), std::runtime_error);
}

TEST_F(Library, OptionsThatMakeNoSenseAreRefused) {
  const auto refused = [&](auto change) {
    PublisherOptions options = Publishing();
    change(&options);
    EXPECT_THROW(Publisher{options}, std::runtime_error);
  };
  refused([](PublisherOptions* options) { options->stream = "no/name"; });
  refused([](PublisherOptions* options) { options->bind = {"tcp://0.0.0.0:0"}; });
  refused([](PublisherOptions* options) { options->retain_bytes = 1; });
  refused([](PublisherOptions* options) { options->zstd_level = 20; });
  refused([](PublisherOptions* options) { options->bind.clear(); });
  refused([](PublisherOptions* options) { options->stall_limit = -1s; });
  refused([](PublisherOptions* options) { options->allow_keys = "/nonexistent"; });
  SubscriberOptions options = Reading();
  options.endpoints = {"no such endpoint"};
  EXPECT_THROW(Subscriber{options}, std::runtime_error);
  options = Reading();
  options.server_key = "/nonexistent";
  EXPECT_THROW(Subscriber{options}, std::runtime_error);
  options = Reading();
  options.give_up = -1s;
  EXPECT_THROW(Subscriber{options}, std::runtime_error);
  options = Reading();
  options.hold_bytes = kMiB;
  EXPECT_THROW(Subscriber{options}, std::runtime_error);
  options = Reading();
  options.stream = "web*";
  EXPECT_THROW(Subscriber{options}, std::runtime_error);
}

}  // namespace
}  // namespace pipedup
