#include "journal/attached.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"

namespace pipedup {
std::unique_ptr<AttachedJournal> AttachedJournal::Open(const std::string& directory,
                                                       SessionId session, std::string* why) {
  const std::optional<JournalLabel> label = ReadJournalLabel(directory, why);
  if (!label) return nullptr;
  if (label->session != session || label->lapsed) {
    *why = directory + ": holds another session";
    return nullptr;
  }
  std::optional<FileWatch> watch = FileWatch::Create();
  if (!watch || !watch->AddDirectory(directory)) {
    *why = directory + ": cannot be watched";
    return nullptr;
  }
  return std::unique_ptr<AttachedJournal>(
      new AttachedJournal(directory, *label, std::move(*watch)));
}

// Watched first and read then, so that nothing that is written in between goes unnoticed.
bool AttachedJournal::OpenSegment(Position begin) {
  int error = 0;
  auto log = std::make_shared<Log>();
  log->fd = OpenForReading(SegmentPath(directory_, begin, kLogSuffix), &error);
  if (!log->fd) return false;
  UniqueFd index = OpenForReading(SegmentPath(directory_, begin, kIndexSuffix), &error);
  if (!index) return false;
  if (!watch_.SetFile(SegmentPath(directory_, begin, kIndexSuffix))) return false;
  try {
    log->mapping = Mapping::OfFile(log->fd.get(), label_.segment_bytes);
  } catch (const Error&) {
    return false;
  }
  log_ = std::move(log);
  index_ = std::move(index);
  begin_ = begin;
  ContinueAt(0, begin);
  return true;
}

void AttachedJournal::ContinueAt(std::uint64_t entry, Position next) {
  entry_ = entry;
  next_ = next;
  ahead_begin_ = ahead_end_ = 0;
  index_grows_ = stream_grows_ = true;
}

void AttachedJournal::ClearWatch() {
  index_grows_ = true;
  stream_grows_ = watch_.Clear() || stream_grows_;
}

// An entry that is being written shows by its checksum, and is there in a moment.
std::optional<BlockHeader> AttachedJournal::Parse(ByteSpan entry) const {
  const ParsedHeader parsed = ParseHeader(entry);
  if (!parsed.header || parsed.header->kind != BlockKind::kData ||
      parsed.header->session != label_.session || parsed.header->position < begin_ ||
      parsed.header->end() - begin_ > label_.segment_bytes) {
    return std::nullopt;
  }
  return parsed.header;
}

std::optional<BlockHeader> AttachedJournal::EntryAt(std::uint64_t number) const {
  std::array<std::byte, kHeaderBytes> bytes;
  if (ReadAt(index_.get(), bytes, number * kHeaderBytes) != bytes.size()) return std::nullopt;
  return Parse(bytes);
}

// Entry `entry_`. A look at the index costs a system call, so that many are read at a time, and
// one that ended at its end is not repeated before something was written.
std::optional<BlockHeader> AttachedJournal::NextEntry() {
  if (ahead_begin_ == ahead_end_) {
    if (!index_grows_) return std::nullopt;
    const std::size_t bytes = ReadAt(index_.get(), ahead_, entry_ * kHeaderBytes);
    ahead_begin_ = 0;
    ahead_end_ = bytes - bytes % kHeaderBytes;
    index_grows_ = ahead_end_ == ahead_.size();
    if (ahead_end_ == 0) return std::nullopt;
  }
  const std::optional<BlockHeader> entry =
      Parse(ByteSpan(ahead_).subspan(ahead_begin_, kHeaderBytes));
  if (!entry) {
    ahead_begin_ = ahead_end_ = 0;  // to be read again
    index_grows_ = false;
  }
  return entry;
}

void AttachedJournal::TakeEntry(const BlockHeader& entry) {
  ahead_begin_ += kHeaderBytes;
  ++entry_;
  next_ = entry.end();
}

std::optional<AttachedJournal::Piece> AttachedJournal::Read(Position at, std::size_t max) {
  if (!log_ && !OpenSegment(at)) return std::nullopt;
  if (at < next_) return std::nullopt;
  std::optional<BlockHeader> first = NextEntry();
  if (!first && at == next_ && at > begin_ && stream_grows_) {
    stream_grows_ = false;
    if (OpenSegment(at)) first = NextEntry();
  }
  while (first && first->position == next_ && first->end() <= at) {
    TakeEntry(*first);
    first = NextEntry();
  }
  if (!first || first->position != next_) return std::nullopt;
  BlockHeader joined = *first;
  TakeEntry(*first);
  while (const std::optional<BlockHeader> next = NextEntry()) {
    const std::uint64_t length = next->end() - joined.position;
    if (next->position != joined.end() || length > max || length > kMaxBlockBytes ||
        !MayJoin(joined, *next)) {
      break;
    }
    joined.length = static_cast<std::uint32_t>(length);
    joined.records += next->records;
    joined.ends_record = next->ends_record;
    TakeEntry(*next);
  }
  joined.checksummed = false;
  joined.checksum = 0;
  const std::uint64_t offset = joined.position - begin_;
  // Somebody has cut the file: reading there would be the end of this process.
  if (FileBytes(log_->fd.get()) < offset + joined.length) return std::nullopt;
  const ByteSpan bytes(log_->mapping.data() + offset, joined.length);
  return Piece{joined, {log_, bytes, log_->fd.get(), offset}};
}

bool AttachedJournal::Locate(Position at) {
  if (at < label_.from) return false;
  std::optional<Position> best;
  bool empty = true;
  for (const std::string& name : ListDirectory(directory_)) {
    const std::optional<Position> begin = SegmentBegin(name, kIndexSuffix);
    empty = empty && !begin;
    if (begin && *begin <= at && (!best || *begin > *best)) best = begin;
  }
  if (empty) return true;  // nothing was published yet, or it is about to go
  if (!best || !OpenSegment(*best)) return false;
  if (next_ == at) return true;
  // Entries are in the order of positions: the last one that does not begin behind `at`.
  std::uint64_t low = 0;
  std::uint64_t high = FileBytes(index_.get()) / kHeaderBytes;
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    const std::optional<BlockHeader> entry = EntryAt(middle);
    (entry && entry->position <= at ? low : high) = middle;
  }
  const std::optional<BlockHeader> entry = EntryAt(low);
  if (!entry || entry->end() < at) return false;
  const bool behind = entry->end() == at;
  ContinueAt(behind ? low + 1 : low, behind ? at : entry->position);
  return true;
}

}  // namespace pipedup
