#include "journal/view_reader.h"

#include <algorithm>

#include "base/records.h"

namespace pipedup {
namespace {

constexpr std::size_t kMostStored = 8;                // whose index is in memory
constexpr std::size_t kMostCached = 8 * 1024 * 1024;  // bytes of blocks
constexpr std::size_t kScanBytes = 64 * 1024;

/// The segment that holds `at`, or the last one that begins before it; end() if none does.
auto SegmentOf(const JournalView::Segments& segments, Position at) {
  const auto behind = std::upper_bound(
      segments.begin(), segments.end(), at,
      [](Position position, const ViewedSegment& each) { return position < each.begin; });
  return behind == segments.begin() ? segments.end() : behind - 1;
}

SharedBytes PartOf(const ViewedSegment& segment, Position at, std::size_t count) {
  return {segment.memory, segment.memory->View(at, count)};
}

}  // namespace

ViewReader::Found ViewReader::Read(Position at, std::size_t max) {
  const Position head = view_->head();
  if (at >= head) return {};
  const std::shared_ptr<const Segments> segments = view_->segments();
  if (segments->empty()) return {{}, view_->closed() ? std::nullopt : std::optional(head)};
  const auto segment = SegmentOf(*segments, at);
  if (segment == segments->end()) return {{}, std::min(head, segments->front().begin)};
  if (at >= segment->end) {
    const auto next = segment + 1;
    return {{}, next == segments->end() ? head : std::min(head, next->begin)};
  }
  const Position end = std::min(segment->end, head);
  if (segment->stored) {
    Found found = ReadStored(*segment, at, max);
    if (found.gap_to) found.gap_to = std::min(*found.gap_to, head);
    if (found.bytes.size() > end - at) found.bytes = found.bytes.Part(0, end - at);
    return found;
  }
  return {PartOf(*segment, at, std::min<std::uint64_t>(max, end - at)), std::nullopt};
}

// ---- on disk ----

StoredSegment& ViewReader::Stored(const ViewedSegment& segment) {
  const auto known =
      std::ranges::find(stored_, segment.begin, [](const auto& each) { return each->begin(); });
  std::unique_ptr<StoredSegment> used;
  if (known != stored_.end()) {
    used = std::move(*known);
    stored_.erase(known);
  } else {
    // Damage is counted and said by the journal itself; a reader here is told of a gap.
    used = std::make_unique<StoredSegment>(*segment.stored, [](Position, Position) {});
  }
  stored_.push_back(std::move(used));
  if (stored_.size() > kMostStored) stored_.pop_front();
  return *stored_.back();
}

/// All of a block, as its checksum is that of all of it; nothing if that does not hold.
SharedBytes ViewReader::BlockOf(StoredSegment& segment, const BlockHeader& block) {
  const auto known = std::ranges::find(blocks_, block.position, &Cached::position);
  if (known != blocks_.end()) return known->bytes;
  const SharedBytes bytes = segment.Bytes(block.position, block.length);
  if (bytes.size() < block.length) return {};
  blocks_.push_back({block.position, bytes});
  cached_bytes_ += bytes.size();
  while (cached_bytes_ > kMostCached) {
    cached_bytes_ -= blocks_.front().bytes.size();
    blocks_.pop_front();
  }
  return bytes;
}

ViewReader::Found ViewReader::ReadStored(const ViewedSegment& segment, Position at,
                                         std::size_t max) {
  StoredSegment& stored = Stored(segment);
  for (std::size_t i = stored.FindBlock(at); i < stored.blocks(); ++i) {
    const BlockHeader block = stored.block(i);
    if (block.end() <= at) continue;
    if (block.position > at) return {{}, block.position};
    const SharedBytes bytes = BlockOf(stored, block);
    if (stored.out_of_reach()) break;
    if (bytes.size() == 0) return {{}, block.end()};
    return {bytes.Part(at - block.position, max), std::nullopt};
  }
  if (!stored.out_of_reach()) return {{}, segment.end};
  stored_.pop_back();  // and ask again
  return {};
}

// ---- records ----

std::uint64_t ViewReader::RecordsBefore(const ViewedSegment& segment) {
  if (!segment.stored) return segment.records_before;
  const StoredSegment& stored = Stored(segment);
  return stored.blocks() > 0 ? stored.block(0).records_before : 0;
}

/// Behind the delimiter that has `*delimiters` others behind it before `end`. Nothing if there
/// are not so many here: then `*delimiters` is less by those that there are.
std::optional<Position> ViewReader::LastIn(const ViewedSegment& segment, Position end,
                                           std::uint64_t* delimiters) {
  const std::byte delimiter = Delimiter(view_->records_format());
  while (end > segment.begin) {
    const Position from = end - std::min<Position>(kScanBytes, end - segment.begin);
    const ByteSpan bytes = segment.memory->View(from, end - from);
    for (std::size_t i = bytes.size(); i > 0; --i) {
      if (bytes[i - 1] == delimiter && (*delimiters)-- == 0) return from + i;
    }
    end = from;
  }
  return std::nullopt;
}

std::optional<Position> ViewReader::LastInStored(const ViewedSegment& segment, Position end,
                                                 std::uint64_t* delimiters) {
  const RecordFormat format = view_->records_format();
  StoredSegment& stored = Stored(segment);
  for (std::size_t i = stored.blocks(); i > 0; --i) {
    const BlockHeader block = stored.block(i - 1);
    if (block.end() > end) continue;
    if (block.records <= *delimiters) {
      *delimiters -= block.records;
      continue;
    }
    const SharedBytes bytes = BlockOf(stored, block);
    if (bytes.size() == 0) return block.end();  // damaged: nothing is known of what is before
    return block.position + LengthOfRecords(format, bytes.bytes, block.records - *delimiters);
  }
  return std::nullopt;
}

/// As LastIn, of either kind.
std::optional<Position> ViewReader::LastBefore(const ViewedSegment& segment, Position end,
                                               std::uint64_t* delimiters) {
  end = std::min(segment.end, end);
  return segment.stored ? LastInStored(segment, end, delimiters)
                        : LastIn(segment, end, delimiters);
}

// The newest segment is searched from its end; of the others it is known how many records end
// in them, so that only the one in question is looked at.
Position ViewReader::FindLast(std::uint64_t count) {
  const Position head = view_->head();
  if (view_->records_format() == RecordFormat::kRaw) return head;
  const std::shared_ptr<const Segments> all = view_->segments();
  const auto newest = SegmentOf(*all, head - std::min<Position>(head, 1));
  if (newest == all->end()) return FindStart();
  std::uint64_t delimiters = count;
  if (const auto found = LastBefore(*newest, head, &delimiters)) return *found;
  const std::uint64_t before = RecordsBefore(*newest);
  if (delimiters >= before || RecordsBefore(all->front()) >= before - delimiters) {
    return FindStart();
  }
  const std::uint64_t wanted = before - delimiters;  // begin behind the end of record `wanted`
  const auto behind = std::partition_point(
      all->begin(), newest, [&](const auto& each) { return RecordsBefore(each) < wanted; });
  std::uint64_t left = RecordsBefore(*behind) - wanted;
  return LastBefore(*(behind - 1), head, &left).value_or(behind->begin);
}

/// Behind the first delimiter from `from` on.
std::optional<Position> ViewReader::EndOfRecord(Position from) {
  while (true) {
    const Found found = Read(from, kScanBytes);
    if (found.gap_to) {
      from = *found.gap_to;  // a record may begin there or not: look on
      continue;
    }
    if (found.bytes.size() == 0) return std::nullopt;
    const std::size_t length = LengthOfRecords(view_->records_format(), found.bytes.bytes, 1);
    if (length > 0) return from + length;
    from += found.bytes.size();
  }
}

Position ViewReader::FindStart() {
  const std::shared_ptr<const Segments> segments = view_->segments();
  const Position head = view_->head();
  if (segments->empty() || segments->front().begin >= head) return head;
  const ViewedSegment& first = segments->front();
  if (view_->records_format() == RecordFormat::kRaw) return first.begin;
  bool begins_record = first.begins_record;
  Position begin = first.begin;
  if (first.stored) {
    const StoredSegment& stored = Stored(first);
    begins_record = stored.blocks() == 0 || stored.block(0).begins_record;
    if (stored.blocks() > 0) begin = stored.block(0).position;
  }
  return begins_record ? begin : EndOfRecord(begin).value_or(head);
}

}  // namespace pipedup
