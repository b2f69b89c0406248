// What the bytes of a local journal are in the stream that they came from. Pure.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "pipedup/types.h"

namespace pipedup {

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
  /// The ranges of the stream that local bytes [from, to) stand for; of labelled pieces always
  /// the whole.
  std::vector<Range> Of(Position from, Position to) const;

  /// Local positions before `local` are not asked for any more.
  void Forget(Position local);

  /// Local position after the last byte added.
  Position end() const { return end_; }

 private:
  struct Piece {
    Position local = 0;
    Position local_end = 0;
    SessionId session = 0;
    Position from = 0;
    Position to = 0;
    bool same_bytes() const { return local_end - local == to - from; }
  };
  std::deque<Piece> pieces_;
  Position end_ = 0;
};

}  // namespace pipedup
