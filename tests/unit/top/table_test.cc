#include "top/table.h"

#include <gtest/gtest.h>

#include "base/display.h"
#include "views.h"

namespace pipedup::top {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

TEST(Table, ShowsStreamsAndThenSubscribersThoseThatLagMostFirst) {
  StreamView stream =
      MakeStream("web", 4096, {{"quick", 0, 0, 0, 2048.0}, {"slow", 3072, 12.4, 10, 1024.0}});
  stream.rate = 2048;
  stream.stats.subscribers[1].mode = control::Mode::kCatchUp;
  stream.stats.subscribers[1].key = "ops";
  EXPECT_EQ(
      TableLines({MakeEndpoint({stream})}, {}),
      (Lines{
          "STREAM  STATE    RATE  HEAD  KEPT  SUBS   LAG  BEHIND  LOST  AT",
          "web     live   2KiB/s  4KiB  3KiB     2  3KiB     12s   10B  tcp://127.0.0.1:5590",
          "", "SUBSCRIBER  STREAM  ROLE  MODE        RATE   LAG  BEHIND  LOST  FROM",
          "slow        web     sub   catch-up  1KiB/s  3KiB     12s   10B  worker 192.0.2.17 "
          "(key ops)",
          "quick       web     sub   live      2KiB/s    0B      0s    0B  worker "
          "192.0.2.17"}));
}

TEST(Table, ShowsTheServersOfACluster) {
  StreamView stream = MakeStream("web", 4096, {{"nats://n1,n2/web"}});
  control::SubscriberRow& row = stream.stats.subscribers[0];
  row.host = row.address = "";
  row.replicas = {{"n1", control::ReplicaState::kLeader},
                  {"n2\x1b[2J", control::ReplicaState::kAway}};
  const Lines lines = TableLines({MakeEndpoint({stream})}, {});
  EXPECT_TRUE(lines.back().ends_with("  n1 leader, n2\\x1b[2J away")) << lines.back();
  const Lines colored = TableLines({MakeEndpoint({stream})}, {.color = true});
  EXPECT_TRUE(colored.back().ends_with("away\x1b[0m")) << colored.back();
}

TEST(Table, EndpointsThatDoNotAnswerComeFirst) {
  EndpointView away;
  away.endpoint = "tcp://relay:5590";
  away.state = EndpointView::State::kAway;
  away.silent = 65s;
  EndpointView refused;
  refused.endpoint = "tcp://old:5590";
  refused.state = EndpointView::State::kRefused;
  refused.why = "unknown-op";
  EndpointView asked;
  asked.endpoint = "ipc:///x";
  const Lines lines = TableLines(
      {MakeEndpoint({MakeStream("web", 0, {})}), away, refused, asked}, {.columns = 200});
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_TRUE(lines[1].starts_with("-       away 1m5s")) << lines[1];
  EXPECT_TRUE(lines[2].starts_with("-       refused")) << lines[2];
  EXPECT_TRUE(lines[2].ends_with("tcp://old:5590 (unknown-op)")) << lines[2];
  EXPECT_TRUE(lines[3].starts_with("-       - ")) << lines[3];
  EXPECT_TRUE(lines[4].starts_with("web     live")) << lines[4];
}

TEST(Table, WhatAnEndpointHadBeforeItWentAwayIsNamedAndNotShownAsItWas) {
  EndpointView away = MakeEndpoint({MakeStream("web", 4096, {{"reader", 5}})});
  away.state = EndpointView::State::kAway;
  const Lines lines = TableLines({away}, {});
  ASSERT_EQ(lines.size(), 2U) << "no subscribers";
  EXPECT_TRUE(lines[1].starts_with("web     away 0s")) << lines[1];
  EXPECT_EQ(lines[1].find("4KiB"), std::string::npos) << lines[1];
}

TEST(Table, SaysWhichStreamsHaveEndedOrWait) {
  StreamView ended = MakeStream("a", 1, {});
  ended.ended = true;
  StreamView waits = MakeStream("b", 1, {{"x", 1}});
  waits.stats.subscribers[0].holds = true;
  const Lines lines = TableLines({MakeEndpoint({ended, waits})}, {});
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_TRUE(lines[1].starts_with("b       waits")) << lines[1];
  EXPECT_TRUE(lines[2].starts_with("a       ended")) << lines[2];
  EXPECT_NE(lines[5].find("live, holds"), std::string::npos) << lines[5];
}

TEST(Table, TextOfPeersCannotSteerTheTerminal) {
  StreamView stream = MakeStream("web", 9, {{"\x1b[2J\x07\u202e", 1}});
  stream.stats.subscribers[0].host = "\x9b\r\n";
  stream.stats.subscribers[0].key = "\x1b]0;x";
  stream.stats.subscribers[0].address = "\b";
  EndpointView refused;
  refused.state = EndpointView::State::kRefused;
  refused.why = "\x1b[1m";
  for (const bool utf8 : {false, true}) {
    for (const std::string& line :
         TableLines({MakeEndpoint({stream}), refused}, {.utf8 = utf8})) {
      for (const char c : line) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << line;
    }
  }
}

TEST(Table, ColumnsAreCountedAsTheyAreSeen) {
  const StreamView stream = MakeStream("web", 9, {{"名前", 1}, {"abcd", 0}});
  const Lines lines = TableLines({MakeEndpoint({stream})}, {.utf8 = true});
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_TRUE(lines[4].starts_with("名前        web ")) << lines[4];
  EXPECT_TRUE(lines[5].starts_with("abcd        web ")) << lines[5];
}

TEST(Table, NoLineIsLongerThanTheTerminal) {
  const StreamView stream =
      MakeStream("web", 9, {{std::string(256, 'n'), 1}, {"名前名前名前名前名前", 1}});
  for (std::size_t columns = 1; columns < 120; ++columns) {
    for (const bool color : {false, true}) {
      for (std::string line : TableLines({MakeEndpoint({stream})},
                                         {.columns = columns, .color = color, .utf8 = true})) {
        for (std::size_t at = line.find('\x1b'); at != std::string::npos;
             at = line.find('\x1b')) {
          line.erase(at, line.find('m', at) - at + 1);
        }
        EXPECT_LE(DisplayColumns(line), columns) << line;
      }
    }
  }
}

TEST(Table, ColorsAreForTheEyeOnly) {
  StreamView stream = MakeStream("web", 4096, {{"slow", 3072, 12, 10}});
  stream.stats.subscribers[0].mode = control::Mode::kCatchUp;
  const std::vector<EndpointView> view = {MakeEndpoint({stream})};
  const Lines plain = TableLines(view, {});
  const Lines colored = TableLines(view, {.color = true});
  ASSERT_EQ(plain.size(), colored.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    std::string line = colored[i];
    for (std::size_t at = line.find('\x1b'); at != std::string::npos; at = line.find('\x1b')) {
      line.erase(at, line.find('m', at) - at + 1);
    }
    EXPECT_EQ(line, plain[i]);
  }
  EXPECT_NE(colored.back().find("\x1b[33mcatch-up"), std::string::npos) << colored.back();
}

TEST(Table, SubscribersThatDidNotFitIntoTheAnswerAreCounted) {
  StreamView stream = MakeStream("web", 9, {{"a", 1}});
  stream.stats.subscribers_total = 5001;
  EXPECT_EQ(TableLines({MakeEndpoint({stream})}, {}).back(), "and 5000 that lag less");
}

}  // namespace
}  // namespace pipedup::top
