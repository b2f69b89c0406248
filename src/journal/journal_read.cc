// Positions of a journal, and what stands there.
#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "base/records.h"
#include "journal/journal.h"

namespace pipedup {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;  // one block of a replay
constexpr std::size_t kMostLoaded = 8;  // indexes of segments on disk that are in memory

}  // namespace

std::size_t Journal::SegmentOf(Position position) const {
  const auto after =
      std::upper_bound(segments_.begin(), segments_.end(), position,
                       [](Position at, const std::shared_ptr<AnySegment>& segment) {
                         return at < segment->begin();
                       });
  return static_cast<std::size_t>(std::max<std::ptrdiff_t>(after - segments_.begin(), 1)) - 1;
}

/// A segment whose index is about to be looked at. Of those on disk, only the last few keep it.
AnySegment& Journal::Use(std::size_t i) const {
  auto* const stored = dynamic_cast<StoredSegment*>(segments_[i].get());
  if (stored != nullptr && std::ranges::find(loaded_, stored) == loaded_.end()) {
    loaded_.push_back(stored);
    if (loaded_.size() > kMostLoaded) {
      loaded_.front()->Forget();
      loaded_.pop_front();
    }
  }
  return *segments_[i];
}

std::optional<Block> Journal::Read(Position at, std::size_t max) const {
  if (at < tail() || at >= head() || max == 0) return std::nullopt;
  return WholeOrPart(Use(SegmentOf(at)), at, max);
}

Position Journal::NextSound(Position at) const {
  at = std::max(at, tail());
  for (std::size_t i = SegmentOf(at); i < segments_.size() && at < head(); ++i) {
    const AnySegment& segment = Use(i);
    const auto* const stored = dynamic_cast<const StoredSegment*>(&segment);
    if (stored != nullptr && stored->out_of_reach()) return at;
    for (std::size_t k = segment.FindBlock(at); k < segment.blocks(); ++k) {
      const BlockHeader block = segment.block(k);
      if (block.end() > at) return std::min(std::max(at, block.position), head());
    }
  }
  return head();
}

std::optional<SharedBytes> Journal::Peek(Position at, std::size_t max) const {
  if (at < tail() || at >= head() || max == 0) return std::nullopt;
  // Whoever peeks has an ordinary journal in memory: all of its segments are of this process.
  const auto segment = std::static_pointer_cast<Segment>(segments_[SegmentOf(at)]);
  const Position end = std::min(segment->end(), head());
  const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(end - at, max));
  return SharedBytes{segment, segment->View(at, count), segment->file(), at - segment->begin()};
}

std::optional<Block> Journal::WholeOrPart(AnySegment& segment, Position at,
                                          std::size_t max) const {
  const RecordFormat format = options_.records;
  if (segment.blocks() == 0) return std::nullopt;
  const std::size_t first_index = segment.FindBlock(at);
  const BlockHeader first = segment.block(first_index);
  if (at < first.position || at >= first.end()) return std::nullopt;
  if (at > first.position || first.length > max) max = std::min(max, kReadBytes);
  // Neighbours are joined as far as they fit, so that small blocks are not sent one by one.
  Position end = first.end();
  for (std::size_t i = first_index + 1; i < segment.blocks(); ++i) {
    const BlockHeader next = segment.block(i);
    if (next.position != end || next.end() - at > std::min(max, kReadBytes) ||
        next.end() > head() || !MayJoin(first, next)) {
      break;
    }
    end = next.end();
  }
  const SharedBytes all =
      segment.Bytes(first.position, static_cast<std::size_t>(end - first.position));
  const auto skipped = static_cast<std::size_t>(at - first.position);
  if (all.size() <= skipped) return std::nullopt;
  const SharedBytes part = all.Part(skipped, max);
  BlockHeader header = first;
  header.session = label_.session;
  if (skipped == 0 && part.size() == first.length) return Block{header, part};
  header.position = at;
  header.records_before += CountRecords(format, all.bytes.first(skipped));
  if (skipped > 0) {
    header.begins_record =
        format == RecordFormat::kRaw || all.bytes[skipped - 1] == Delimiter(format);
  }
  header.length = static_cast<std::uint32_t>(part.size());
  header.ends_record = format == RecordFormat::kRaw || part.bytes.back() == Delimiter(format);
  header.records = CountRecords(format, part.bytes);
  header.checksummed = options_.checksum;
  header.checksum = options_.checksum ? Checksum(part.bytes) : 0;
  return Block{header, part};
}

std::uint64_t Journal::memory_bytes() const {
  std::uint64_t bytes = 0;
  for (const std::shared_ptr<AnySegment>& segment : segments_) {
    if (!segment->in_file()) bytes += segment->cost();
  }
  return bytes;
}

std::optional<Position> Journal::FindLast(std::uint64_t count) const {
  if (options_.records == RecordFormat::kRaw) return std::nullopt;
  if (segments_.empty() || count >= records()) return tail();
  const std::uint64_t wanted =
      records() - count;  // begin right after the end of record `wanted`
  // The segment, then the block, in which record `wanted` ends. A segment that has lost all of
  // its blocks says nothing, and is passed over.
  std::size_t low = 0;
  std::size_t high = segments_.size();
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    std::size_t telling = middle;
    while (telling < high && Use(telling).blocks() == 0) ++telling;
    if (telling < high && Use(telling).block(0).records_before < wanted) {
      low = telling;
    } else {
      high = middle;
    }
  }
  AnySegment& segment = Use(low);
  if (segment.blocks() == 0 || segment.block(0).records_before >= wanted) return tail();
  std::size_t first = 0;
  std::size_t last = segment.blocks();
  while (last - first > 1) {
    const std::size_t middle = first + (last - first) / 2;
    (segment.block(middle).records_before < wanted ? first : last) = middle;
  }
  const BlockHeader header = segment.block(first);
  const SharedBytes bytes = segment.Bytes(header.position, header.length);
  return header.position +
         LengthOfRecords(options_.records, bytes.bytes, wanted - header.records_before);
}

Position Journal::FindSince(std::int64_t time_ns) const {
  // Times never run backwards. A segment that has lost all of its blocks says nothing, and is
  // passed over.
  std::size_t low = 0;
  std::size_t high = segments_.size();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    std::size_t telling = middle;
    while (telling < high && Use(telling).blocks() == 0) ++telling;
    const bool before =
        telling < high && Use(telling).block(Use(telling).blocks() - 1).time_ns < time_ns;
    if (before) {
      low = telling + 1;
    } else {
      high = middle;
    }
  }
  for (; low < segments_.size(); ++low) {
    const AnySegment& segment = Use(low);
    std::size_t first = 0;
    std::size_t last = segment.blocks();
    while (first < last) {
      const std::size_t middle = first + (last - first) / 2;
      if (segment.block(middle).time_ns < time_ns) {
        first = middle + 1;
      } else {
        last = middle;
      }
    }
    if (first < segment.blocks()) return std::min(segment.block(first).position, head());
  }
  return head();
}

std::int64_t Journal::TimeAt(Position position) const {
  if (position >= head() || position < tail()) return last_time_ns();
  const AnySegment& segment = Use(SegmentOf(position));
  if (segment.blocks() == 0) return last_time_ns();
  return segment.block(segment.FindBlock(position)).time_ns;
}

}  // namespace pipedup
