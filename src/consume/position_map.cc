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

std::vector<PositionMap::Range> PositionMap::Of(LocalRange local) const {
  std::vector<Range> ranges;
  for (const Piece& piece : pieces_) {
    const Position first = std::max(local.from, piece.local);
    const Position last = std::min(local.to, piece.local_end);
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

LocalRange PositionMap::Whole(LocalRange local) const {
  LocalRange whole = local;
  for (const Piece& piece : pieces_) {
    if (piece.same_bytes()) continue;
    if (piece.local <= local.from && local.from < piece.local_end) whole.from = piece.local;
    if (piece.local < local.to && local.to <= piece.local_end) whole.to = piece.local_end;
  }
  return whole;
}

bool PositionMap::Piece::IsIn(std::span<const LocalRange> ranges) const {
  return std::ranges::any_of(ranges, [this](const LocalRange& range) {
    return range.from < local_end && local < range.to;
  });
}

void PositionMap::Keep(std::span<const LocalRange> asked) {
  Position first = end_;
  Position rest = end_;  // from here on all is kept
  for (const LocalRange& range : asked) {
    first = std::min(first, range.from);
    if (range.to == LocalRange::kNoEnd) rest = std::min(rest, range.from);
  }
  std::size_t kept = 0;
  bool joins = false;  // the last one that was kept
  std::size_t i = 0;
  for (; i + 1 < pieces_.size() && pieces_[i].local_end <= rest; ++i) {
    const Piece piece = pieces_[i];
    const bool wanted = piece.IsIn(asked);
    if (!wanted && piece.local_end <= first) continue;
    Piece* const last = kept > 0 ? &pieces_[kept - 1] : nullptr;
    if (!wanted && joins && last->session == piece.session && last->to == piece.from) {
      last->local_end = piece.local_end;
      last->to = piece.to;
    } else {
      pieces_[kept++] = piece;
    }
    joins = !wanted;
  }
  using Distance = std::deque<Piece>::difference_type;
  pieces_.erase(pieces_.begin() + static_cast<Distance>(kept),
                pieces_.begin() + static_cast<Distance>(i));
}

}  // namespace pipedup
