// Endpoints with different streams: whole records are interleaved, and each stream is complete.
#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/content.h"
#include "support/programs.h"
#include "support/same.h"

namespace pipedup::test {
namespace {

/// The records of `merged` that begin with `label`, as they come.
std::string Only(const std::string& merged, char label) {
  std::string all;
  for (std::size_t begin = 0; begin < merged.size();) {
    const std::size_t found = merged.find('\n', begin);
    const std::size_t end = found == std::string::npos ? merged.size() : found + 1;
    if (merged[begin] == label) all.append(merged, begin, end - begin);
    begin = end;
  }
  return all;
}

class MergeTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kLines = 100'000;

  void Start(const Words& options = {}) {
    for (std::size_t i = 0; i < 2; ++i) {
      Words all = {"--stream", i == 0 ? "a" : "b"};
      all.insert(all.end(), options.begin(), options.end());
      publishers_[i] = std::make_unique<Publisher>(directory_, all);
    }
  }
  Subscriber Subscribe(Words options = {}) {
    options.push_back(publishers_[1]->endpoint());
    return Subscriber(directory_, publishers_[0]->endpoint(), options);
  }
  void WriteBoth(const std::string& a, const std::string& b) {
    std::thread feeder([&] { EXPECT_TRUE(publishers_[0]->WriteAndEnd(a)); });
    EXPECT_TRUE(publishers_[1]->WriteAndEnd(b));
    feeder.join();
  }

  const TempDir directory_;
  std::array<std::unique_ptr<Publisher>, 2> publishers_;
};

TEST_F(MergeTest, EachStreamIsCompleteAndNoRecordIsTorn) {
  Start({"--wait-subs", "1"});
  Subscriber subscriber = Subscribe({"--from", "start"});
  const std::string a = MakeLines('a', kLines);
  const std::string b = MakeLines('b', kLines);
  WriteBoth(a, b);
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  const std::string merged = subscriber.delivered();
  EXPECT_EQ(a.size() + b.size(), merged.size());
  EXPECT_TRUE(Same(a, Only(merged, 'a')));
  EXPECT_TRUE(Same(b, Only(merged, 'b')));
  EXPECT_EQ(0, publishers_[0]->Wait()) << publishers_[0]->log();
  EXPECT_EQ(0, publishers_[1]->Wait()) << publishers_[1]->log();
  EXPECT_EQ(2u, subscriber.events("stream-stats").size());
}

TEST_F(MergeTest, RecordsInPiecesAndLongerThanWhatIsHeldStayWhole) {
  Start({"--wait-subs", "1", "--max-delay", "1ms"});
  Subscriber subscriber = Subscribe({"--from", "start"});
  const std::string long_record = "b" + std::string(3 * kMiB, '.') + "\n";
  const std::string b = MakeLines('b', 1000) + long_record + MakeLines('b', 1000);
  std::string a;
  std::thread feeder([&] { EXPECT_TRUE(publishers_[1]->WriteAndEnd(b)); });
  for (int i = 0; i < 200; ++i) {
    const std::string record = "a" + std::string(static_cast<std::size_t>(i) * 10, '-');
    EXPECT_TRUE(publishers_[0]->Write(record));  // in two pieces
    EXPECT_TRUE(publishers_[0]->Write("\n"));
    a += record + "\n";
  }
  publishers_[0]->CloseInput();
  feeder.join();
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_TRUE(Same(a, Only(subscriber.delivered(), 'a')));
  EXPECT_TRUE(Same(b, Only(subscriber.delivered(), 'b')));
}

TEST_F(MergeTest, AnUnfinishedLastRecordIsEndedWhereAnotherStreamGoesOn) {
  Start({"--wait-subs", "1"});
  Subscriber subscriber = Subscribe({"--from", "start", "--prefix"});
  ASSERT_TRUE(publishers_[1]->Write("b1\n"));
  ASSERT_TRUE(subscriber.WaitForBytes(6)) << subscriber.log();
  ASSERT_TRUE(publishers_[0]->WriteAndEnd("a1\na2"));
  ASSERT_TRUE(subscriber.WaitForBytes(17)) << subscriber.log();
  ASSERT_TRUE(publishers_[1]->WriteAndEnd("b2"));
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("b: b1\na: a1\na: a2\nb: b2", subscriber.delivered());
}

TEST_F(MergeTest, AStreamThatVanishesIsSaidAndTheOtherGoesOn) {
  Start({"--wait-subs", "1"});
  Subscriber subscriber = Subscribe({"--from", "start", "--give-up", "4s"});
  const std::string a = MakeLines('a', 100);
  const std::string b = MakeLines('b', 100);
  ASSERT_TRUE(publishers_[0]->Write(a));
  ASSERT_TRUE(publishers_[1]->Write(b));
  ASSERT_TRUE(subscriber.WaitForBytes(a.size() + b.size())) << subscriber.log();
  publishers_[0]->Signal(SIGKILL);
  ASSERT_TRUE(subscriber.WaitForEvent("unreachable")) << subscriber.log();
  ASSERT_TRUE(publishers_[1]->WriteAndEnd(b));
  ASSERT_EQ(4, subscriber.Wait()) << subscriber.log();
  EXPECT_TRUE(Same(a, Only(subscriber.delivered(), 'a')));
  EXPECT_TRUE(Same(b + b, Only(subscriber.delivered(), 'b')));
}

TEST_F(MergeTest, GapsAreOfTheStreamThatHasThem) {
  Start({"--retain", "1MiB"});
  const std::string much = MakeLines('b', 200'000);
  const std::string a = MakeLines('a', 100);
  ASSERT_TRUE(publishers_[0]->Write(a));
  ASSERT_TRUE(publishers_[1]->Write(much));
  Subscriber subscriber = Subscribe({"--from", "0"});
  ASSERT_TRUE(publishers_[0]->WaitForJoined(1));
  ASSERT_TRUE(publishers_[1]->WaitForJoined(1));
  publishers_[0]->CloseInput();
  publishers_[1]->CloseInput();
  ASSERT_EQ(3, subscriber.Wait()) << subscriber.log();
  EXPECT_TRUE(Same(a, Only(subscriber.delivered(), 'a')));
  const auto gaps = subscriber.events("gap");
  ASSERT_FALSE(gaps.empty());
  for (const Json& gap : gaps) EXPECT_EQ("b", gap.at("stream"));
}

TEST_F(MergeTest, CountIsOfAllTogether) {
  Start();
  ASSERT_TRUE(publishers_[0]->Write(MakeLines('a', 1000)));
  ASSERT_TRUE(publishers_[1]->Write(MakeLines('b', 1000)));
  Subscriber subscriber = Subscribe({"--last", "500", "--count", "700"});
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  const std::string merged = subscriber.delivered();
  EXPECT_EQ(700, std::count(merged.begin(), merged.end(), '\n'));
}

TEST_F(MergeTest, ConsumersReadAllStreams) {
  Start({"--wait-subs", "1"});
  const std::string a = MakeLines('a', kLines);
  const std::string b = MakeLines('b', kLines);
  const std::string out = directory_ / "out";
  Subscriber subscriber = Subscribe({"--from", "start", "--exec", "cat > " + out});
  WriteBoth(a, b);
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_TRUE(Same(a, Only(ReadFile(out), 'a')));
  EXPECT_TRUE(Same(b, Only(ReadFile(out), 'b')));
}

TEST_F(MergeTest, BothAreWaitedForWhereTheyAreToldTo) {
  Start({"--slow", "wait", "--wait-subs", "1", "--retain", "1MiB"});
  Subscriber subscriber = Subscribe({"--from", "start"});
  const std::string a = MakeLines('a', 3 * kLines);
  const std::string b = MakeLines('b', 3 * kLines);
  WriteBoth(a, b);
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_TRUE(Same(a, Only(subscriber.delivered(), 'a')));
  EXPECT_TRUE(Same(b, Only(subscriber.delivered(), 'b')));
  EXPECT_EQ(0, publishers_[0]->Wait()) << publishers_[0]->log();
  EXPECT_EQ(0, publishers_[1]->Wait()) << publishers_[1]->log();
}

TEST(Pattern, AllStreamsThatMatchAreReadAlsoThoseThatComeLater) {
  const TempDir directory;
  const auto start = [&](const std::string& stream, const std::string& endpoint) {
    return std::make_unique<Publisher>(directory,
                                       Words{"--stream", stream, "--bind", endpoint});
  };
  const auto endpoint = [] { return "tcp://127.0.0.1:" + std::to_string(FreePortPair()); };
  const std::array<std::string, 3> at{endpoint(), endpoint(), endpoint()};
  const auto web1 = start("web1", at[0]);
  const auto other = start("other", at[1]);
  Subscriber subscriber(directory, at[0],
                        {"-s", "web*", "--from", "start", "--prefix", at[1], at[2]});
  ASSERT_TRUE(web1->WaitForJoined(1)) << subscriber.log();
  ASSERT_TRUE(web1->Write("one\n"));
  ASSERT_TRUE(other->Write("not asked for\n"));
  ASSERT_TRUE(subscriber.WaitForBytes(10)) << subscriber.log();
  const auto web2 = start("web2", at[2]);
  ASSERT_TRUE(web2->WaitForJoined(1)) << subscriber.log();
  ASSERT_TRUE(web2->WriteAndEnd("two\n"));
  ASSERT_TRUE(subscriber.WaitForBytes(20)) << subscriber.log();
  ASSERT_TRUE(web1->WriteAndEnd("three\n"));
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("web1: one\nweb2: two\nweb1: three\n", subscriber.delivered());
  EXPECT_EQ(0u, other->events("joined").size()) << other->log();
  EXPECT_EQ(0, web1->Wait());
  EXPECT_EQ(0, web2->Wait());
}

TEST(Pattern, WhereNoStreamMatchesItIsSaid) {
  const TempDir directory;
  Publisher publisher(directory, {"--stream", "other"});
  Subscriber subscriber(directory, publisher.endpoint(), {"-s", "web?"});
  const auto waiting = subscriber.WaitForEvent("waiting");
  ASSERT_TRUE(waiting) << subscriber.log();
  EXPECT_NE(std::string::npos, waiting->at("message").get<std::string>().find("'web?'"));
  subscriber.Signal(SIGTERM);
  EXPECT_EQ(128 + SIGTERM, subscriber.Wait());
}

TEST(Pattern, ACursorHasNone) {
  const Outcome outcome =
      RunToEnd({.argv = {SubscriberBinary(), "-s", "web*", "--cursor", "/tmp/c"}});
  EXPECT_EQ(2, outcome.status);
  ASSERT_EQ(1u, outcome.errors.size());
}

TEST_F(MergeTest, ACursorIsOfOneStream) {
  Start();
  Subscriber subscriber = Subscribe({"--cursor", directory_ / "cursor"});
  EXPECT_EQ(2, subscriber.Wait()) << subscriber.log();
  const auto said = subscriber.WaitForEvent("cursor");
  ASSERT_TRUE(said) << subscriber.log();
}

}  // namespace
}  // namespace pipedup::test
