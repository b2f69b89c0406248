#include "consume/position_map.h"

#include <algorithm>

namespace pipedup {

void PositionMap::Add(std::size_t bytes, SessionId session, Position from, Position to) {
  const Piece piece{end_, end_ + bytes, session, from, to};
  end_ = piece.local_end;
  if (!pieces_.empty()) {
    Piece& last = pieces_.back();
    if (last.session == session && last.to == from && last.same_bytes() && piece.same_bytes()) {
      last.local_end = piece.local_end;
      last.to = to;
      return;
    }
  }
  pieces_.push_back(piece);
}

PositionMap::Mark PositionMap::At(Position local) const {
  const auto after =
      std::upper_bound(pieces_.begin(), pieces_.end(), local,
                       [](Position at, const Piece& piece) { return at < piece.local; });
  if (after == pieces_.begin()) return {};
  const Piece& piece = *std::prev(after);
  if (local >= piece.local_end) return {piece.session, piece.to};
  const Position inside = piece.same_bytes() ? local - piece.local : 0;
  return {piece.session, piece.from + inside};
}

std::vector<PositionMap::Range> PositionMap::Of(Position from, Position to) const {
  std::vector<Range> ranges;
  for (const Piece& piece : pieces_) {
    const Position first = std::max(from, piece.local);
    const Position last = std::min(to, piece.local_end);
    if (first >= last) continue;
    Range range{piece.session, piece.from, piece.to};
    if (piece.same_bytes()) {
      range = {piece.session, piece.from + (first - piece.local),
               piece.from + (last - piece.local)};
    }
    if (!ranges.empty() && ranges.back().session == range.session &&
        ranges.back().to == range.from) {
      ranges.back().to = range.to;
    } else {
      ranges.push_back(range);
    }
  }
  return ranges;
}

void PositionMap::Forget(Position local) {
  while (pieces_.size() > 1 && pieces_.front().local_end < local) pieces_.pop_front();
}

}  // namespace pipedup
