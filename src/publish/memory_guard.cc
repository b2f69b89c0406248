#include "publish/memory_guard.h"

namespace pipedup {

MemoryGuard::Remedy MemoryGuard::OnTooMuch(TimePoint now) {
  if (remade_at_ != TimePoint{} && now - remade_at_ < kPause) return Remedy::kNone;
  if (tried_) {
    suspect_ =
        suspect_ == Remedy::kRemakeControl ? Remedy::kRemakeData : Remedy::kRemakeControl;
  }
  tried_ = true;
  remade_at_ = now;
  return suspect_;
}

}  // namespace pipedup
