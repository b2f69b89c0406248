// Ranges of one session, asked beside the live stream: wherever they come from.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "wire/block_header.h"
#include "wire/control.h"

namespace pipedup {

/// What comes of a question, from the loop.
class RangeReaderEvents {
 public:
  virtual ~RangeReaderEvents() = default;
  /// A block that passed its checksum. Those of one question come in the order of positions.
  virtual void OnRangeBlock(std::uint64_t ticket, const BlockHeader& header,
                            SharedBytes payload) = 0;
  /// The end of an answer; null: there is none, or nothing more of it.
  virtual void OnRangeDone(std::uint64_t ticket, const control::Done* done) = 0;
  /// Somebody stands where more has to be asked for: whoever was asked is to stay.
  virtual bool MoreIsNeeded() const = 0;
};

/// Questions are answered one after the other. From the loop, as what comes of them.
class AnyRangeReader {
 public:
  virtual ~AnyRangeReader() = default;
  /// Asks for at most `max` bytes, at most control::kMaxReadBytes. False: as many questions as
  /// are taken at a time are under way.
  virtual bool Ask(std::uint64_t ticket, const control::ReadFrom& from, std::uint64_t max) = 0;
  /// The stream has ended, and whoever is asked may leave: from now on it is not hoped for long
  /// that they come back.
  virtual void ExpectEnd() = 0;
  virtual bool expects_end() const = 0;
};

}  // namespace pipedup
