// Several streams in one output: whole records only are interleaved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "pipedup/types.h"
#include "wire/block_header.h"

namespace pipedup {

/// Bytes of one stream: the last ones of the block that `header` describes, or a part of them.
struct MergePart {
  std::size_t stream = 0;
  BlockHeader header;
  Position from = 0;
  SharedBytes bytes;
  std::string before;  ///< to be written first: it ends the unfinished record of a stream that
                       ///< is over, or is empty
};

/// `before` and then `bytes`; copied, unless `before` is empty.
SharedBytes Prepend(const std::string& before, SharedBytes bytes);

/// A record that comes in pieces is held until it ends, unless its stream is the only one. One
/// that grows longer than the limit takes the output for itself until it ends, and the others
/// wait; so does one that was begun while its stream was the only one. Pure, one thread; what
/// is held is only bounded for each record: whoever pushes looks at held().
class Merger {
 public:
  using Emit = std::function<void(MergePart part)>;
  static constexpr std::uint64_t kHoldBytes = 1024 * 1024;

  explicit Merger(Emit emit, std::uint64_t hold_bytes = kHoldBytes)
      : emit_(std::move(emit)), hold_bytes_(hold_bytes) {}

  /// Another stream; its number, from 0 on.
  std::size_t Add();
  /// What its records are from here on. Bytes of a raw stream are written as they come.
  void SetFormat(std::size_t stream, RecordFormat format);
  void Push(std::size_t stream, const BlockHeader& header, Position from, SharedBytes bytes);
  /// The record that has begun does not go on: its stream is over, or has become another. It is
  /// written as it is, and whatever comes next begins behind a delimiter.
  void EndRecord(std::size_t stream);

  /// Bytes that were pushed and not emitted, and the position of the first of them.
  std::uint64_t held(std::size_t stream) const { return streams_[stream].held_bytes; }
  std::optional<Position> first_held(std::size_t stream) const;

 private:
  struct Piece {
    BlockHeader header;
    Position from = 0;
    SharedBytes bytes;
  };
  struct Stream {
    RecordFormat format = RecordFormat::kLines;
    std::deque<Piece> held = {};
    std::uint64_t held_bytes = 0;
    std::uint64_t complete = 0;  // of them, up to the end of the last record
    bool cut = false;            // that record has no delimiter, and never will
  };
  bool alone() const { return streams_.size() == 1; }
  void Drain(std::size_t number);
  void DrainAll();
  void EmitBytes(std::size_t number, std::uint64_t bytes);

  const Emit emit_;
  const std::uint64_t hold_bytes_;
  std::vector<Stream> streams_;
  std::optional<std::size_t> owner_;  // of the output, in the middle of a record
  std::string before_;                // for the next part
};

}  // namespace pipedup
