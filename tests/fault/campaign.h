// Many seeds, several at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "fault/run.h"
#include "support/wait.h"

namespace pipedup::test {

struct Failure {
  Kind kind;
  std::uint64_t seed;
  RunResult result;

  /// Seed, what was violated, everything that was said, and how to see it again.
  std::string Words() const;
};

struct Totals {
  std::size_t runs = 0;
  std::size_t faults = 0;
  std::size_t not_reached = 0;
  std::size_t with_loss = 0;  ///< runs in which something was lost, and reported
  std::vector<Failure> failures = {};

  std::string Words() const;  ///< one line, without failures
};

struct Campaign {
  Kind kind = Kind::kMixed;
  std::uint64_t first = 1;  ///< seed
  std::size_t seeds = 0;    ///< from there on
  Duration time{};          ///< no run is begun after this
  std::size_t at_a_time = 4;
  std::function<void(const Failure&)> on_failure = {};  ///< called by one thread at a time
};

Totals RunCampaign(const Campaign& campaign);

}  // namespace pipedup::test
