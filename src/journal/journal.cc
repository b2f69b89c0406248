#include "journal/journal.h"

#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/records.h"
#include "journal/layout.h"

namespace pipedup {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;    // one block of a replay
constexpr std::int64_t kJoinWithin = 10'000'000;  // ns between blocks that a replay joins
constexpr std::size_t kEarlyRoll = 32 * 1024;     // room that is given up to end at a boundary
// Blocks that one append can lead to: a full segment in blocks of kMaxBlockBytes, the finished
// records and the unfinished one. A segment whose index has no room for them is not appended
// to.
constexpr std::uint64_t kMostSegments = 4096;  // two mappings each, of 65,530 by default
constexpr std::size_t kBlocksPerAppend = 8;

// Small segments keep the pages in circulation few and warm: worth 30 to 50 % over large ones
// on virtual machines that hand free pages back to their host.
Segment::Size SegmentSize(std::uint64_t retain_bytes) {
  std::uint64_t data = std::clamp<std::uint64_t>(retain_bytes / 8, 256 * 1024, 4 * 1024 * 1024);
  data = std::max(data, retain_bytes / kMostSegments);
  return {static_cast<std::size_t>(data), static_cast<std::size_t>(data / kHeaderBytes)};
}

}  // namespace

Journal::Journal(JournalOptions options)
    : options_(std::move(options)),
      segment_size_(SegmentSize(options_.retain_bytes)),
      pinned_(std::make_shared<std::atomic<std::uint64_t>>(0)) {
  // Without a label nobody reads the files but this process: no harm, and the first segment
  // will say what is wrong with the directory.
  std::string why;
  if (!options_.directory.empty()) {
    (void)WriteJournalLabel(options_.directory, {options_.session, segment_size_.data_bytes},
                            options_.readers, &why);
  }
}

Journal::~Journal() {
  for (const std::shared_ptr<Segment>& segment : segments_) segment->Drop(pinned_);
  if (!options_.directory.empty()) RemoveJournalLabel(options_.directory);
}

// ---- append ----

AppendResult Journal::AppendFrom(int fd, bool is_pipe, std::size_t max) {
  while (true) {
    Segment& segment = Writable();
    IoResult result;
    if (!segment.in_file()) {
      result = segment.ReadFrom(fd, max);
    } else if (is_pipe && splice_works_) {
      result = segment.SpliceFrom(fd, max);
      if (result.status == IoStatus::kNoSpace) {
        OnNoSpace(result.error);
        continue;
      }
      if (result.status == IoStatus::kFailed) {
        splice_works_ = false;
        continue;
      }
    } else {
      scratch_.resize(std::max(scratch_.size(), max));
      result = ReadSome(fd, std::span(scratch_).first(max));
      if (result.status == IoStatus::kOk) Append(ByteSpan(scratch_).first(result.count));
    }
    switch (result.status) {
      case IoStatus::kOk:
        return {AppendStatus::kAppended, result.count, 0};
      case IoStatus::kWouldBlock:
        return {AppendStatus::kWouldBlock, 0, 0};
      case IoStatus::kEnd:
        return {AppendStatus::kEnd, 0, 0};
      default:
        return {AppendStatus::kFailed, 0, result.error};
    }
  }
}

void Journal::Append(ByteSpan bytes) {
  while (!bytes.empty()) {
    const IoResult result = Writable().Write(bytes);
    bytes = bytes.subspan(result.count);
    if (result.status != IoStatus::kOk) OnNoSpace(result.error);
  }
}

Segment& Journal::Writable() {
  if (segments_.empty()) {
    NewSegment(false);
  } else {
    const Segment& last = *segments_.back();
    // A segment that is nearly full ends here if that spares cutting a record in two.
    const bool roll_early = unpublished() == 0 && at_boundary_ && last.room() < kEarlyRoll;
    if (last.room() == 0 || roll_early ||
        last.blocks() + kBlocksPerAppend > segment_size_.blocks)
      NewSegment(false);
  }
  return *segments_.back();
}

void Journal::NewSegment(bool in_memory) {
  PublishAll();  // a block never spans two segments
  if (!segments_.empty()) {
    if (segments_.back()->end() == segments_.back()->begin()) {
      segments_.back()->Drop(pinned_);  // not a byte fitted into it
      segments_.pop_back();
    } else {
      cost_ += segments_.back()->cost();
      segments_.back()->Seal(options_.splice_out);
    }
  }
  std::shared_ptr<Segment> segment;
  if (!in_memory && !options_.directory.empty()) {
    int error = 0;
    segment =
        Segment::InFile(options_.directory, head_, segment_size_, options_.readers, &error);
    while (!segment && IsNoSpace(error) && DropOldestFile()) {
      segment =
          Segment::InFile(options_.directory, head_, segment_size_, options_.readers, &error);
    }
    if (!segment) NoteNoSpace(error);
  }
  if (!segment) {
    segment = Segment::InMemory(head_, segment_size_);
    if (!options_.directory.empty()) ++counters_.memory_segments;
  }
  segments_.push_back(std::move(segment));
  segment_started_ns_ = 0;
  Retain();
}

bool Journal::DropOldest() {
  if (segments_.size() < 2 || segments_.front()->end() > keep_from_) return false;
  const std::shared_ptr<Segment> oldest = std::move(segments_.front());
  segments_.pop_front();
  cost_ -= oldest->cost();
  counters_.dropped_bytes += oldest->end() - oldest->begin();
  oldest->Drop(pinned_);
  return true;
}

// Makes room in the file system, which a segment in private memory would not.
bool Journal::DropOldestFile() {
  return segments_.size() > 1 && segments_.front()->in_file() && DropOldest();
}

void Journal::Retain() {
  while (segments_.size() > 1 && cost_ - segments_.front()->cost() >= options_.retain_bytes) {
    if (!DropOldest()) break;
    if (short_of_space_ && segments_.back()->in_file()) {
      short_of_space_ = false;
      options_.warn("journal: there is room again, retention is " +
                    FormatSize(options_.retain_bytes));
    }
  }
}

void Journal::NoteNoSpace(int error) {
  ++counters_.no_space;
  if (!short_of_space_) {
    short_of_space_ = true;
    options_.warn("journal: write to '" + options_.directory + "': " + ErrnoText(error) +
                  "; retention is shortened to what fits, the live stream goes on");
  }
}

void Journal::OnNoSpace(int error) {
  NoteNoSpace(error);
  if (IsNoSpace(error) && DropOldestFile()) return;
  NewSegment(true);
}

// ---- publish ----

bool Journal::PublishFinished() {
  const std::size_t length = unpublished();
  if (length == scanned_) return false;
  const Segment& segment = *segments_.back();
  const std::size_t finished =
      FinishedLength(options_.records, segment.Bytes(head_ + scanned_, length - scanned_));
  if (finished == 0) {
    scanned_ = length;
    return false;
  }
  Publish(scanned_ + finished);
  scanned_ = unpublished();
  return true;
}

void Journal::PublishAll() {
  PublishFinished();
  if (unpublished() > 0) Publish(unpublished());
  scanned_ = 0;
}

void Journal::Publish(std::size_t length) {
  while (length > 0) {
    const std::size_t part = std::min<std::size_t>(length, kMaxBlockBytes);
    const std::shared_ptr<Segment>& segment = segments_.back();
    const ByteSpan bytes = segment->Bytes(head_, part);
    BlockHeader header;
    header.kind = BlockKind::kData;
    header.session = options_.session;
    header.position = head_;
    header.length = static_cast<std::uint32_t>(part);
    header.begins_record = at_boundary_;
    header.ends_record =
        options_.records == RecordFormat::kRaw || bytes.back() == Delimiter(options_.records);
    header.records = CountRecords(options_.records, bytes);
    header.records_before = records_;
    header.time_ns = std::max(last_time_ns_, options_.wall_clock());
    header.checksummed = options_.checksum;
    header.checksum = options_.checksum ? Checksum(bytes) : 0;
    AddBlock(header);
    last_time_ns_ = header.time_ns;
    if (segment_started_ns_ == 0) segment_started_ns_ = header.time_ns;
    head_ += part;
    records_ += header.records;
    at_boundary_ = header.ends_record;
    ++counters_.blocks;
    length -= part;
    const Block block{header, {segment, bytes}};
    for (const auto& observer : observers_) observer(block);
  }
}

void Journal::AddBlock(const BlockHeader& header) {
  Segment& segment = *segments_.back();
  while (true) {
    const IoResult result = segment.AddBlock(header);
    if (result.status == IoStatus::kOk) return;
    NoteNoSpace(result.error);
    if (!IsNoSpace(result.error) || !DropOldestFile()) segment.MoveIndexToMemory();
  }
}

// ---- read ----

std::size_t Journal::SegmentOf(Position position) const {
  const auto after = std::upper_bound(segments_.begin(), segments_.end(), position,
                                      [](Position at, const std::shared_ptr<Segment>& segment) {
                                        return at < segment->begin();
                                      });
  return static_cast<std::size_t>(after - segments_.begin()) - 1;
}

std::optional<Block> Journal::Read(Position at, std::size_t max) const {
  if (at < tail() || at >= head_ || max == 0) return std::nullopt;
  const std::shared_ptr<Segment>& segment = segments_[SegmentOf(at)];
  return WholeOrPart(segment, segment->FindBlock(at), at, std::min(max, kReadBytes));
}

std::optional<SharedBytes> Journal::Peek(Position at, std::size_t max) const {
  if (at < tail() || at >= head_ || max == 0) return std::nullopt;
  const std::shared_ptr<Segment>& segment = segments_[SegmentOf(at)];
  const Position end = std::min(segment->end(), head_);
  const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(end - at, max));
  return SharedBytes{segment, segment->Bytes(at, count), segment->file(),
                     at - segment->begin()};
}

Block Journal::WholeOrPart(const std::shared_ptr<Segment>& segment, std::size_t block,
                           Position at, std::size_t max) const {
  const RecordFormat format = options_.records;
  const BlockHeader first = segment->block(block);
  if (at == first.position && first.length <= max) {
    const bool alone = block + 1 == segment->blocks() ||
                       segment->block(block + 1).end() - at > max ||
                       segment->block(block + 1).time_ns - first.time_ns > kJoinWithin;
    if (alone) return {first, {segment, segment->Bytes(at, first.length)}};
  }
  const auto skipped = static_cast<std::size_t>(at - first.position);
  BlockHeader header = first;
  header.position = at;
  header.records_before += CountRecords(format, segment->Bytes(first.position, skipped));
  if (skipped > 0) {
    header.begins_record =
        format == RecordFormat::kRaw || segment->Bytes(at - 1, 1).front() == Delimiter(format);
  }
  Position end = first.end();
  for (std::size_t i = block + 1; i < segment->blocks(); ++i) {
    const BlockHeader next = segment->block(i);
    if (next.end() - at > max || next.time_ns - first.time_ns > kJoinWithin) break;
    end = next.end();
  }
  end = std::min<Position>(end, at + max);
  header.length = static_cast<std::uint32_t>(end - at);
  const ByteSpan bytes = segment->Bytes(at, header.length);
  header.ends_record = format == RecordFormat::kRaw || bytes.back() == Delimiter(format);
  header.records = CountRecords(format, bytes);
  header.checksum = options_.checksum ? Checksum(bytes) : 0;
  return {header, {segment, bytes}};
}

std::optional<Position> Journal::FindLast(std::uint64_t count) const {
  if (options_.records == RecordFormat::kRaw) return std::nullopt;
  if (count >= records_) return tail();
  const std::uint64_t wanted =
      records_ - count;  // begin right after the end of record `wanted`
  // The segment, then the block, in which record `wanted` ends.
  std::size_t low = 0;
  std::size_t high = segments_.size();
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    const Segment& segment = *segments_[middle];
    const bool before = segment.blocks() > 0 && segment.block(0).records_before < wanted;
    (before ? low : high) = middle;
  }
  const Segment& segment = *segments_[low];
  if (segment.blocks() == 0 || segment.block(0).records_before >= wanted) return tail();
  std::size_t first = 0;
  std::size_t last = segment.blocks();
  while (last - first > 1) {
    const std::size_t middle = first + (last - first) / 2;
    (segment.block(middle).records_before < wanted ? first : last) = middle;
  }
  const BlockHeader header = segment.block(first);
  return header.position + LengthOfRecords(options_.records,
                                           segment.Bytes(header.position, header.length),
                                           wanted - header.records_before);
}

Position Journal::FindSince(std::int64_t time_ns) const {
  for (const std::shared_ptr<Segment>& segment : segments_) {
    if (segment->blocks() == 0 || segment->block(segment->blocks() - 1).time_ns < time_ns)
      continue;
    std::size_t low = 0;
    std::size_t high = segment->blocks();
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      if (segment->block(middle).time_ns < time_ns) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return segment->block(low).position;
  }
  return head_;
}

std::int64_t Journal::TimeAt(Position position) const {
  if (position >= head_ || position < tail()) return last_time_ns_;
  const Segment& segment = *segments_[SegmentOf(position)];
  return segment.block(segment.FindBlock(position)).time_ns;
}

// ---- retain ----

void Journal::DropExpired() {
  if (options_.retain_age.count() == 0 || segments_.empty()) return;
  const std::int64_t now = std::max(last_time_ns_, options_.wall_clock());
  const std::int64_t age = options_.retain_age.count();
  // Only whole segments are dropped, so the one in use is ended before it holds too wide a
  // span.
  if (segment_started_ns_ != 0 && now - segment_started_ns_ > age / 4 && unpublished() == 0) {
    NewSegment(false);
  }
  while (segments_.size() > 1) {
    const Segment& oldest = *segments_.front();
    const bool expired =
        oldest.blocks() == 0 || now - oldest.block(oldest.blocks() - 1).time_ns > age;
    if (!expired || !DropOldest()) break;
  }
}

std::uint64_t Journal::CostSince(Position position) const {
  if (position >= head_) return 0;
  const std::size_t first = SegmentOf(std::max(position, tail()));
  std::uint64_t blocks = 0;
  for (std::size_t i = first; i < segments_.size(); ++i) blocks += segments_[i]->blocks();
  blocks -= segments_[first]->FindBlock(std::max(position, tail()));
  return head_ - position + blocks * kHeaderBytes;
}

}  // namespace pipedup
