// What is done about a slow subscriber: the whole policy. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "publish/members.h"

namespace pipedup {

struct SlowPolicyOptions {
  bool wait = false;         ///< --slow wait; false: the producer never waits
  std::uint64_t window = 0;  ///< bytes that may be unconfirmed before the producer waits
  Duration stall_limit = std::chrono::seconds(30);
};

/// How long a member may stand still. A relay is given half as much again, and 2 s at least: it
/// stands still itself while it waits for a subscriber of its own, which it lets go first.
Duration StallLimitOf(const Member& member, Duration stall_limit);

struct SlowPolicyCounters {
  std::uint64_t holds = 0;       ///< times that the producer was made to wait
  std::uint64_t let_go = 0;      ///< subscribers that were given up after stall_limit
  std::uint64_t taken_back = 0;  ///< of these, the ones that caught up
};

/// What to do now.
struct SlowDecision {
  bool hold = false;                  ///< read nothing more from the producer
  const Member* waits_for = nullptr;  ///< the slowest member that counts, when `hold`
  Position keep_from = UINT64_MAX;    ///< the journal must not drop anything from here on
  std::vector<Member*> let_go;        ///< members that are no longer waited for, from now on
};

class SlowPolicy {
 public:
  explicit SlowPolicy(SlowPolicyOptions options) : options_(options) {}

  /// Looks at all members. Nobody waits for those that stand before `served_elsewhere`.
  /// `cost_since` says what the journal holds from a position on.
  SlowDecision Decide(Members& members, Position head, Position served_elsewhere,
                      const std::function<std::uint64_t(Position)>& cost_since, TimePoint now);
  const SlowPolicyCounters& counters() const { return counters_; }
  const SlowPolicyOptions& options() const { return options_; }

 private:
  std::uint64_t WindowOf(const Member& member) const;

  const SlowPolicyOptions options_;
  bool holding_ = false;
  TimePoint holding_since_{};
  SlowPolicyCounters counters_;
};

}  // namespace pipedup
