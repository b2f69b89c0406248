#include "top/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "views.h"

namespace pipedup::top {
namespace {

using nlohmann::json;

TEST(TopJson, IsOneObjectOnOneLineWithStableMembers) {
  StreamView stream = MakeStream("web", 4096, {{"slow", 3072, 12.5, 10, 1024.0}});
  stream.rate = 2048;
  stream.stats.counters = {{"blocks", 7}};
  const std::string text = JsonText({MakeEndpoint({stream})}, 1'700'000'000'000'000'000);
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  EXPECT_EQ(json::parse(text), json::parse(R"({
    "time": "2023-11-14T22:13:20.000000Z",
    "endpoints": [{"endpoint": "tcp://127.0.0.1:5590", "state": "answers", "streams": [{
      "stream": "web", "session": "1f2e3d4c5b6a7988", "ended": false, "tail": 1024,
      "head": 4096, "bytes_per_second": 2048.0, "lag_bytes": 3072, "lag_seconds": 12.5,
      "lost_bytes": 10, "counters": {"blocks": 7}, "subscribers_total": 1,
      "subscribers": [{"id": "0a0b0", "name": "slow", "host": "worker", "pid": 0,
        "address": "192.0.2.17", "key": "", "role": "sub", "mode": "live", "position": 1024,
        "bytes_per_second": 1024.0, "lag_bytes": 3072, "lag_seconds": 12.5, "lost_bytes": 10,
        "holds": false}]}]}]})"));
}

TEST(TopJson, HasTheServersOfACluster) {
  StreamView stream = MakeStream("web", 1, {{"nats://n1,n2/web"}, {"other"}});
  stream.stats.subscribers[0].replicas = {{"n1", control::ReplicaState::kLeader},
                                          {"n2", control::ReplicaState::kBehind}};
  const json object = json::parse(JsonText({MakeEndpoint({stream})}, 0));
  const json& rows = object["endpoints"][0]["streams"][0]["subscribers"];
  EXPECT_EQ(rows[0]["replicas"], json::parse(R"([{"name": "n1", "state": "leader"},
                                                 {"name": "n2", "state": "behind"}])"));
  EXPECT_FALSE(rows[1].contains("replicas"));
}

TEST(TopJson, WhatIsNotKnownIsNull) {
  const json object = json::parse(JsonText({MakeEndpoint({MakeStream("web", 1, {{"a"}})})}, 0));
  const json& stream = object["endpoints"][0]["streams"][0];
  EXPECT_TRUE(stream["bytes_per_second"].is_null());
  EXPECT_TRUE(stream["subscribers"][0]["bytes_per_second"].is_null());
}

TEST(TopJson, SaysWhoDoesNotAnswer) {
  EndpointView away;
  away.state = EndpointView::State::kAway;
  away.silent = std::chrono::milliseconds(2500);
  EndpointView refused;
  refused.state = EndpointView::State::kRefused;
  refused.why = "too-many-requests";
  const json object = json::parse(JsonText({away, refused, EndpointView()}, 0));
  EXPECT_EQ(object["endpoints"][0]["state"], "away");
  EXPECT_EQ(object["endpoints"][0]["silent_seconds"], 2.5);
  EXPECT_EQ(object["endpoints"][1]["state"], "refused");
  EXPECT_EQ(object["endpoints"][1]["why"], "too-many-requests");
  EXPECT_EQ(object["endpoints"][2]["state"], "asked");
  EXPECT_TRUE(object["endpoints"][2]["streams"].empty());
}

TEST(TopJson, TextOfPeersCannotSteerTheTerminal) {
  const std::string text =
      JsonText({MakeEndpoint({MakeStream("web", 1, {{"\x1b[2J\x7f\u009b\xff"}})})}, 0);
  for (const char c : text.substr(0, text.size() - 1)) {
    EXPECT_TRUE(c >= 0x20 && c < 0x7f) << text;
  }
}

}  // namespace
}  // namespace pipedup::top
