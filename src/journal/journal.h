// The journal: the last part of a stream, and every position in it. Sources append, sinks read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/units.h"
#include "journal/segment.h"
#include "pipedup/types.h"
#include "wire/block_header.h"

namespace pipedup {

/// A block as it goes to readers. `payload` keeps its segment alive.
struct Block {
  BlockHeader header;
  SharedBytes payload;
};

struct JournalOptions {
  std::string directory;  ///< private to this process; empty: private memory instead of files
  Readers readers = Readers::kNobody;  ///< of the files
  SessionId session = 0;
  RecordFormat records = RecordFormat::kLines;
  std::uint64_t retain_bytes =
      64 * 1024 * 1024;    ///< stream bytes and index; at least this much stays
  Duration retain_age{0};  ///< 0: age does not matter
  bool checksum = true;
  bool splice_out = false;  ///< readers use Peek: the files of all segments stay open
  /// Wall clock, ns since the epoch. Block times never run backwards, even if this does.
  std::function<std::int64_t()> wall_clock;
  /// Told once per change, in words for people, when space runs out and when it is back.
  std::function<void(const std::string&)> warn;
};

/// What AppendFrom came to.
enum class AppendStatus : std::uint8_t { kAppended, kWouldBlock, kEnd, kFailed };
struct [[nodiscard]] AppendResult {
  AppendStatus status = AppendStatus::kAppended;
  std::size_t count = 0;
  int error = 0;  ///< errno of the read, with kFailed
};

struct JournalCounters {
  std::uint64_t blocks = 0;           ///< published
  std::uint64_t dropped_bytes = 0;    ///< stream bytes that retention dropped
  std::uint64_t no_space = 0;         ///< times that the file system had no room
  std::uint64_t memory_segments = 0;  ///< segments that had to live in private memory
};

/// Bytes are appended first and published as blocks later, without being moved in between: what
/// stands behind the last block is the unfinished tail. Readers see published blocks only.
///
/// Memory and tmpfs: retain_bytes, plus two segments (an eighth of it, 256 KiB to 4 MiB), plus
/// what readers still hold of dropped segments (pinned_bytes). One thread.
class Journal {
 public:
  explicit Journal(JournalOptions options);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Called for each block, in order, from within the call that publishes it.
  void OnBlock(std::function<void(const Block&)> observer) {
    observers_.push_back(std::move(observer));
  }

  // ---- append ----

  /// Takes what `fd` holds, at most `max` bytes: by splice(2) if `is_pipe`, else by reading.
  /// Blocks only if a read of `fd` does. A full file system shortens retention, then goes on in
  /// private memory; it is never an error here. May publish, when a segment is full.
  AppendResult AppendFrom(int fd, bool is_pipe, std::size_t max);
  /// The same for bytes that are in memory already.
  void Append(ByteSpan bytes);

  /// Bytes appended and not yet published.
  std::size_t unpublished() const { return static_cast<std::size_t>(end() - head_); }
  /// Publishes up to the last record boundary. False if no record has ended.
  bool PublishFinished();
  /// Publishes everything, an unfinished record too.
  void PublishAll();

  // ---- read ----

  SessionId session() const { return options_.session; }
  RecordFormat records_format() const { return options_.records; }
  Position tail() const { return segments_.empty() ? head_ : segments_.front()->begin(); }
  Position head() const { return head_; }
  std::uint64_t records() const { return records_; }  ///< that ended before head()
  std::int64_t last_time_ns() const { return last_time_ns_; }

  /// The bytes from `at` on as one block: at most `max` and 256 KiB, possibly cut elsewhere
  /// than when they were published; neighbours published within 10 ms are joined. Nothing if
  /// `at` is not in [tail(), head()).
  std::optional<Block> Read(Position at, std::size_t max) const;

  /// The bytes from `at` on to the end of its segment, at most `max`, as they can be written or
  /// spliced without a look at them. Nothing if `at` is not in [tail(), head()).
  std::optional<SharedBytes> Peek(Position at, std::size_t max) const;

  /// Where the last `count` records begin; 0: where the unfinished record begins, or head().
  /// tail() if fewer are kept. Nothing for kRaw, which has no records.
  std::optional<Position> FindLast(std::uint64_t count) const;
  /// The first block published at or after `time_ns`; head() if there is none.
  Position FindSince(std::int64_t time_ns) const;
  /// Publish time of the block that holds `position`; of the last block for head() and beyond.
  std::int64_t TimeAt(Position position) const;

  // ---- retain ----

  /// Nothing from `position` on is dropped, whatever the bounds say. Default: everything may
  /// be.
  void KeepFrom(Position position) { keep_from_ = position; }
  /// Drops what is older than retain_age. To be called now and then.
  void DropExpired();
  /// What the bytes from `position` to head() take, index included.
  std::uint64_t CostSince(Position position) const;
  /// Bytes of dropped segments that readers still hold.
  std::uint64_t pinned_bytes() const { return pinned_->load(std::memory_order_relaxed); }
  const JournalCounters& counters() const { return counters_; }
  const std::string& directory() const { return options_.directory; }

 private:
  Position end() const { return segments_.empty() ? head_ : segments_.back()->end(); }
  Segment& Writable();
  void NewSegment(bool in_memory);
  bool DropOldest();
  bool DropOldestFile();
  void Retain();
  void NoteNoSpace(int error);
  void OnNoSpace(int error);
  void AddBlock(const BlockHeader& header);
  void Publish(std::size_t length);
  std::size_t SegmentOf(Position position) const;
  Block WholeOrPart(const std::shared_ptr<Segment>& segment, std::size_t block, Position at,
                    std::size_t max) const;

  const JournalOptions options_;
  const Segment::Size segment_size_;
  std::deque<std::shared_ptr<Segment>> segments_;
  Position head_ = 0;
  std::uint64_t records_ = 0;
  bool at_boundary_ = true;  // head_ is at a record boundary
  std::size_t scanned_ = 0;  // of the unpublished bytes: known to hold no delimiter
  std::int64_t last_time_ns_ = 0;
  std::int64_t segment_started_ns_ = 0;
  std::uint64_t cost_ = 0;  // of all segments but the last
  Position keep_from_ = UINT64_MAX;
  bool short_of_space_ = false;
  bool splice_works_ = true;
  std::vector<std::byte> scratch_;
  std::shared_ptr<std::atomic<std::uint64_t>> pinned_;
  std::vector<std::function<void(const Block&)>> observers_;
  JournalCounters counters_;
};

}  // namespace pipedup
