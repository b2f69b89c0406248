// Waiting in tests: for something to be the case, never for time to pass.
#pragma once

#include <chrono>
#include <thread>

namespace pipedup::test {

using Clock = std::chrono::steady_clock;
using Duration = Clock::duration;

/// How long something may take that a working program does at once. Generous, as it only ever
/// passes where a test fails.
inline constexpr Duration kPatience = std::chrono::seconds(40);

/// Asks until `is_true()` is; false when `patience` was over first.
template <typename Predicate>
[[nodiscard]] bool Eventually(Predicate is_true, Duration patience = kPatience) {
  const auto deadline = Clock::now() + patience;
  while (!is_true()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace pipedup::test
