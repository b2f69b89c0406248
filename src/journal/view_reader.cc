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
  const std::size_t count = std::min<std::uint64_t>(max, end - at);
  if (segment->memory->IsCut(at + count)) return {{}, end};
  return {{segment->memory, segment->memory->View(at, count)}, std::nullopt};
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
  if (IsOutOfReach(stored)) return {.out_of_reach = true};
  return {{}, segment.end};
}

/// Forgets it then, to ask again the next time.
bool ViewReader::IsOutOfReach(const StoredSegment& segment) {
  if (!segment.out_of_reach()) return false;
  std::erase_if(stored_, [&segment](const auto& each) { return each.get() == &segment; });
  out_of_reach_ = true;
  return true;
}

// ---- records ----

std::uint64_t ViewReader::RecordsBefore(const ViewedSegment& segment) {
  if (!segment.stored) return segment.records_before;
  const StoredSegment& stored = Stored(segment);
  const std::uint64_t before = stored.blocks() > 0 ? stored.block(0).records_before : 0;
  return IsOutOfReach(stored) ? 0 : before;
}

/// Behind the delimiter that has `*delimiters` others behind it before `end`. Nothing if there
/// are not so many here: then `*delimiters` is less by those that there are.
std::optional<Position> ViewReader::LastIn(const ViewedSegment& segment, Position end,
                                           std::uint64_t* delimiters) {
  const std::byte delimiter = Delimiter(view_->records_format());
  while (end > segment.begin) {
    const Position from = end - std::min<Position>(kScanBytes, end - segment.begin);
    if (segment.memory->IsCut(end)) return end;  // nothing is known of what is before
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
    if (IsOutOfReach(stored)) return std::nullopt;
    if (bytes.size() == 0) return block.end();  // damaged: nothing is known of what is before
    return block.position + LengthOfRecords(format, bytes.bytes, block.records - *delimiters);
  }
  (void)IsOutOfReach(stored);
  return std::nullopt;
}

/// As LastIn, of either kind.
std::optional<Position> ViewReader::LastBefore(const ViewedSegment& segment, Position end,
                                               std::uint64_t* delimiters) {
  end = std::min(segment.end, end);
  return segment.stored ? LastInStored(segment, end, delimiters)
                        : LastIn(segment, end, delimiters);
}

std::optional<Position> ViewReader::FindLast(std::uint64_t count) {
  out_of_reach_ = false;
  const Position found = Last(count);
  return out_of_reach_ ? std::nullopt : std::optional(found);
}

// The newest segment is searched from its end; of the others it is known how many records end
// in them, so that only the one in question is looked at.
Position ViewReader::Last(std::uint64_t count) {
  const Position head = view_->head();
  if (view_->records_format() == RecordFormat::kRaw) return head;
  const std::shared_ptr<const Segments> all = view_->segments();
  const auto newest = SegmentOf(*all, head - std::min<Position>(head, 1));
  if (newest == all->end()) return Start();
  std::uint64_t delimiters = count;
  if (const auto found = LastBefore(*newest, head, &delimiters)) return *found;
  const std::uint64_t before = RecordsBefore(*newest);
  if (delimiters >= before || RecordsBefore(all->front()) >= before - delimiters) {
    return Start();
  }
  const std::uint64_t wanted = before - delimiters;  // begin behind the end of record `wanted`
  const auto behind = std::partition_point(
      all->begin(), newest, [&](const auto& each) { return RecordsBefore(each) < wanted; });
  if (out_of_reach_ || behind == all->begin()) return head;
  std::uint64_t left = RecordsBefore(*behind) - wanted;
  return LastBefore(*(behind - 1), head, &left).value_or(behind->begin);
}

/// Behind the first delimiter in a segment in memory.
std::optional<Position> ViewReader::FirstIn(const ViewedSegment& segment, Position head) {
  const Position end = std::min(segment.end, head);
  for (Position from = segment.begin; from < end;) {
    const std::size_t count = std::min<Position>(kScanBytes, end - from);
    if (segment.memory->IsCut(from + count)) return std::nullopt;
    const std::size_t length =
        LengthOfRecords(view_->records_format(), segment.memory->View(from, count), 1);
    if (length > 0) return from + length;
    from += count;
  }
  return std::nullopt;
}

/// The first position in a segment on disk at which a record begins, as far as its blocks are
/// sound.
std::optional<Position> ViewReader::FirstInStored(const ViewedSegment& segment) {
  StoredSegment& stored = Stored(segment);
  for (std::size_t i = 0; i < stored.blocks(); ++i) {
    const BlockHeader block = stored.block(i);
    if (block.begins_record) return block.position;
    if (block.records == 0) continue;
    const SharedBytes bytes = BlockOf(stored, block);
    if (IsOutOfReach(stored)) return std::nullopt;
    const std::size_t length = LengthOfRecords(view_->records_format(), bytes.bytes, 1);
    if (length > 0) return block.position + length;
  }
  (void)IsOutOfReach(stored);
  return std::nullopt;
}

std::optional<Position> ViewReader::FindStart() {
  out_of_reach_ = false;
  const Position found = Start();
  return out_of_reach_ ? std::nullopt : std::optional(found);
}

Position ViewReader::Start() {
  const std::shared_ptr<const Segments> all = view_->segments();
  const Position head = view_->head();
  if (all->empty() || all->front().begin >= head) return head;
  const ViewedSegment& first = all->front();
  if (view_->records_format() == RecordFormat::kRaw) return first.begin;
  if (first.stored) {
    const StoredSegment& stored = Stored(first);
    if (stored.blocks() > 0 && stored.block(0).begins_record) return stored.block(0).position;
    if (IsOutOfReach(stored)) return head;
  } else if (first.begins_record) {
    return first.begin;
  }
  // The record that was begun before goes as far as no other one has ended.
  const std::uint64_t before = RecordsBefore(first);
  auto segment = std::partition_point(all->begin() + 1, all->end(), [&](const auto& each) {
    return RecordsBefore(each) <= before;
  });
  for (--segment; segment != all->end() && !out_of_reach_; ++segment) {
    const auto found = segment->stored ? FirstInStored(*segment) : FirstIn(*segment, head);
    if (found) return std::min(*found, head);
  }
  return head;
}

}  // namespace pipedup
