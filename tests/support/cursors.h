// A subscriber's cursor file, as a kill or a bad disk may leave it.
#pragma once

#include <cstdint>
#include <string>

namespace pipedup::test {

/// Makes the newest slot say that everything before `position` was taken, and that a write up
/// to `to` was under way. False if there is no slot.
[[nodiscard]] bool LeaveWriteOpen(const std::string& file, std::uint64_t position,
                                  std::uint64_t to);

/// Flips a bit in the slot that is the newest, or in both. False if there is none.
enum class Slots : bool { kNewest, kBoth };
[[nodiscard]] bool DamageCursor(const std::string& file, Slots which);

}  // namespace pipedup::test
