// The stream as server-sent events: where they resume, what they say of gaps and of the end.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "e2e/http_test_base.h"

namespace pipedup::test {
namespace {

/// The data of all records, one a line.
std::string Lines(const std::vector<HttpEvent>& events) {
  std::string text;
  for (const HttpEvent& event : events) {
    if (event.name == "message") text += event.data + "\n";
  }
  return text;
}

std::vector<HttpEvent> Named(const std::vector<HttpEvent>& events, const std::string& name) {
  std::vector<HttpEvent> found;
  for (const HttpEvent& event : events) {
    if (event.name == name) found.push_back(event);
  }
  return found;
}

TEST_F(HttpTest, EachRecordIsAnEventWhoseIdIsThePositionBehindIt) {
  Publish(
      Publisher::Setup{.producer = {"sh", "-c", "printf 'one\\ntwo\\r\\n\\nthree'; exec cat"}});
  const auto reader = Get("/events?from=start");
  ASSERT_TRUE(reader->WaitForText("data: two"));
  publisher_->Signal(SIGTERM);
  (void)reader->ReadToTheEnd();
  EXPECT_TRUE(reader->complete());
  const std::vector<HttpEvent> events = ParseEvents(reader->body());
  ASSERT_EQ(6u, events.size()) << reader->body();
  const std::string at = "@" + publisher_->session();
  EXPECT_EQ("session", events[0].name);
  EXPECT_EQ("0" + at, events[0].id);
  EXPECT_EQ(publisher_->session(), Json::parse(events[0].data).at("session"));
  EXPECT_EQ("one\ntwo\n\nthree\n", Lines(events));
  EXPECT_EQ("4" + at, events[1].id);
  EXPECT_EQ("9" + at, events[2].id);
  EXPECT_EQ("10" + at, events[3].id);
  EXPECT_EQ("15" + at, events[4].id);
  EXPECT_EQ("end", events[5].name);
  EXPECT_EQ(15u, Json::parse(events[5].data).at("position"));
  EXPECT_EQ(128 + SIGTERM, Json::parse(events[5].data).at("status"));
}

TEST_F(HttpTest, AReaderOfEventsResumesBehindTheLastOneThatItHasSeen) {
  Publish();
  const std::string lines = MakeLines('A', 2000);
  const std::size_t part = lines.size() / 10;
  std::vector<HttpEvent> seen;
  std::string last = "0";
  for (std::size_t i = 0; i < 5; ++i) {
    const auto reader = Get("/events?from=now", {{"Last-Event-ID", last}});
    ASSERT_EQ(200, reader->status());
    ASSERT_TRUE(publisher_->Write(lines.substr(i * part, part)));
    ASSERT_TRUE(reader->WaitForText("data: A"));
    for (const HttpEvent& event : ParseEvents(reader->body())) {
      seen.push_back(event);
      last = event.id;
    }
  }  // each is cut off, wherever it is
  const auto reader = Get("/events", {{"Last-Event-ID", last}});
  ASSERT_EQ(200, reader->status());
  ASSERT_TRUE(publisher_->WriteAndEnd(lines.substr(5 * part)));
  (void)reader->ReadToTheEnd();
  const std::vector<HttpEvent> rest = ParseEvents(reader->body());
  seen.insert(seen.end(), rest.begin(), rest.end());
  EXPECT_EQ(lines, Lines(seen));
  EXPECT_EQ("end", seen.back().name);
}

TEST_F(HttpTest, AReaderOfAnotherSessionGetsAllOfThisOneAndHearsThatItMayHaveMissedSome) {
  Publish();
  ASSERT_TRUE(publisher_->Write("new\n"));
  ASSERT_TRUE(WaitForHead(4));
  const auto reader = Get("/events", {{"Last-Event-ID", "3@00000000000000aa"}});
  ASSERT_TRUE(reader->WaitForText("data: new"));
  EXPECT_EQ("0", reader->header("pipedup-position"));
  const HttpEvent first = ParseEvents(reader->body()).front();
  ASSERT_EQ("gap", first.name) << reader->body();
  EXPECT_EQ("3@00000000000000aa", first.id);
  const Json gap = Json::parse(first.data);
  EXPECT_EQ("00000000000000aa", gap.at("session"));
  EXPECT_EQ(3u, gap.at("from"));
  EXPECT_TRUE(gap.at("to").is_null());
}

TEST_F(HttpTest, EventsGoOnThroughARestartOfAPublisherWithAJournal) {
  const Words options = {"--journal", directory_ / "journal"};
  Publish(options);
  ASSERT_TRUE(publisher_->Write("one\n"));
  const auto before = Get("/events?from=start");
  ASSERT_TRUE(before->WaitForText("data: one"));
  publisher_->Signal(SIGKILL);
  (void)publisher_->Wait();
  Publish(options);
  ASSERT_TRUE(publisher_->Write("two\n"));
  const std::string last = ParseEvents(before->body()).back().id;
  const auto after = Get("/events", {{"Last-Event-ID", last}});
  ASSERT_TRUE(after->WaitForText("data: two"));
  EXPECT_EQ("two\n", Lines(ParseEvents(after->body())));
}

TEST_F(HttpTest, WhoeverHasSeenTheEndIsToldNotToAskAgain) {
  Publish({"--linger", "1m"});
  const auto holds = Get("/stream?from=0");
  const auto reader = Get("/events?from=start");
  ASSERT_EQ(200, holds->status());
  ASSERT_TRUE(publisher_->WriteAndEnd(MakeRecords(21, 32 * kMiB)));
  (void)reader->ReadToTheEnd();
  ASSERT_TRUE(reader->complete());
  const std::string last = ParseEvents(reader->body()).back().id;
  EXPECT_EQ(204, Get("/events", {{"Last-Event-ID", last}})->status());
  (void)holds->ReadToTheEnd();
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
}

TEST_F(HttpTest, AGapIsAnEventAndWhatCouldBeKeptComesAroundIt) {
  Publish({"--retain", "1MiB"});
  const auto began = Clock::now();
  const std::string lines = MakeLines('B', 1'000'000);
  const auto slow = Get("/events?from=start");
  ASSERT_EQ(200, slow->status());
  ASSERT_TRUE(publisher_->Write(lines));
  ASSERT_TRUE(WaitForHead(lines.size()));
  publisher_->CloseInput();
  (void)slow->ReadToTheEnd();
  EXPECT_TRUE(slow->complete());
  const std::vector<HttpEvent> events = ParseEvents(slow->body());
  const std::vector<HttpEvent> gaps = Named(events, "gap");
  ASSERT_FALSE(gaps.empty());
  // Delivered, and reported lost, is what was produced: the positions say of which bytes. A
  // record that a gap cuts comes in two parts.
  std::uint64_t at = 0;
  for (const HttpEvent& event : events) {
    const std::uint64_t behind = std::stoull(event.id);
    if (event.name == "gap") {
      const Json gap = Json::parse(event.data);
      ASSERT_EQ(at, gap.at("from"));
      ASSERT_EQ(behind, gap.at("to"));
      ASSERT_EQ(behind - at, gap.at("bytes"));
    } else if (event.name == "message") {
      const std::string there = lines.substr(at, behind - at);
      ASSERT_EQ(there, event.data + (there.ends_with('\n') ? "\n" : "")) << "at " << at;
    }
    at = behind;
  }
  EXPECT_EQ(lines.size(), at);
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
  // All of it is said, and no line for each.
  std::uint64_t said = 0;
  std::uint64_t bytes = 0;
  for (const Json& event : publisher_->events("http-gap")) {
    said += event.at("gaps").get<std::uint64_t>();
    bytes += event.at("bytes").get<std::uint64_t>();
  }
  std::uint64_t lost = 0;
  for (const HttpEvent& gap : gaps)
    lost += Json::parse(gap.data).at("bytes").get<std::uint64_t>();
  EXPECT_EQ(gaps.size(), said);
  EXPECT_EQ(lost, bytes);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - began);
  EXPECT_LE(publisher_->events("http-gap").size(),
            static_cast<std::size_t>(seconds.count()) + 2)
      << "at most one a second, and one at the end";
}

}  // namespace
}  // namespace pipedup::test
