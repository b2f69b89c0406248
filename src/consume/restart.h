// When a consumer that has ended is started again. Pure.
#pragma once

#include <optional>

#include "base/units.h"
#include "pipedup/types.h"

namespace pipedup {

/// Exponential back-off: 100 ms before the first restart, twice as long before each one that
/// follows, at most 10 s; from the start again once it has run for 10 s.
class RestartRule {
 public:
  explicit RestartRule(Restart restart) : restart_(restart) {}

  /// A consumer has ended with `exit_status` after it `ran`. How long to wait before it is
  /// started again; nothing: it is not.
  std::optional<Duration> OnEnded(int exit_status, Duration ran);

 private:
  static constexpr Duration kFirst = std::chrono::milliseconds(100);
  static constexpr Duration kLongest = std::chrono::seconds(10);
  static constexpr Duration kRanWell = std::chrono::seconds(10);

  const Restart restart_;
  Duration next_ = kFirst;
};

}  // namespace pipedup
