// Who is told of every write to an output, before and after it.
#pragma once

#include <cstdint>

#include "pipedup/types.h"

namespace pipedup {

/// Every byte of `session` before `position` was taken by the output. Those from there up to
/// `to` are being written, and may have been taken whenever nobody can tell any more.
struct WriteNote {
  SessionId session = 0;
  Position position = 0;
  Position to = 0;            ///< `position`: nothing is being written
  std::uint64_t bytes = 0;    ///< that stand for [position, to) in the output
  std::uint64_t written = 0;  ///< of these, the first ones, in the output already
};

/// A note is made right before and right after each write, by the thread that makes it; two
/// never come at a time. It costs the writer as long as it takes.
class WriteNotes {
 public:
  virtual ~WriteNotes() = default;
  virtual void Note(const WriteNote& note) = 0;
};

/// At most as much is written at a time while notes are made, where it can be had in pieces: a
/// write of which nobody knows whether it was made has to be repeated.
inline constexpr std::uint64_t kMostNotedBytes = 64 * 1024;

}  // namespace pipedup
