// How long to wait before a link that has fallen silent is made anew.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/units.h"

namespace pipedup {

/// Subscribers that fell silent together do not come back together, and those that are not
/// answered, as a publisher that has been started again has hundreds to answer, ask less and
/// less often. ZeroMQ goes on trying to connect meanwhile, so that a publisher that comes back
/// is found within its pauses, not these.
class RemakePause {
 public:
  explicit RemakePause(Duration dead_after) : dead_after_(dead_after) {}

  /// The pause before the next link: up to a quarter of dead_after, at most 1 s; after links on
  /// which nothing was `heard`, half of dead_after or more, doubled each time, up to four times
  /// dead_after. `random` is any number.
  Duration Next(bool heard, std::uint64_t random) {
    in_vain_ = heard ? 0 : in_vain_ + 1;
    if (in_vain_ < 2) return UpTo(std::min<Duration>(dead_after_ / 4, kLongestFirst), random);
    const Duration most = dead_after_ * (1 << std::min(in_vain_ - 2, kMostDoubled));
    return most / 2 + UpTo(most / 2, random);
  }

 private:
  static constexpr Duration kLongestFirst = std::chrono::seconds(1);
  static constexpr int kMostDoubled = 2;

  static Duration UpTo(Duration most, std::uint64_t random) {
    const auto count = static_cast<std::uint64_t>(most.count()) + 1;
    return Duration(static_cast<Duration::rep>(random % count));
  }

  const Duration dead_after_;
  int in_vain_ = 0;  // links in a row
};

}  // namespace pipedup
