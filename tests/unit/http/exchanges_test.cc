// Which connections have to go: those that take too long, and the oldest where room is short.
#include "http/exchanges.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace pipedup::http {
namespace {

using namespace std::chrono_literals;

class ExchangesTest : public ::testing::Test {
 protected:
  /// Something that identifies connection `i`.
  const void* Id(std::size_t i) const { return &ids_[i]; }
  bool Open(std::size_t i, Duration at) {
    return exchanges_.Open(Id(i), static_cast<int>(i), TimePoint(at));
  }

  std::array<char, 100> ids_{};
  std::vector<int> closed_;
  Exchanges exchanges_{{.most = 32, .request = 15s, .answer = 60s},
                       [this](int descriptor) { closed_.push_back(descriptor); }};
};

TEST_F(ExchangesTest, ARequestHasATimeLimitHoweverOftenAByteOfItComes) {
  EXPECT_TRUE(Open(0, 0s));
  EXPECT_FALSE(Open(1, 10s));
  EXPECT_TRUE(exchanges_.Look(TimePoint(15s)));
  EXPECT_TRUE(closed_.empty());
  exchanges_.Look(TimePoint(16s));
  exchanges_.Look(TimePoint(17s));
  EXPECT_EQ(std::vector<int>{0}, closed_) << "once";
  exchanges_.Gone(Id(0));
  EXPECT_TRUE(exchanges_.Look(TimePoint(18s)));
  exchanges_.Gone(Id(1));
  EXPECT_FALSE(exchanges_.Look(TimePoint(18s)));
}

TEST_F(ExchangesTest, TheNextRequestBeginsItAnewAndAStreamHasNone) {
  for (std::size_t i = 0; i < 3; ++i) Open(i, 0s);
  exchanges_.TakesAnswer(Id(0), TimePoint(10s));
  exchanges_.TakesAnswer(Id(1), TimePoint(10s));
  exchanges_.AwaitsRequest(Id(1), TimePoint(11s));
  exchanges_.TakesStream(Id(2), TimePoint(10s));
  exchanges_.Look(TimePoint(26s));
  EXPECT_TRUE(closed_.empty());
  exchanges_.Look(TimePoint(27s));
  EXPECT_EQ(std::vector<int>{1}, closed_);
  exchanges_.Look(TimePoint(1h));
  EXPECT_EQ((std::vector<int>{1, 0}), closed_);
}

TEST_F(ExchangesTest, TheOldestThatIsNoReaderMakesRoom) {
  for (std::size_t i = 0; i < 20; ++i) {
    Open(i, 0s);
    exchanges_.TakesStream(Id(i), TimePoint(0s));
  }
  for (std::size_t i = 20; i < 28; ++i) Open(i, std::chrono::seconds(i));
  exchanges_.TakesAnswer(Id(20), TimePoint(30s));
  EXPECT_TRUE(closed_.empty()) << "there is room";
  Open(28, 31s);
  EXPECT_EQ(std::vector<int>{21}, closed_);
  Open(29, 31s);
  EXPECT_EQ((std::vector<int>{21, 22}), closed_);
}

}  // namespace
}  // namespace pipedup::http
