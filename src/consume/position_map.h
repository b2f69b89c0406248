// What the bytes of a local journal are in the stream that they came from. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "pipedup/types.h"

namespace pipedup {

/// Bytes [from, to) of a local journal; without `to`, all from `from` on.
struct LocalRange {
  static constexpr Position kNoEnd = UINT64_MAX;
  Position from = 0;
  Position to = kNoEnd;
};

/// A local journal counts its bytes from 0 and knows no sessions, gaps or labels; this knows
/// them. Pieces are added in order. Neighbours without a seam become one, so that an ordinary
/// stream takes no room here, and a labelled one an entry for each piece.
class PositionMap {
 public:
  struct Mark {
    SessionId session = 0;  ///< 0: nothing was added before it
    Position position = 0;
  };
  struct Range {
    SessionId session = 0;
    Position from = 0;
    Position to = 0;
  };

  /// The next `bytes` local bytes stand for [from, to) of `session`. If they are as many they
  /// are the same bytes; else they are labelled, and only their two ends are known.
  void Add(std::size_t bytes, SessionId session, Position from, Position to);

  /// Where the stream stands when every local byte before `local` was taken.
  Mark At(Position local) const;
  /// The ranges of the stream that local bytes stand for; of labelled pieces always the whole.
  std::vector<Range> Of(LocalRange local) const;
  /// `local`, with the whole of the labelled pieces that it begins and ends in.
  LocalRange Whole(LocalRange local) const;

  /// From now on nobody asks for a position, or for the begin or end of a range, that is in
  /// none of `asked`. What is before all of them is forgotten; between them neighbours in the
  /// stream become one, with labels too, so that a wide range can still be told.
  void Keep(std::span<const LocalRange> asked);

  /// Local position after the last byte added.
  Position end() const { return end_; }
  /// How many are kept: the room that this takes.
  std::size_t pieces() const { return pieces_.size(); }

 private:
  struct Piece {
    Position local = 0;
    Position local_end = 0;
    SessionId session = 0;
    Position from = 0;
    Position to = 0;
    bool same_bytes() const { return local_end - local == to - from; }
    bool IsIn(std::span<const LocalRange> ranges) const;
  };
  std::deque<Piece> pieces_;
  Position end_ = 0;
};

}  // namespace pipedup
