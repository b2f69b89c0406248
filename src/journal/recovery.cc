#include "journal/recovery.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/checksum.h"
#include "base/error.h"
#include "base/records.h"
#include "base/text.h"
#include "base/units.h"
#include "os/io.h"

namespace pipedup {
namespace {

class Recovery {
 public:
  explicit Recovery(const RecoveryOptions& options) : options_(options) {}

  std::optional<Recovered> Run() {
    std::string why;
    std::optional<JournalLabel> label = ReadJournalLabel(options_.directory, &why);
    FindSegments();
    if (!label && found_.segments.empty()) {
      if (!others_.empty()) {
        throw Error("journal '" + Escape(options_.directory) + "': holds other things (" +
                    Escape(*others_.begin()) + "), but no journal");
      }
      return Nothing();
    }
    // One without what belongs to a journal on disk is one that was cut.
    if (label && label->durable) {
      found_.label = std::move(*label);
    } else if (found_.segments.empty()) {
      return Nothing();
    } else {
      GuessLabel(label ? options_.directory + "/journal: is not whole" : why);
    }
    CheckKind();
    found_.same_boot = !options_.boot.empty() && found_.label.boot == options_.boot;
    RecoverLast();
    // What stands before a segment that was begun was published, though not all of it is found.
    if (found_.same_boot && !options_.copy) found_.head = std::max(found_.head, begun_);
    if (!options_.copy) ChooseSession();
    Mend();
    return std::move(found_);
  }

 private:
  std::string Path(Position begin, const char* suffix) const {
    return SegmentPath(options_.directory, begin, suffix);
  }

  // Nothing is touched before it is known what is there, and before a label says that positions
  // behind a cut are of another session: whoever is killed in between finds the same again.
  void Later(std::function<void()> change) { changes_.push_back(std::move(change)); }

  void Mend() {
    // Without a segment up to there, the label alone tells how far the positions have come.
    if (!options_.copy && (found_.began_session || found_.segments.empty() ||
                           found_.segments.back().end < found_.head)) {
      if (found_.began_session) {
        found_.label.closed.reset();
        found_.label.used = found_.head;
        found_.label.used_records =
            found_.last ? found_.last->records_before + found_.last->records : 0;
      }
      found_.label.used = std::max(found_.label.used, found_.head);
      const int error = WriteJournalLabel(options_.directory, found_.label, options_.readers);
      if (error != 0 && !IsNoSpace(error)) {
        throw Error("journal: write to '" + Escape(options_.directory) +
                    "': " + ErrnoText(error));
      }
    }
    for (const auto& change : changes_) change();
  }

  // But an index without its bytes may be there, in the way of what begins.
  std::optional<Recovered> Nothing() const {
    for (const auto& change : changes_) change();
    return std::nullopt;
  }

  void CheckKind() const {
    const JournalLabel& label = found_.label;
    if (label_guessed_) return;
    if (label.stream != options_.stream) {
      throw Error("journal '" + Escape(options_.directory) + "': is of stream '" +
                  Escape(label.stream) + "', not of '" + options_.stream + "'");
    }
    if (label.records != options_.records) {
      throw Error("journal '" + Escape(options_.directory) +
                  "': its records are others than those of --records");
    }
  }

  void FindSegments() {
    std::set<Position> logs;
    std::set<Position> indexes;
    for (const std::string& name : ListDirectory(options_.directory)) {
      if (const auto begin = SegmentBegin(name, kLogSuffix)) {
        logs.insert(*begin);
      } else if (const auto index = SegmentBegin(name, kIndexSuffix)) {
        indexes.insert(*index);
      } else if (name != "lock" && name != "lost+found" && !name.starts_with("journal") &&
                 !name.starts_with("members")) {
        others_.insert(name);
      }
    }
    for (const Position begin : indexes) {
      // It was being made, or dropped, when the process was killed.
      if (!logs.contains(begin))
        Later([this, begin] { RemoveFile(Path(begin, kIndexSuffix)); });
    }
    for (const Position begin : logs) {
      if (indexes.contains(begin)) begun_ = begin;
      if (!found_.segments.empty()) found_.segments.back().end = begin;
      found_.segments.push_back({options_.directory, begin, begin,
                                 FileBytes(Path(begin, kLogSuffix)).value_or(0),
                                 FileBytes(Path(begin, kIndexSuffix)).value_or(0)});
    }
  }

  // Every block says whose it is.
  void GuessLabel(const std::string& why) {
    JournalLabel& label = found_.label;
    label.durable = true;
    label.stream = options_.stream;
    label.records = options_.records;
    label.segment_bytes = 1;
    for (const StoredSegment::Found& segment : found_.segments) {
      label.segment_bytes = std::max<std::size_t>(label.segment_bytes, segment.log_bytes);
    }
    for (auto segment = found_.segments.rbegin(); segment != found_.segments.rend();
         ++segment) {
      std::size_t entries = 0;
      const auto index =
          ReadIndex(options_.directory, segment->begin, UINT64_MAX / 2, &entries);
      if (index.empty()) continue;
      label.session = index.back().session;
      break;
    }
    if (label.session == 0) label.session = options_.new_session;
    options_.warn("journal: " + why + "; session " + Hex(label.session) +
                  " was found in the segments");
    label_guessed_ = true;
  }

  // From the newest on, until one has a block to go on behind.
  void RecoverLast() {
    if (found_.segments.empty() && !options_.copy) found_.head = found_.label.used;
    while (!found_.segments.empty()) {
      StoredSegment::Found& last = found_.segments.back();
      if (found_.same_boot ? KeepLast(last) : CutLast(last)) return;
      found_.head = last.begin;
      Later([this, begin = last.begin] {
        RemoveFile(Path(begin, kLogSuffix));
        RemoveFile(Path(begin, kIndexSuffix));
      });
      found_.segments.pop_back();
    }
  }

  // The process was killed: all that it wrote is there. Blocks were published, so their
  // positions are never used again, whatever has become of their bytes.
  bool KeepLast(StoredSegment::Found& last) {
    std::size_t entries = 0;
    const auto index = ReadIndex(options_.directory, last.begin, UINT64_MAX / 2, &entries);
    last.end = index.empty() ? last.begin : index.back().end();
    found_.last = index.empty() ? LastBefore(last) : index.back();
    CutIndex(last, entries);
    Adopt(last);
    found_.head = last.end;
    return last.end > last.begin;
  }

  // How the stream stands where `segment` begins. Where blocks are missing before it, their
  // bytes are still good for a count of records.
  std::optional<BlockHeader> LastBefore(const StoredSegment::Found& segment) const {
    std::uint32_t uncounted = 0;
    std::optional<bool> ends_record;
    for (auto it = found_.segments.rbegin(); it != found_.segments.rend(); ++it) {
      if (it->begin >= segment.begin) continue;
      std::size_t entries = 0;
      const auto index = ReadIndex(options_.directory, it->begin, UINT64_MAX / 2, &entries);
      const Position from = index.empty() ? it->begin : index.back().end();
      const Position end = std::min<Position>(it->end, it->begin + it->log_bytes);
      std::vector<std::byte> bytes(end - std::min(end, from));
      int error = 0;
      const UniqueFd log = OpenForReading(Path(it->begin, kLogSuffix), &error);
      bytes.resize(log ? ReadAt(log.get(), bytes, from - it->begin) : 0);
      uncounted += CountRecords(found_.label.records, bytes);
      if (!bytes.empty() && !ends_record) {
        ends_record = found_.label.records == RecordFormat::kRaw ||
                      bytes.back() == Delimiter(found_.label.records);
      }
      if (index.empty()) continue;
      BlockHeader last = index.back();
      last.records += uncounted;
      last.ends_record = ends_record.value_or(last.ends_record);
      return last;
    }
    return std::nullopt;
  }

  // Gives the bytes behind the last block blocks of their own.
  void Adopt(StoredSegment::Found& last) {
    int error = 0;
    const UniqueFd log = OpenForReading(Path(last.begin, kLogSuffix), &error);
    const UniqueFd index = OpenToAppend(Path(last.begin, kIndexSuffix), &error);
    std::vector<std::byte> bytes;
    while (last.end - last.begin < last.log_bytes) {
      bytes.resize(
          std::min<std::uint64_t>(last.log_bytes - (last.end - last.begin), kMaxBlockBytes));
      if (!log || !index || ReadAt(log.get(), bytes, last.end - last.begin) != bytes.size()) {
        throw Error("journal: " + Path(last.begin, kLogSuffix) + ": " + ErrnoText(error));
      }
      const BlockHeader header = HeaderFor(last.end, bytes);
      IoResult result = WriteAt(index.get(), EncodeHeader(header), last.index_bytes);
      while (result.status == IoStatus::kNoSpace && found_.segments.size() > 1) {
        DropOldest();
        result = WriteAt(index.get(), EncodeHeader(header), last.index_bytes);
      }
      if (result.status != IoStatus::kOk) {
        throw Error("journal: " + Path(last.begin, kIndexSuffix) + ": " +
                    ErrnoText(result.error));
      }
      last.index_bytes += kHeaderBytes;
      last.end = header.end();
      found_.last = header;
    }
  }

  // Retention is shortened before anything else suffers, as at any other time.
  void DropOldest() {
    const StoredSegment::Found& oldest = found_.segments.front();
    RemoveFile(Path(oldest.begin, kLogSuffix));
    RemoveFile(Path(oldest.begin, kIndexSuffix));
    found_.segments.pop_front();
  }

  BlockHeader HeaderFor(Position at, ByteSpan bytes) const {
    const RecordFormat format = found_.label.records;
    BlockHeader header;
    header.session = found_.label.session;
    header.position = at;
    header.length = static_cast<std::uint32_t>(bytes.size());
    header.begins_record = !found_.last || found_.last->ends_record;
    header.ends_record = format == RecordFormat::kRaw || bytes.back() == Delimiter(format);
    header.records = CountRecords(format, bytes);
    header.records_before =
        found_.last ? found_.last->records_before + found_.last->records : 0;
    header.time_ns = std::max(options_.now_ns, found_.last ? found_.last->time_ns : 0);
    header.checksum = Checksum(bytes);
    return header;
  }

  // The machine has crashed: what was not synced may be anything.
  bool CutLast(StoredSegment::Found& last) {
    std::size_t entries = 0;
    int error = 0;
    std::vector<BlockHeader> index = ReadIndex(options_.directory, last.begin, last.log_bytes,
                                               &entries, &error, Unsound::kStop);
    cut_blocks_ = cut_blocks_ || last.index_bytes / kHeaderBytes > index.size();
    const UniqueFd log = OpenForReading(Path(last.begin, kLogSuffix), &error);
    std::vector<std::byte> bytes;
    const auto holds = [&](const BlockHeader& block) {
      bytes.resize(block.length);
      bytes.resize(ReadAt(log.get(), bytes, block.position - last.begin));
      return ChecksumHolds(block, bytes);
    };
    Position next = last.begin;
    const auto bad = std::ranges::find_if_not(index, [&](const BlockHeader& block) {
      return block.position == std::exchange(next, block.end()) && holds(block);
    });
    cut_blocks_ = cut_blocks_ || bad != index.end();
    index.erase(bad, index.end());
    if (index.empty()) return false;
    last.end = index.back().end();
    const std::uint64_t index_bytes = index.size() * kHeaderBytes;
    if (last.index_bytes > index_bytes) {
      Later(
          [path = Path(last.begin, kIndexSuffix), index_bytes] { CutFile(path, index_bytes); });
    }
    last.index_bytes = std::min(last.index_bytes, index_bytes);
    if (last.log_bytes > last.end - last.begin) {
      options_.warn("journal: the last " +
                    FormatSize(last.log_bytes - (last.end - last.begin)) +
                    " were not whole after a crash of the machine, and are cut at position " +
                    std::to_string(last.end));
    }
    CutLog(last);
    found_.head = last.end;
    found_.last = index.back();
    return true;
  }

  void CutIndex(StoredSegment::Found& segment, std::size_t entries) {
    const std::uint64_t bytes = std::min(segment.index_bytes, entries * kHeaderBytes);
    if (segment.index_bytes > bytes) CutFile(Path(segment.begin, kIndexSuffix), bytes);
    segment.index_bytes = bytes;
  }

  void CutLog(StoredSegment::Found& segment) {
    const std::uint64_t bytes = std::min(segment.log_bytes, segment.end - segment.begin);
    if (segment.log_bytes > bytes) {
      Later([path = Path(segment.begin, kLogSuffix), bytes] { CutFile(path, bytes); });
    }
    segment.log_bytes = bytes;
  }

  static void CutFile(const std::string& path, std::uint64_t bytes) {
    const int error = TruncateFile(path, bytes);
    if (error != 0) throw Error("journal: cut " + path + ": " + ErrnoText(error));
  }

  void ChooseSession() {
    JournalLabel& label = found_.label;
    const bool clean = label.closed && *label.closed >= found_.head && !cut_blocks_;
    // Blocks that are cut were never published then: that waits for the disk.
    const bool all_synced = label.sync == SyncMode::kAlways;
    const bool same_process = found_.same_boot && !label.lapsed;
    if (same_process || (clean && !label.lapsed) ||
        (all_synced && !label_guessed_ && !label.lapsed))
      return;
    const char* const reason =
        label.lapsed     ? "something was in memory only, and is gone with the process"
        : label_guessed_ ? "its label is damaged"
                         : "the machine was started anew";
    options_.warn("journal: " + std::string(reason) + "; session " + Hex(options_.new_session) +
                  " goes on at position " + std::to_string(found_.head) + ", where session " +
                  Hex(label.session) + " was found to end");
    // What was cut now is gone for the readers of earlier ones, too.
    for (PastSession& past : label.past) past.end = std::min(past.end, found_.head);
    label.past.push_back({label.session, found_.head});
    if (label.past.size() > kMostPast) label.past.erase(label.past.begin());
    label.session = options_.new_session;
    found_.began_session = true;
  }

  const RecoveryOptions& options_;
  Recovered found_;
  std::set<std::string> others_;
  std::vector<std::function<void()>> changes_;
  Position begun_ = 0;  // the newest segment, whatever is in it
  bool label_guessed_ = false;
  bool cut_blocks_ = false;  // blocks, not only bytes that none had
};

}  // namespace

std::optional<Recovered> Recover(const RecoveryOptions& options) {
  return Recovery(options).Run();
}

}  // namespace pipedup
