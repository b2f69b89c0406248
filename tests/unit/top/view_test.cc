#include "top/view.h"

#include <gtest/gtest.h>

#include "top/rates.h"
#include "views.h"

namespace pipedup::top {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> Names(const StreamView& stream) {
  std::vector<std::string> names;
  for (const auto& row : stream.stats.subscribers) names.push_back(row.name);
  return names;
}

TEST(View, AStreamIsAsFarBehindAsItsSlowestSubscriber) {
  const StreamView stream = MakeStream("web", 1000, {{"a", 7, 0.5, 1}, {"b", 5, 2.5, 2}});
  EXPECT_EQ(stream.lag_bytes(), 7U);
  EXPECT_EQ(stream.lag_seconds(), 2.5);
  EXPECT_EQ(stream.lost(), 3U);
  EXPECT_EQ(MakeStream("web", 1000, {}).lag_bytes(), 0U);
}

TEST(View, ClaimsOfPeersDoNotWrap) {
  EXPECT_EQ(MakeStream("web", 9, {{"a", 0, 0, UINT64_MAX}, {"b", 0, 0, 5}}).lost(), UINT64_MAX);
}

TEST(View, IsSortedByWhatIsAskedFor) {
  const std::vector<std::pair<Sort, std::vector<std::string>>> expected = {
      {Sort::kLag, {"c", "a", "b"}},
      {Sort::kRate, {"b", "c", "a"}},
      {Sort::kLost, {"a", "b", "c"}},
      {Sort::kName, {"a", "b", "c"}}};
  for (const auto& [sort, names] : expected) {
    EndpointView endpoint = MakeEndpoint(
        {MakeStream("x", 100, {{"b", 1, 0, 2, 9.0}, {"c", 3, 0, 0, 5.0}, {"a", 2, 0, 7}})});
    SortView(sort, &endpoint);
    EXPECT_EQ(Names(endpoint.streams[0]), names);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(endpoint.streams[0].subscribers[i].has_value(), names[i] != "a")
          << "a rate stays with its row";
    }
  }
}

TEST(Rates, AreThoseBetweenTwoAnswers) {
  Rates rates(2s);
  std::vector<StreamView> streams = {MakeStream("x", 1000, {{"a", 100}})};
  rates.Fill(TimePoint(10s), &streams);
  EXPECT_FALSE(streams[0].rate);
  EXPECT_FALSE(streams[0].subscribers[0]);
  streams = {MakeStream("x", 1500, {{"a", 200}})};
  rates.Fill(TimePoint(11s), &streams);
  EXPECT_EQ(streams[0].rate, 500.0);
  EXPECT_EQ(streams[0].subscribers[0], 400.0);
}

TEST(Rates, OfAnotherSessionBeginAnew) {
  Rates rates(2s);
  std::vector<StreamView> streams = {MakeStream("x", 1000, {})};
  rates.Fill(TimePoint(10s), &streams);
  streams[0].stats.session = 5;
  streams[0].stats.head = 9000;
  rates.Fill(TimePoint(11s), &streams);
  EXPECT_FALSE(streams[0].rate);
}

TEST(Rates, OfWhoeverLeavesAreForgotten) {
  Rates rates(2s);
  std::vector<StreamView> streams = {MakeStream("x", 1000, {{"a", 100}})};
  rates.Fill(TimePoint(10s), &streams);
  std::vector<StreamView> none;
  rates.Fill(TimePoint(11s), &none);
  rates.Fill(TimePoint(12s), &streams);
  EXPECT_FALSE(streams[0].rate);
  EXPECT_FALSE(streams[0].subscribers[0]);
}

}  // namespace
}  // namespace pipedup::top
