// Runs a schedule against the real programs and checks what came of it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "fault/place.h"
#include "fault/schedule.h"

namespace pipedup::test {

struct RunResult {
  std::vector<std::string> violations = {};  ///< none: every promise was kept
  std::size_t faults = 0;                    ///< that happened
  std::size_t not_reached = 0;               ///< whose moment never came
  bool lost = false;                         ///< something was lost, and reported
  /// Schedule, faults and everything that every process said; of a run with violations.
  std::string report = {};
};

/// One run, in a directory of its own. Several may go on at the same time.
RunResult RunSchedule(const Schedule& schedule, const Broken& broken = {});

}  // namespace pipedup::test
