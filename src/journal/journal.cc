#include "journal/journal.h"

#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/records.h"
#include "journal/layout.h"
#include "journal/recovery.h"
#include "journal/stored_segment.h"

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
constexpr std::size_t kMostLoaded = 8;  // indexes of segments on disk that are in memory

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
  label_.session = options_.session;
  label_.segment_bytes = segment_size_.data_bytes;
  if (options_.durable) {
    Recover();
    syncer_ = std::make_unique<Syncer>(options_.directory, options_.durable->sync,
                                       options_.durable->sync_interval);
  } else if (!options_.directory.empty()) {
    // Without a label nobody reads the files but this process: no harm, and the first segment
    // will say what is wrong with the directory.
    std::string why;
    (void)WriteJournalLabel(options_.directory, label_, options_.readers, &why);
  }
}

Journal::~Journal() {
  if (!options_.durable) {
    for (const std::shared_ptr<AnySegment>& segment : segments_) segment->Drop(pinned_);
    if (!options_.directory.empty()) RemoveJournalLabel(options_.directory);
    return;
  }
  observers_.clear();
  PublishAll();
  syncer_->SyncAll();
  syncer_.reset();
  try {
    WriteLabel(written_.position);
  } catch (const Error& error) {
    options_.warn(error.what());
  }
}

// ---- what was there ----

void Journal::Recover() {
  RecoveryOptions look;
  look.directory = options_.directory;
  look.readers = options_.readers;
  look.new_session = options_.session;
  look.boot = options_.durable->boot;
  look.records = options_.records;
  look.now_ns = options_.wall_clock();
  look.warn = options_.warn;
  if (std::optional<Recovered> found = pipedup::Recover(look)) {
    label_ = std::move(found->label);
    if (!label_.stream.empty() && label_.stream != options_.durable->stream) {
      throw Error("journal '" + options_.directory + "': is of stream '" + label_.stream +
                  "', not of '" + options_.durable->stream + "'");
    }
    if (label_.records != options_.records) {
      throw Error("journal '" + options_.directory +
                  "': its records are others than those of --records");
    }
    for (StoredSegment::Found& segment : found->segments) {
      segments_.push_back(std::make_shared<StoredSegment>(
          std::move(segment), [this](Position from, Position to) { OnDamage(from, to); }));
      cost_ += segments_.back()->cost();
    }
    written_.position = found->head;
    if (found->last) {
      written_.records = found->last->records_before + found->last->records;
      written_.time_ns = found->last->time_ns;
      written_.at_boundary = found->last->ends_record;
    }
    published_ = written_;
  }
  WriteLabel(std::nullopt);
  Retain();
}

// A session whose label is not there must not be published: its positions would be used again.
void Journal::WriteLabel(std::optional<Position> closed) {
  label_.durable = true;
  label_.segment_bytes = std::max(label_.segment_bytes, segment_size_.data_bytes);
  if (!closed) label_.from = written_.position;
  label_.closed = closed;
  label_.stream = options_.durable->stream;
  label_.records = options_.records;
  label_.boot = options_.durable->boot;
  label_.sync = options_.durable->sync;
  std::string why;
  while (!WriteJournalLabel(options_.directory, label_, options_.readers, &why)) {
    if (!DropOldestFile()) throw Error("journal: " + why);
  }
}

void Journal::OnDamage(Position from, Position to) {
  counters_.damaged_bytes += to - from;
  options_.warn("journal: positions " + std::to_string(from) + " to " + std::to_string(to) +
                " are missing or damaged on disk, and are skipped");
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
  if (!last_) {
    NewSegment(false);
  } else {
    // A segment that is nearly full ends here if that spares cutting a record in two.
    const bool roll_early =
        unpublished() == 0 && written_.at_boundary && last_->room() < kEarlyRoll;
    if (last_->room() == 0 || roll_early ||
        last_->blocks() + kBlocksPerAppend > segment_size_.blocks)
      NewSegment(false);
  }
  return *last_;
}

void Journal::NewSegment(bool in_memory) {
  PublishAll();  // a block never spans two segments
  SealLast();
  std::shared_ptr<Segment> segment;
  if (!in_memory && !options_.directory.empty()) {
    const auto make = [this](int* error) {
      return Segment::InFile(options_.directory, written_.position, segment_size_,
                             options_.readers, error);
    };
    int error = 0;
    segment = make(&error);
    while (!segment && IsNoSpace(error) && DropOldestFile()) segment = make(&error);
    if (!segment) NoteNoSpace(error);
  }
  if (!segment) {
    segment = Segment::InMemory(written_.position, segment_size_);
    if (!options_.directory.empty()) ++counters_.memory_segments;
  }
  segments_.push_back(segment);
  last_ = std::move(segment);
  segment_started_ns_ = 0;
  Retain();
}

void Journal::SealLast() {
  if (!last_) return;
  const std::shared_ptr<Segment> last = std::exchange(last_, nullptr);
  if (last->end() == last->begin()) {
    last->Drop(pinned_);  // not a byte fitted into it
    segments_.pop_back();
    return;
  }
  cost_ += last->cost();
  last->Seal(options_.splice_out || options_.durable);
  if (!options_.durable || !last->complete_in_files()) return;
  segments_.back() = std::make_shared<StoredSegment>(
      StoredSegment::Found{options_.directory, last->begin(), last->end(),
                           last->end() - last->begin(), last->blocks() * kHeaderBytes},
      [this](Position from, Position to) { OnDamage(from, to); }, last);
}

bool Journal::DropOldest(bool now) {
  if (segments_.size() < 2 || segments_.front()->end() > keep_from_) return false;
  const std::shared_ptr<AnySegment> oldest = std::move(segments_.front());
  segments_.pop_front();
  std::erase(loaded_, oldest.get());
  cost_ -= oldest->cost();
  counters_.dropped_bytes += oldest->end() - oldest->begin();
  if (!syncer_) {
    oldest->Drop(pinned_);
  } else if (now) {
    syncer_->RemoveNow(*oldest, pinned_);
  } else {
    syncer_->Remove(oldest, pinned_);
  }
  return true;
}

// Makes room in the file system, which a segment in private memory would not.
bool Journal::DropOldestFile() {
  return segments_.size() > 1 && segments_.front()->in_file() && DropOldest(true);
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
  const std::size_t finished = FinishedLength(
      options_.records, last_->View(written_.position + scanned_, length - scanned_));
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
    const ByteSpan bytes = last_->View(written_.position, part);
    BlockHeader header;
    header.kind = BlockKind::kData;
    header.session = label_.session;
    header.position = written_.position;
    header.length = static_cast<std::uint32_t>(part);
    header.begins_record = written_.at_boundary;
    header.ends_record =
        options_.records == RecordFormat::kRaw || bytes.back() == Delimiter(options_.records);
    header.records = CountRecords(options_.records, bytes);
    header.records_before = written_.records;
    header.time_ns = std::max(written_.time_ns, options_.wall_clock());
    header.checksummed = options_.checksum;
    header.checksum = options_.checksum ? Checksum(bytes) : 0;
    AddBlock(header);
    if (segment_started_ns_ == 0) segment_started_ns_ = header.time_ns;
    written_ = {header.end(), written_.records + header.records, header.time_ns,
                header.ends_record};
    ++counters_.blocks;
    length -= part;
    const Block block{header, {last_, bytes}};
    if (syncer_) syncer_->OnWritten(last_, written_.position);
    if (syncer_ && options_.durable->sync == SyncMode::kAlways) {
      unsafe_.push_back(block);
    } else {
      Announce(block);
    }
  }
}

void Journal::Announce(const Block& block) {
  published_ = {block.header.end(), block.header.records_before + block.header.records,
                block.header.time_ns, block.header.ends_record};
  for (const auto& observer : observers_) observer(block);
}

void Journal::Synced() {
  if (!syncer_) return;
  syncer_->waker().Clear();
  if (syncer_->errors() > sync_errors_) {
    if (sync_errors_ == 0) {
      options_.warn("journal: sync '" + options_.directory +
                    "': " + ErrnoText(syncer_->last_error()) +
                    "; it may not survive a crash of the machine, the live stream goes on");
    }
    sync_errors_ = counters_.sync_errors = syncer_->errors();
  }
  while (!unsafe_.empty() && unsafe_.front().header.end() <= syncer_->synced()) {
    const Block block = std::move(unsafe_.front());
    unsafe_.pop_front();
    Announce(block);
  }
}

void Journal::Settle() {
  PublishAll();
  if (unsafe_.empty()) return;
  syncer_->SyncAll();
  Synced();
}

void Journal::AddBlock(const BlockHeader& header) {
  Segment& segment = *last_;
  while (true) {
    const IoResult result = segment.AddBlock(header);
    if (result.status == IoStatus::kOk) return;
    NoteNoSpace(result.error);
    if (!IsNoSpace(result.error) || !DropOldestFile()) segment.MoveIndexToMemory();
  }
}

// ---- read ----

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
        next.end() > head() || next.time_ns - first.time_ns > kJoinWithin) {
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

std::optional<Position> Journal::FindLast(std::uint64_t count) const {
  if (options_.records == RecordFormat::kRaw) return std::nullopt;
  if (count >= records()) return tail();
  const std::uint64_t wanted =
      records() - count;  // begin right after the end of record `wanted`
  // The segment, then the block, in which record `wanted` ends.
  std::size_t low = 0;
  std::size_t high = segments_.size();
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    const AnySegment& segment = Use(middle);
    const bool before = segment.blocks() > 0 && segment.block(0).records_before < wanted;
    (before ? low : high) = middle;
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

// ---- retain ----

void Journal::DropExpired() {
  if (options_.retain_age.count() == 0 || segments_.empty()) return;
  const std::int64_t now = std::max(written_.time_ns, options_.wall_clock());
  const std::int64_t age = options_.retain_age.count();
  // Only whole segments are dropped, so the one in use is ended before it holds too wide a
  // span.
  if (last_ && segment_started_ns_ != 0 && now - segment_started_ns_ > age / 4 &&
      unpublished() == 0) {
    NewSegment(false);
  }
  while (segments_.size() > 1) {
    const AnySegment& oldest = Use(0);
    const bool expired =
        oldest.blocks() == 0 || now - oldest.block(oldest.blocks() - 1).time_ns > age;
    if (!expired || !DropOldest()) break;
  }
}

std::uint64_t Journal::CostSince(Position position) const {
  if (position >= head()) return 0;
  const Position from = std::max(position, tail());
  const std::size_t first = SegmentOf(from);
  std::uint64_t cost = 0;
  for (std::size_t i = first + 1; i < segments_.size(); ++i) cost += segments_[i]->cost();
  const AnySegment& segment = Use(first);
  const std::size_t behind =
      segment.blocks() - std::min(segment.blocks(), segment.FindBlock(from));
  return cost + (from - position) + (segment.end() - std::min(segment.end(), from)) +
         behind * kHeaderBytes;
}

}  // namespace pipedup
