#include "http/routes.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/sanitizer.h"
#include "journal/journal.h"
#include "support/no_descriptors.h"
#include "unit/journal/journal_test_base.h"

namespace pipedup::http {
namespace {

class RoutesTest : public ::testing::Test {
 protected:
  using Values = std::map<std::string, std::string>;

  Answer Get(const std::string& path, const Values& parameters = {},
             const Values& headers = {}) {
    const auto in = [](const Values& values) {
      return [&values](const char* name) -> std::optional<std::string> {
        const auto found = values.find(name);
        return found == values.end() ? std::nullopt : std::optional(found->second);
      };
    };
    return routes_.Respond({"GET", path, in(parameters), in(headers)});
  }
  std::shared_ptr<Stream> Publish(const std::string& name, const std::string& bytes) {
    JournalOptions options;
    options.session = 42;
    options.retain_bytes = 1024 * 1024;
    options.wall_clock = WallNow;
    journals_.push_back(std::make_unique<Journal>(std::move(options)));
    auto stream = hub_.Add(name, *journals_.back());
    journals_.back()->Append(AsBytes(bytes));
    journals_.back()->PublishAll();
    return stream;
  }
  /// All that a body has to say for now.
  std::string Read(Body& body, TimePoint now = Clock::now()) {
    std::string text;
    std::array<char, 1000> part;
    std::size_t count = 0;
    while ((last_ = body.Fill(part, &count, now)) == Body::Outcome::kBytes) {
      text.append(part.data(), count);
    }
    return text;
  }

  Hub hub_;
  std::vector<std::unique_ptr<Journal>> journals_;
  Routes routes_{hub_, {}};
  Body::Outcome last_{};
};

TEST_F(RoutesTest, HealthIsThatTheLoopTurns) {
  EXPECT_EQ(503u, Get("/healthz").status);
  hub_.Beat();
  EXPECT_EQ(200u, Get("/healthz").status);
}

TEST_F(RoutesTest, WithoutAStreamItIsToBeAskedAgain) {
  EXPECT_EQ(503u, Get("/stream").status);
  EXPECT_EQ(503u, Get("/events").status);
  EXPECT_EQ(503u, Get("/readyz").status);
}

TEST_F(RoutesTest, OfSeveralStreamsOneHasToBeNamed) {
  Publish("b", "of b\n");
  Publish("a", "of a\n");
  const Answer answer = Get("/stream");
  EXPECT_EQ(400u, answer.status);
  EXPECT_NE(std::string::npos, answer.text.find("a, b")) << answer.text;
  const Answer named = Get("/stream", {{"stream", "b"}, {"from", "start"}});
  ASSERT_TRUE(named.body);
  EXPECT_EQ("of b\n", Read(*named.body));
  EXPECT_EQ(404u, Get("/stream", {{"stream", "c"}}).status);
}

TEST_F(RoutesTest, ABodyWaitsAtTheHeadAndEndsWithTheStream) {
  const auto stream = Publish("a", "one\n");
  const Answer answer = Get("/stream", {{"from", "0"}});
  EXPECT_EQ("one\n", Read(*answer.body));
  EXPECT_EQ(Body::Outcome::kWait, last_);
  EXPECT_FALSE(answer.body->HasMore(Clock::now()));
  journals_[0]->Append(AsBytes("two\n"));
  journals_[0]->PublishAll();
  EXPECT_TRUE(answer.body->HasMore(Clock::now()));
  EXPECT_EQ("two\n", Read(*answer.body));
  hub_.End(*stream, 0);
  EXPECT_TRUE(answer.body->HasMore(Clock::now()));
  EXPECT_EQ("", Read(*answer.body));
  EXPECT_EQ(Body::Outcome::kEnd, last_);
}

TEST_F(RoutesTest, ASilentStreamOfEventsShowsNowAndThenThatItIsThere) {
  Publish("a", "one\n");
  const Answer answer = Get("/events");
  const TimePoint now = Clock::now();
  EXPECT_NE("", Read(*answer.body, now));
  EXPECT_EQ("", Read(*answer.body, now));
  EXPECT_FALSE(answer.body->HasMore(now + std::chrono::seconds(10)));
  EXPECT_TRUE(answer.body->HasMore(now + std::chrono::seconds(20)));
  EXPECT_EQ(":\n\n", Read(*answer.body, now + std::chrono::seconds(20)));
  EXPECT_FALSE(answer.body->HasMore(now + std::chrono::seconds(20)));
}

TEST_F(RoutesTest, ABodyIsBrokenOffWhenItsStreamGoesWithoutAnEnd) {
  const auto stream = Publish("a", "one\n");
  const Answer bytes = Get("/stream", {{"from", "0"}});
  const Answer events = Get("/events", {{"from", "0"}});
  hub_.Remove(stream);
  Read(*bytes.body);
  EXPECT_EQ(Body::Outcome::kBroken, last_);
  Read(*events.body);
  EXPECT_EQ(Body::Outcome::kBroken, last_);
}

TEST_F(RoutesTest, WhatIsUnreadOfASessionThatIsOverIsAGapAndOfOneThatGoesOnElsewhereIsNone) {
  for (const bool over : {true, false}) {
    const auto stream = Publish("a", "one\ntwo\n");
    BytesBody bytes(stream, 0);
    EventsBody events(stream, 0);
    EventsBody has_all(stream, 8);
    if (over) hub_.Retire(*stream);
    hub_.Leave(*stream);
    EXPECT_EQ(2u, stream->readers().Behind(8).readers);
    const Readers::Unread unread = hub_.Remove(stream);
    EXPECT_EQ(2u, unread.readers);
    EXPECT_EQ(16u, unread.bytes);
    EventsBody late(stream, 4);
    for (Body* const body : {static_cast<Body*>(&events), static_cast<Body*>(&late)}) {
      EXPECT_EQ(over, Read(*body).find("event: gap") != std::string::npos);
      EXPECT_EQ(Body::Outcome::kBroken, last_);
    }
    EXPECT_EQ(std::string::npos, Read(has_all).find("event: gap"));
    EXPECT_EQ(Body::Outcome::kBroken, last_);
    EXPECT_EQ("", Read(bytes));
    EXPECT_EQ(Body::Outcome::kBroken, last_);
    EXPECT_EQ(over ? 3u : 6u, stream->counters().cut_off.load()) << "of both sessions";
    EXPECT_EQ(20u * (over ? 1 : 2), stream->counters().cut_off_bytes.load());
  }
}

TEST_F(RoutesTest, WhatRetentionHasDroppedIsGoneAndCounted) {
  const auto stream = Publish("a", "");
  const std::string line = std::string(999, 'x') + "\n";
  const Answer early = Get("/stream", {{"from", "0"}});
  for (int i = 0; i < 4000; ++i) {
    journals_[0]->Append(AsBytes(line));
    journals_[0]->PublishAll();
  }
  const Position tail = journals_[0]->tail();
  ASSERT_GT(tail, 0u);
  Read(*early.body);
  EXPECT_EQ(Body::Outcome::kBroken, last_);
  const Answer late = Get("/stream", {{"from", "10"}});
  EXPECT_EQ(410u, late.status);
  EXPECT_NE(std::string::npos, late.text.find("from=" + std::to_string(tail)));
  EXPECT_EQ(1u, stream->counters().gaps.load()) << "a gap is counted once";
  EXPECT_EQ(tail, stream->counters().gap_bytes.load());
  EXPECT_EQ(1u, stream->counters().gone.load());
  const Answer start = Get("/stream", {{"from", "start"}});
  EXPECT_EQ(4000u * 1000u - tail, Read(*start.body).size()) << "it begins with a record";
}

TEST_F(RoutesTest, WithoutADescriptorAReaderIsBrokenOffAndNoOtherOneBegins) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer itself needs descriptors, to look at memory";
  const TemporaryDirectory directory;
  JournalOptions options;
  options.directory = directory.path();
  options.session = 42;
  options.wall_clock = WallNow;
  options.warn = [](const std::string&) {};
  options.durable = JournalOptions::Durable{.stream = "a", .boot = "boot"};
  for (int run = 0; run < 2; ++run) {
    journals_.clear();
    journals_.push_back(std::make_unique<Journal>(options));
    journals_.back()->Append(AsBytes("one\ntwo\n"));
    journals_.back()->PublishAll();
  }
  const auto stream = hub_.Add("a", *journals_.back());
  BytesBody bytes(stream, 0);
  EventsBody events(stream, 0);
  const NoDescriptors none;
  EXPECT_EQ("", Read(bytes));
  EXPECT_EQ(Body::Outcome::kBroken, last_);
  EXPECT_EQ(std::string::npos, Read(events).find("gap"));
  EXPECT_EQ(Body::Outcome::kBroken, last_);
  EXPECT_EQ(2u, stream->counters().out_of_reach.load());
  for (const char* const from : {"start", "0", "last:5"}) {
    EXPECT_EQ(503u, Get("/stream", {{"from", from}}).status) << from;
  }
  EXPECT_EQ(503u, Get("/events", {{"from", "start"}}).status);
}

TEST_F(RoutesTest, ThePageHasANonceThatNobodyCanKnow) {
  const Answer first = Get("/");
  const Answer second = Get("/");
  EXPECT_EQ(200u, first.status);
  EXPECT_EQ(std::string::npos, first.text.find("@NONCE@"));
  EXPECT_NE(first.headers[0].second, second.headers[0].second);
}

TEST(Metrics, EscapeTheNamesOfStreams) {
  EXPECT_EQ(R"(a\\b\"c\nd)", LabelValue("a\\b\"c\nd"));
}

}  // namespace
}  // namespace pipedup::http
