// The ends that are meant: of the stream, of a subscriber, of its reader.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "support/content.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

constexpr auto kUntilAnyByte = Expected::Until::kAnyByte;

TEST(End, OfTheStreamIsStatusZeroForEverybody) {
  const TempDir directory;
  Publisher publisher(directory, {"--wait-subs", "2"});
  Subscriber one(directory, publisher.endpoint());
  Subscriber two(directory, publisher.endpoint());
  ASSERT_TRUE(publisher.WriteAndEnd("a\nb\n"));
  EXPECT_EQ(0, one.Wait()) << one.log();
  EXPECT_EQ(0, two.Wait()) << two.log();
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
  EXPECT_TRUE(one.said("end"));
}

TEST(End, WithoutSubscribersIsImmediate) {
  const TempDir directory;
  Publisher publisher(directory);
  ASSERT_TRUE(publisher.WriteAndEnd("a\n"));
  EXPECT_EQ(0, publisher.Wait());
}

TEST(End, CountStopsAfterExactlyThatManyRecords) {
  const TempDir directory;
  const std::string bytes =
      MakeLines('a', 5) + std::string(3 * kMiB, 'r') + "\n" + MakeRecords(1, kMiB);
  Publisher publisher(directory);
  std::vector<std::pair<std::size_t, std::unique_ptr<Subscriber>>> subscribers;
  for (const std::size_t count : {1u, 5u, 6u, 7u, 1000u}) {
    subscribers.emplace_back(count,
                             std::make_unique<Subscriber>(
                                 directory, publisher.endpoint(),
                                 Words{"--from", "start", "--count", std::to_string(count)}));
    ASSERT_TRUE(subscribers.back().second->WaitUntilLive());
  }
  ASSERT_TRUE(publisher.Write(bytes));
  for (auto& [count, subscriber] : subscribers) {
    SCOPED_TRACE(count);
    ASSERT_EQ(0, subscriber->Wait()) << subscriber->log();
    const Account account = subscriber->account();
    EXPECT_EQ("", CheckEquation({.produced = bytes, .until = kUntilAnyByte}, account));
    std::size_t end = 0;
    for (std::size_t i = 0; i < count; ++i) end = bytes.find('\n', end) + 1;
    EXPECT_EQ(end, account.delivered.size());
    EXPECT_EQ(end, account.position);
  }
  publisher.CloseInput();
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

// Connections are torn down while they are written to, with blocks from one line to 256 KiB.
TEST(End, SubscribersLeaveWhileBlocksOfAllSizesAreSent) {
  const TempDir directory;
  Publisher publisher(directory, {"--slow", "wait"});
  Subscriber stays(directory, publisher.endpoint());
  ASSERT_TRUE(stays.WaitUntilLive());
  std::string produced;
  const auto write = [&](const std::string& bytes) {
    produced += bytes;
    return publisher.Write(bytes);
  };
  for (int round = 0; round < 4; ++round) {
    std::vector<std::unique_ptr<Subscriber>> leaving;
    for (const char* count : {"1", "50", "200", "300", "301", "2000"}) {
      leaving.push_back(std::make_unique<Subscriber>(directory, publisher.endpoint(),
                                                     Words{"--count", count}));
      ASSERT_TRUE(leaving.back()->WaitUntilLive());
    }
    for (int line = 0; line < 300; ++line) ASSERT_TRUE(write(MakeLines('a', 1)));
    ASSERT_TRUE(write(MakeLines('b', 200'000)));
    for (const auto& subscriber : leaving) {
      EXPECT_EQ(0, subscriber->Wait()) << subscriber->log();
    }
  }
  publisher.CloseInput();
  EXPECT_EQ(0, stays.Wait()) << stays.log();
  EXPECT_EQ("", CheckEquation({.produced = produced}, stays.account()));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

TEST(End, CountOfMoreThanTheStreamHasEndsWithIt) {
  const TempDir directory;
  Publisher publisher(directory, {"--wait-subs", "1"});
  Subscriber subscriber(directory, publisher.endpoint(), {"--count", "100"});
  ASSERT_TRUE(publisher.WriteAndEnd("a\nb"));
  EXPECT_EQ(0, subscriber.Wait());
  EXPECT_EQ("a\nb", subscriber.delivered());
}

TEST(End, TimeoutIsStatus124) {
  const TempDir directory;
  Publisher publisher(directory);
  Subscriber subscriber(directory, publisher.endpoint(), {"--timeout", "300ms"});
  EXPECT_EQ(124, subscriber.Wait()) << subscriber.log();
  Subscriber alone(directory, "ipc://" + directory / "nobody", {"--timeout", "300ms"});
  EXPECT_EQ(124, alone.Wait()) << alone.log();
}

TEST(End, ASignalEndsASubscriberWithWhatItHasWritten) {
  const TempDir directory;
  const std::string bytes = MakeRecords(2, 32 * kMiB);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    SCOPED_TRACE(signal);
    Publisher publisher(directory, {"--wait-subs", "1"});
    Subscriber subscriber(directory, publisher.endpoint());
    ASSERT_TRUE(publisher.Write(std::string_view(bytes).substr(0, 4 * kMiB)));
    ASSERT_TRUE(subscriber.WaitForBytes(kMiB));
    publisher.WriteWhatFits(std::string_view(bytes).substr(4 * kMiB));
    subscriber.Signal(signal);
    ASSERT_EQ(128 + signal, subscriber.Wait()) << subscriber.log();
    const Account account = subscriber.account();
    EXPECT_EQ("", CheckEquation({.produced = bytes, .until = kUntilAnyByte}, account));
    EXPECT_EQ(account.position, account.delivered.size());
    publisher.CloseInput();
    EXPECT_EQ(0, publisher.Wait()) << publisher.log();
  }
}

TEST(End, ASignalEndsASubscriberWhoseConsumerDoesNotRead) {
  const TempDir directory;
  const std::string bytes = MakeRecords(3, 8 * kMiB);
  Publisher publisher(directory, {"--wait-subs", "1"});
  Subscriber subscriber(publisher.endpoint(), {}, Stdio::Pipe());
  ASSERT_TRUE(publisher.Write(bytes));
  ASSERT_EQ(100u, subscriber.Read(100).size());
  subscriber.Signal(SIGTERM);
  ASSERT_EQ(143, subscriber.Wait()) << subscriber.log();
  std::string delivered = bytes.substr(0, 100) + subscriber.ReadAll();
  const Account account = subscriber.account(std::move(delivered));
  EXPECT_EQ("", CheckEquation({.produced = bytes, .until = kUntilAnyByte}, account));
  EXPECT_EQ(account.position, account.delivered.size());
}

TEST(End, ASignalToThePublisherIsTheEndOfTheStreamForSubscribers) {
  const TempDir directory;
  const std::string bytes = MakeRecords(4, kMiB);
  Publisher publisher(directory, {"--wait-subs", "2"});
  Subscriber one(directory, publisher.endpoint());
  Subscriber two(directory, publisher.endpoint());
  ASSERT_TRUE(one.WaitUntilLive());
  ASSERT_TRUE(two.WaitUntilLive());
  const std::size_t early = bytes.size() / 2;
  ASSERT_TRUE(publisher.Write(std::string_view(bytes).substr(0, early)));
  ASSERT_TRUE(one.WaitForBytes(early / 2));
  ASSERT_TRUE(publisher.Write(std::string_view(bytes).substr(early)));
  publisher.Signal(SIGTERM);
  EXPECT_EQ(143, publisher.Wait()) << publisher.log();
  for (Subscriber* subscriber : {&one, &two}) {
    ASSERT_EQ(0, subscriber->Wait()) << subscriber->log();
    EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber->account()))
        << "what had been written before the signal is published";
  }
}

TEST(End, AReaderThatLeavesAnIdleStreamEndsItsSubscriberQuietly) {
  const TempDir directory;
  const std::string before = "first\nsecond\n";
  const std::string after = MakeLines('z', 100);
  Publisher publisher(directory, {"--wait-subs", "2"});
  Subscriber other(directory, publisher.endpoint());
  Subscriber subscriber(publisher.endpoint(), {}, Stdio::Pipe());
  UniqueFd output = subscriber.TakeOutput();
  Process head({.argv = {"head", "-n", "1"},
                .input = Stdio::Descriptor(output.get()),
                .output = Stdio::Pipe()});
  output.Reset();
  ASSERT_TRUE(publisher.Write(before));
  EXPECT_EQ("first\n", head.ReadAll());
  EXPECT_EQ(0, head.Wait());
  // Nothing more is published: it has to notice by itself.
  ASSERT_EQ(141, subscriber.Wait()) << subscriber.log();
  EXPECT_TRUE(subscriber.events("failed").empty() && subscriber.events("output").empty())
      << subscriber.log();
  ASSERT_TRUE(publisher.WriteAndEnd(after));
  EXPECT_EQ(0, other.Wait()) << other.log();
  EXPECT_EQ("", CheckEquation({.produced = before + after}, other.account()));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

TEST(End, AReaderThatLeavesInTheMiddleSaysNothingInText) {
  const TempDir directory;
  Publisher publisher(directory, {"--wait-subs", "1"});
  Process subscriber({.argv = {SubscriberBinary(), publisher.endpoint()},
                      .input = Stdio::Null(),
                      .output = Stdio::Pipe()});
  ASSERT_TRUE(publisher.Write(MakeRecords(5, 4 * kMiB)));
  EXPECT_EQ(10u, subscriber.Read(10).size());
  subscriber.TakeOutput().Reset();
  EXPECT_EQ(141, subscriber.Wait());
  EXPECT_EQ("", subscriber.log());
}

TEST(End, LingerIsOverForAStoppedSubscriberAndThePublisherSaysWho) {
  const TempDir directory;
  Publisher publisher(directory, {"--linger", "5s"});
  Subscriber stopped(directory, publisher.endpoint(), {"--name", "sleepy"});
  Subscriber other(directory, publisher.endpoint());
  ASSERT_TRUE(stopped.WaitUntilLive());
  ASSERT_TRUE(other.WaitUntilLive());
  ASSERT_TRUE(publisher.Write("a\n"));
  ASSERT_TRUE(stopped.WaitForBytes(2));
  stopped.Signal(SIGSTOP);
  ASSERT_TRUE(publisher.WriteAndEnd("b\n"));
  EXPECT_EQ(0, other.Wait()) << other.log();
  EXPECT_EQ(3, publisher.Wait()) << publisher.log();
  const auto said = publisher.events("unconfirmed");
  ASSERT_EQ(1u, said.size()) << publisher.log();
  EXPECT_NE(std::string::npos, said[0].at("message").get<std::string>().find("sleepy"));
}

TEST(End, ASubscriberThatContinuesWithinLingerGetsEverything) {
  const TempDir directory;
  Publisher publisher(directory);
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(subscriber.WaitUntilLive());
  subscriber.Signal(SIGSTOP);
  const std::string bytes = MakeRecords(6, 4 * kMiB);
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  ASSERT_TRUE(publisher.running());
  subscriber.Signal(SIGCONT);
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account()));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

}  // namespace
}  // namespace pipedup::test
