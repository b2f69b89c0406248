// What is done about memory that peers make the publisher hold. Pure.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/sanitizer.h"
#include "base/units.h"

namespace pipedup {

/// The bound on the publisher's own memory, beside the journal's: far above what ordinary use
/// needs, which is 1 to 10 MiB and half of the rest.
inline constexpr std::uint64_t kMemoryBase =
    kSanitized ? std::uint64_t{1} << 40 : 64 * 1024 * 1024;  // a sanitizer's is not ours
inline constexpr std::uint64_t kMemoryOfDescriptor =
    64 * 1024;  ///< a connection has one, and takes 40 KiB
inline constexpr std::uint64_t kMemoryOfMember = 8 * 1024;

/// PUB and ROUTER do not say what they hold for whom, and cannot drop one peer. What can be
/// done is to close the socket: everybody connects again and goes on by position, nothing is
/// lost.
class MemoryGuard {
 public:
  enum class Remedy : std::uint8_t { kNone, kRemakeControl, kRemakeData };

  /// Above the bound, also after freed memory was given back. Which socket is to blame cannot
  /// be known: the one whose end helped last time, or else the other one.
  Remedy OnTooMuch(TimePoint now);
  /// Within the bound.
  void OnEnough() { tried_ = false; }

 private:
  static constexpr auto kPause =
      std::chrono::seconds(1);  // a closed socket's memory takes time

  Remedy suspect_ = Remedy::kRemakeControl;
  bool tried_ = false;  // and it did not help yet
  TimePoint remade_at_{};
};

}  // namespace pipedup
