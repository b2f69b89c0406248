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

constexpr std::size_t kEarlyRoll = 32 * 1024;  // room that is given up to end at a boundary
constexpr std::uint64_t kMostSegments = 4096;  // two mappings each, of 65,530 by default
// Blocks that one append can lead to: a full segment in blocks of kMaxBlockBytes, the finished
// records and the unfinished one. A segment whose index has no room for them is not appended
// to.
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
  label_.session = options_.session;
  label_.past = options_.past;
  label_.segment_bytes = segment_size_.data_bytes;
  if (options_.durable) {
    syncer_ = std::make_unique<Syncer>(options_.directory, options_.durable->sync,
                                       options_.durable->sync_interval);
    Recover();
  } else if (!options_.directory.empty()) {
    // Without a label nobody reads the files but this process: no harm, and the first segment
    // will say what is wrong with the directory.
    (void)WriteJournalLabel(options_.directory, label_, options_.readers);
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
  if (const int error = WriteLabel(written_.position); error != 0) {
    options_.warn("journal: write to '" + options_.directory + "': " + ErrnoText(error));
  }
  for (const std::shared_ptr<AnySegment>& segment : segments_) {
    const auto* const here = dynamic_cast<const Segment*>(segment.get());
    if (here == nullptr || here->complete_in_files()) continue;
    options_.warn("journal: positions " + std::to_string(here->begin()) + " to " +
                  std::to_string(here->end()) +
                  " were in memory only, and are gone with this process");
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
  look.stream = options_.durable->stream;
  look.now_ns = options_.wall_clock();
  look.copy = options_.durable->copy;
  look.warn = options_.warn;
  if (std::optional<Recovered> found = pipedup::Recover(look)) {
    if (found->same_boot) SyncLeftovers(*found);
    label_ = std::move(found->label);
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
    // What was published last may have been in memory only: it is missing, its positions are
    // not free.
    if (label_.used > written_.position && !found->began_session && !look.copy) {
      written_.position = label_.used;
      written_.records = label_.used_records;
      written_.at_boundary = true;
    }
    published_ = written_;
  }
  label_.from = written_.position;
  if (const int error = WriteLabel(std::nullopt); error != 0) {
    throw Error("journal: write to '" + options_.directory + "': " + ErrnoText(error));
  }
}

// What the last process wrote may be in the page cache only, whatever that one was told to do
// about it, and is published from now on. The system itself writes out what is half a minute
// old.
void Journal::SyncLeftovers(const Recovered& found) {
  constexpr std::int64_t kWrittenOutNs = 60'000'000'000;
  const bool few = found.label.sync == SyncMode::kAlways;  // kMostUnsafe and what was read then
  std::size_t first = found.segments.size();
  while (first > 0) {
    const StoredSegment::Found& segment = found.segments[first - 1];
    const std::string log = SegmentPath(options_.directory, segment.begin, kLogSuffix);
    if (options_.wall_clock() - ModifiedNs(log).value_or(0) > kWrittenOutNs) break;
    --first;
    if (few && found.head - segment.begin > 2 * kMostUnsafe) break;
  }
  for (; first < found.segments.size(); ++first) {
    syncer_->OnWritten(found.segments[first].begin, found.segments[first].end);
  }
  if (options_.durable->sync == SyncMode::kAlways) syncer_->SyncAll();
}

// Something is published that is in no file. If this process is killed now, the next one could
// not know which positions are used: it begins a new session.
void Journal::Lapse() {
  if (!options_.durable || lapsed_) return;
  lapsed_ = true;
  if (!LapseJournalLabel(options_.directory)) {
    options_.warn("journal: '" + options_.directory + "' cannot be marked as incomplete");
  }
}

int Journal::WriteLabel(std::optional<Position> closed) {
  label_.durable = true;
  label_.lapsed = false;
  label_.segment_bytes = std::max(label_.segment_bytes, segment_size_.data_bytes);
  label_.used = written_.position;
  label_.used_records = written_.records;
  label_.closed = closed;
  label_.stream = options_.durable->stream;
  label_.records = options_.records;
  label_.boot = options_.durable->boot;
  // After an error nobody knows what is safe.
  const bool failed = counters_.sync_errors > 0;
  label_.sync = failed ? SyncMode::kNever : options_.durable->sync;
  while (true) {
    const int error = WriteJournalLabel(options_.directory, label_, options_.readers);
    if (error == 0) lapsed_ = false;
    if (error == 0 || !IsNoSpace(error) || !DropOldestFile()) return error;
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
    Lapse();
  } else if (lapsed_) {
    (void)WriteLabel(std::nullopt);  // else with the next segment
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
  last->Seal(options_.splice_out);
  if (!options_.durable || !last->complete_in_files()) return;
  segments_.back() = std::make_shared<StoredSegment>(
      StoredSegment::Found{options_.directory, last->begin(), last->end(),
                           last->end() - last->begin(), last->blocks() * kHeaderBytes},
      [this](Position from, Position to) { OnDamage(from, to); }, last);
}

bool Journal::DropOldest(bool now) {
  // Who has not been told of it cannot have read it; and a segment that is removed before it is
  // synced leaves a hole behind, should the machine crash while its name is still there.
  const Position keep_from =
      std::min(keep_from_, unsafe_.empty() ? keep_from_ : published_.position);
  if (segments_.size() < 2 || segments_.front()->end() > keep_from) return false;
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

/// Of a block that follows what is written.
BlockHeader Journal::HeaderOf(ByteSpan bytes) const {
  if (relayed_ != nullptr && relayed_->position == written_.position &&
      relayed_->length == bytes.size() && (relayed_->checksummed || !options_.checksum)) {
    BlockHeader header = *relayed_;
    if (header.codec != Codec::kNone) {  // the checksum is of what was sent
      header.codec = Codec::kNone;
      header.checksum = header.checksummed ? Checksum(bytes) : 0;
    }
    header.session = label_.session;
    header.time_ns = std::max(written_.time_ns, header.time_ns);
    return header;
  }
  const std::int64_t now = relayed_ != nullptr ? relayed_->time_ns : options_.wall_clock();
  BlockHeader header;
  header.kind = BlockKind::kData;
  header.session = label_.session;
  header.position = written_.position;
  header.length = static_cast<std::uint32_t>(bytes.size());
  header.begins_record = written_.at_boundary;
  header.ends_record =
      options_.records == RecordFormat::kRaw || bytes.back() == Delimiter(options_.records);
  header.records = CountRecords(options_.records, bytes);
  header.records_before = written_.records;
  header.time_ns = std::max(written_.time_ns, now);
  header.checksummed = options_.checksum;
  header.checksum = options_.checksum ? Checksum(bytes) : 0;
  return header;
}

void Journal::Publish(std::size_t length) {
  while (length > 0) {
    const std::size_t part = std::min<std::size_t>(length, kMaxBlockBytes);
    const ByteSpan bytes = last_->View(written_.position, part);
    const BlockHeader header = HeaderOf(bytes);
    AddBlock(header);
    if (segment_started_ns_ == 0) segment_started_ns_ = header.time_ns;
    written_ = {header.end(), header.records_before + header.records, header.time_ns,
                header.ends_record};
    ++counters_.blocks;
    length -= part;
    const Block block{header, {last_, bytes}};
    if (syncer_) syncer_->OnWritten(last_->begin(), written_.position);
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
    const bool first = sync_errors_ == 0;
    sync_errors_ = counters_.sync_errors = syncer_->errors();
    // Before anybody is told of what may not be safe.
    if (first && WriteLabel(std::nullopt) != 0) Lapse();
    if (first) {
      options_.warn("journal: sync '" + options_.directory +
                    "': " + ErrnoText(syncer_->last_error()) +
                    "; it may not survive a crash of the machine, the live stream goes on");
    }
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
    if (!IsNoSpace(result.error) || !DropOldestFile()) {
      segment.MoveIndexToMemory();
      Lapse();
    }
  }
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
    // One without a block says nothing of its age, but the next one does.
    const AnySegment& tells = oldest.blocks() > 0 ? oldest : Use(1);
    if (tells.blocks() == 0) break;
    const std::int64_t time_ns =
        tells.block(&tells == &oldest ? tells.blocks() - 1 : 0).time_ns;
    if (time_ns >= now - age || !DropOldest()) break;
  }
}

std::uint64_t Journal::CostSince(Position position) const {
  if (position >= head()) return 0;
  if (segments_.empty()) return head() - position;
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
