#include "base/rate_meter.h"

#include <gtest/gtest.h>

namespace pipedup {
namespace {

using namespace std::chrono_literals;

TEST(RateMeter, NeedsTwoSamples) {
  RateMeter meter(1s);
  EXPECT_FALSE(meter.PerSecond());
  meter.Add(TimePoint(5s), 100);
  EXPECT_FALSE(meter.PerSecond());
  meter.Add(TimePoint(5s), 200);
  EXPECT_FALSE(meter.PerSecond()) << "of one moment";
  meter.Add(TimePoint(7s), 300);
  EXPECT_EQ(meter.PerSecond(), 50.0);
}

TEST(RateMeter, ForgetsWhatIsOlderThanItsWindow) {
  RateMeter meter(1s);
  std::uint64_t total = 0;
  for (int i = 0; i < 10; ++i) meter.Add(TimePoint(i * 250ms), total += 1000);
  EXPECT_EQ(meter.PerSecond(), 4000.0);
  for (int i = 10; i < 14; ++i) meter.Add(TimePoint(i * 250ms), total);
  EXPECT_EQ(meter.PerSecond(), 0.0);
}

TEST(RateMeter, MeasuresOverALongPauseWhatCameInIt) {
  RateMeter meter(1s);
  meter.Add(TimePoint(0s), 0);
  meter.Add(TimePoint(10s), 1000);
  EXPECT_EQ(meter.PerSecond(), 100.0);
}

TEST(RateMeter, BeginsAnewWhenTheTotalFalls) {
  RateMeter meter(1s);
  meter.Add(TimePoint(0s), 1000);
  meter.Add(TimePoint(1s), 2000);
  meter.Add(TimePoint(2s), 10);
  EXPECT_FALSE(meter.PerSecond());
  meter.Add(TimePoint(3s), 30);
  EXPECT_EQ(meter.PerSecond(), 20.0);
}

}  // namespace
}  // namespace pipedup
