#include "publish/slow_policy.h"

#include <algorithm>

namespace pipedup {

Duration StallLimitOf(const Member& member, Duration stall_limit) {
  if (member.role != control::Role::kRelay) return stall_limit;
  return stall_limit + std::max<Duration>(stall_limit / 2, std::chrono::seconds(2));
}

std::uint64_t SlowPolicy::WindowOf(const Member& member) const {
  return member.window > 0 ? member.window : options_.window;
}

SlowDecision SlowPolicy::Decide(Members& members, Position head, Position served_elsewhere,
                                const std::function<std::uint64_t(Position)>& cost_since,
                                TimePoint now) {
  SlowDecision decision;
  if (!options_.wait) return decision;

  const bool was_holding = holding_;
  Member* slowest = nullptr;
  for (auto& [id, member] : members.all()) {
    if (!member.Counts() || member.at_end) continue;
    if (member.position < served_elsewhere && !member.local) continue;
    if (member.let_go) {
      // It stalled, and is waited for again once it is back within the window.
      if (cost_since(member.position) >= WindowOf(member)) continue;
      member.let_go = false;
      member.progressed = now;
      ++counters_.taken_back;
    }
    const TimePoint since = std::max(member.progressed, holding_since_);
    if (was_holding && member.position < head &&
        now - since >= StallLimitOf(member, options_.stall_limit) &&
        cost_since(member.position) >= WindowOf(member)) {
      member.let_go = true;
      ++counters_.let_go;
      decision.let_go.push_back(&member);
      continue;
    }
    decision.keep_from = std::min(decision.keep_from, member.position);
    const bool may_hold = cost_since(member.position) >= WindowOf(member);
    if (may_hold && (slowest == nullptr || member.position < slowest->position)) {
      slowest = &member;
    }
  }

  if (slowest != nullptr) {
    decision.hold = true;
    decision.waits_for = slowest;
  }
  holding_ = decision.hold;
  if (holding_ && !was_holding) {
    ++counters_.holds;
    holding_since_ = now;
  }
  return decision;
}

}  // namespace pipedup
