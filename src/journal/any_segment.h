// What readers of a journal need of a segment, in whichever form it is.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "pipedup/types.h"
#include "wire/block_header.h"

namespace pipedup {

/// A run of blocks in the order of their positions. One that this process has written has every
/// byte of [begin, end); one that was found on disk may have lost some of its blocks: what is
/// between two blocks is not there.
///
/// Threads: as the journal; but bytes may be read, and let go of, by any thread.
class AnySegment {
 public:
  virtual ~AnySegment() = default;

  Position begin() const { return begin_; }
  virtual Position end() const = 0;
  /// Bytes of memory or disk that it takes: stream bytes and index.
  virtual std::uint64_t cost() const = 0;
  virtual bool in_file() const = 0;

  virtual std::size_t blocks() const = 0;
  /// Entry `i`, which must exist.
  virtual BlockHeader block(std::size_t i) const = 0;
  /// The last block that begins at `position` or before; 0 if none does.
  std::size_t FindBlock(Position position) const {
    std::size_t low = 0;
    std::size_t high = blocks();
    while (high - low > 1) {
      const std::size_t middle = low + (high - low) / 2;
      (block(middle).position <= position ? low : high) = middle;
    }
    return low;
  }

  /// The bytes of neighbouring blocks, from the first byte of one on. Fewer than `count`, or
  /// none, if their checksums do not hold or they cannot be read: the block behind them is then
  /// no longer among blocks().
  virtual SharedBytes Bytes(Position from, std::size_t count) = 0;

  /// Removes the files. Bytes stay readable until the last holder lets go; while it is memory
  /// that they take, their cost is part of `*pinned` until then.
  virtual void Drop(std::shared_ptr<std::atomic<std::uint64_t>> pinned) = 0;

 protected:
  explicit AnySegment(Position begin) : begin_(begin) {}
  AnySegment(const AnySegment&) = delete;
  AnySegment& operator=(const AnySegment&) = delete;

 private:
  const Position begin_;
};

}  // namespace pipedup
