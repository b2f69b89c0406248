#include "base/rate_meter.h"

namespace pipedup {

void RateMeter::Add(TimePoint now, std::uint64_t total) {
  if (!samples_.empty() && total < samples_.back().total) samples_.clear();
  if (!samples_.empty() && samples_.back().at == now) samples_.pop_back();
  samples_.push_back({now, total});
  while (samples_.size() > 2 && now - samples_[1].at >= window_) samples_.pop_front();
}

std::optional<double> RateMeter::PerSecond() const {
  if (samples_.size() < 2) return std::nullopt;
  const Sample& first = samples_.front();
  const Sample& last = samples_.back();
  const std::chrono::duration<double> seconds = last.at - first.at;
  return static_cast<double>(last.total - first.total) / seconds.count();
}

}  // namespace pipedup
