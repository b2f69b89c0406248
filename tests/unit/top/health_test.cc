#include "top/health.h"

#include <gtest/gtest.h>

#include "views.h"

namespace pipedup::top {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

constexpr std::uint64_t kMiB = 1024 * 1024;

Texts ProblemsOf(const std::vector<EndpointView>& endpoints, const HealthBounds& bounds = {},
                 const std::string& streams = "*") {
  return Problems(endpoints, bounds, streams, "no answer within 2s");
}

const std::vector<EndpointView> kWell = {
    MakeEndpoint({MakeStream("web", 100 * kMiB, {{"a", 2 * kMiB, 3, 10}})})};

TEST(Health, AnEndpointThatAnswersAndHasAStreamIsWell) {
  EXPECT_EQ(ProblemsOf(kWell), Texts());
}

TEST(Health, AnEndpointThatDoesNotAnswerIsNot) {
  EndpointView away;
  away.endpoint = "tcp://a:5590";
  away.state = EndpointView::State::kAway;
  EndpointView asked;
  asked.endpoint = "tcp://b:5590";
  EndpointView refused;
  refused.endpoint = "tcp://c:5590";
  refused.state = EndpointView::State::kRefused;
  refused.why = "unknown-op\x1b";
  EXPECT_EQ(ProblemsOf({kWell[0], away, asked, refused}),
            (Texts{"tcp://a:5590: no answer within 2s", "tcp://b:5590: no answer within 2s",
                   "tcp://c:5590: refused: unknown-op\\x1b"}));
}

TEST(Health, AnEndpointWithoutTheStreamIsNot) {
  EXPECT_EQ(ProblemsOf({MakeEndpoint({})}), Texts{"tcp://127.0.0.1:5590: no stream is there"});
  EXPECT_EQ(ProblemsOf({MakeEndpoint({})}, {}, "web"),
            Texts{"tcp://127.0.0.1:5590: no stream 'web'"});
}

TEST(Health, EachBoundIsKeptUpToItself) {
  EXPECT_EQ(ProblemsOf(kWell, {.max_lag = 2 * kMiB}), Texts());
  EXPECT_EQ(ProblemsOf(kWell, {.max_lag = kMiB}),
            Texts{"tcp://127.0.0.1:5590: stream 'web': subscriber 'a' at 192.0.2.17 is 2MiB "
                  "behind, more than --max-lag 1MiB"});
  EXPECT_EQ(ProblemsOf(kWell, {.max_lag_time = 3s}), Texts());
  EXPECT_EQ(ProblemsOf(kWell, {.max_lag_time = 2500ms}),
            Texts{"tcp://127.0.0.1:5590: stream 'web': subscriber 'a' at 192.0.2.17 is 3s "
                  "behind, more than --max-lag-time 2.5s"});
  EXPECT_EQ(ProblemsOf(kWell, {.max_lost = 10}), Texts());
  EXPECT_EQ(ProblemsOf(kWell, {.max_lost = 0}),
            Texts{"tcp://127.0.0.1:5590: stream 'web': subscriber 'a' at 192.0.2.17 has lost "
                  "10B, more than --max-lost 0B"});
  EXPECT_EQ(ProblemsOf(kWell, {.min_subs = 1}), Texts());
  EXPECT_EQ(
      ProblemsOf(kWell, {.min_subs = 2}),
      Texts{"tcp://127.0.0.1:5590: stream 'web': 1 subscribers, fewer than --min-subs 2"});
}

TEST(Health, SubscribersMayLeaveAStreamThatHasEnded) {
  StreamView ended = MakeStream("web", 1, {});
  ended.ended = true;
  EXPECT_EQ(ProblemsOf({MakeEndpoint({ended})}, {.min_subs = 1}), Texts());
}

TEST(Health, NamesThatComeFromPeersAreEscaped) {
  const Texts problems =
      ProblemsOf({MakeEndpoint({MakeStream("web", 9, {{"\x1b[2J", 5}})})}, {.max_lag = 1});
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_NE(problems[0].find("'\\x1b[2J'"), std::string::npos) << problems[0];
}

}  // namespace
}  // namespace pipedup::top
