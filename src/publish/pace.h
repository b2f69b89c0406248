// How soon one block may follow another, so that many subscribers are not sent each line alone.
#pragma once

#include <chrono>
#include <cstddef>

#include "base/units.h"

namespace pipedup {

/// Time for which nothing more is sent after a block of `bytes` was sent to `members`; none for
/// few members or large blocks. What is published meanwhile is sent as one block. A line that
/// comes alone never waits: only what follows a block closely does.
///
/// To send a small block to a member costs 5 to 20 us, whatever it holds, so that some hundreds
/// of members take a whole core for a few lines at a time (docs/operations.md).
inline Duration RestAfter(std::size_t bytes, std::size_t members) {
  constexpr auto kPerMember = std::chrono::microseconds(20);
  constexpr auto kShortest = std::chrono::milliseconds(1);  // what timers can do
  constexpr auto kLongest = std::chrono::milliseconds(50);
  constexpr std::size_t kLargeBlock = 64 * 1024;  // all that a pipe that cannot grow holds
  const auto rest = kPerMember * static_cast<std::chrono::microseconds::rep>(members);
  if (bytes >= kLargeBlock || rest < kShortest) return Duration(0);
  return rest < kLongest ? Duration(rest) : Duration(kLongest);
}

}  // namespace pipedup
