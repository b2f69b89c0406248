// The few plain types that the whole project shares.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace pipedup {

/// Offset of a byte in a session; the session's first byte has position 0.
using Position = std::uint64_t;

/// One run of a stream: random, never 0.
using SessionId = std::uint64_t;

/// Wall-clock time in ns since the Unix epoch, as it stands on the wire.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

/// What separates records. Bytes are never changed; this decides where blocks may begin.
enum class RecordFormat : std::uint8_t {
  kLines,  ///< a record ends with '\n'
  kNul,    ///< a record ends with NUL
  kRaw,    ///< there are no records: any byte may begin a block
};

/// Whether a consumer that has ended is started again.
enum class Restart : std::uint8_t {
  kNever,      ///< its end is the end of it
  kOnFailure,  ///< if its status is not 0
  kAlways,     ///< whatever its status
};

/// Where a new reader begins. It begins at a record boundary: at the first one from there on.
struct StartAt {
  enum class Kind : std::uint8_t {
    kNow,       ///< at the record that is being written, or the next one
    kStart,     ///< at the oldest that is kept
    kPosition,  ///< at `value`
    kAgo,       ///< at what was published `value` ns ago
    kLast,      ///< at the last `value` records
  };
  Kind kind = Kind::kNow;
  std::uint64_t value = 0;
};

/// A range of positions that a subscriber was not given.
struct Gap {
  SessionId session = 0;
  Position from = 0;               ///< first byte lost
  Position to = 0;                 ///< first byte after it that is not
  bool records_known = false;      ///< else the next two say nothing
  std::uint64_t first_record = 0;  ///< records that had ended before the gap
  std::uint64_t records = 0;       ///< records that ended in it
  WallTime after{};                ///< publish time of the last block before it (0: none)
  WallTime before{};               ///< publish time of the first block behind it (0: none)
  std::string reason;              ///< for people: "retention passed", "publisher vanished"

  std::uint64_t bytes() const { return to - from; }
};

}  // namespace pipedup
