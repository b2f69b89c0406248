#include "publish/request_limits.h"

namespace pipedup {
namespace {

// More connections than a process has descriptors, within the seconds that they are remembered.
constexpr std::size_t kMostRemembered = 200'000;

}  // namespace

Verdict RequestLimits::Take(const std::string& route, bool is_member, TimePoint now) {
  if (connections_.size() >= kMostRemembered && !connections_.contains(route)) {
    connections_.clear();
  }
  Connection& connection = connections_[route];
  const double cost = is_member ? 1 : kStrangerRequest;
  if (connection.bucket.Take(cost, now) && (is_member || strangers_.Take(1, now))) {
    return Verdict::kServe;
  }
  // Once: what is still queued of it comes when somebody else may have its descriptor.
  return ++connection.ignored == kMostIgnored ? Verdict::kCut : Verdict::kIgnore;
}

void RequestLimits::Charge(const std::string& route, double more) {
  const auto found = connections_.find(route);
  if (found != connections_.end()) found->second.bucket.Charge(more);
}

void RequestLimits::Forget(TimePoint now) {
  std::erase_if(connections_,
                [now](const auto& entry) { return entry.second.bucket.IsFull(now); });
}

}  // namespace pipedup
