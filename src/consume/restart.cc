#include "consume/restart.h"

#include <algorithm>

namespace pipedup {

std::optional<Duration> RestartRule::OnEnded(int exit_status, Duration ran) {
  if (restart_ == Restart::kNever) return std::nullopt;
  if (restart_ == Restart::kOnFailure && exit_status == 0) return std::nullopt;
  if (ran >= kRanWell) next_ = kFirst;
  const Duration wait = next_;
  next_ = std::min(next_ * 2, kLongest);
  return wait;
}

}  // namespace pipedup
