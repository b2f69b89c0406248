// How fast a count grows. Pure: times are given.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/clock.h"
#include "base/units.h"

namespace pipedup {

/// Over a sliding window: from the last sample that is at least `window` old to the newest one.
class RateMeter {
 public:
  explicit RateMeter(Duration window) : window_(window) {}

  /// `total` at `now`, which never runs backwards. A smaller total than before is another
  /// count: what was measured is forgotten.
  void Add(TimePoint now, std::uint64_t total);
  /// Nothing before there are two samples of different times.
  std::optional<double> PerSecond() const;

 private:
  struct Sample {
    TimePoint at;
    std::uint64_t total = 0;
  };
  Duration window_;
  std::deque<Sample> samples_;
};

}  // namespace pipedup
