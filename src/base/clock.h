// Time comes in through this seam, so that tests can own it.
#pragma once

#include <chrono>
#include <cstdint>

namespace pipedup {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

/// Wall-clock time, ns since the Unix epoch.
inline std::int64_t WallNow() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace pipedup
