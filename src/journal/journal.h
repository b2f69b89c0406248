// The journal: the last part of a stream, and every position in it. Sources append, sinks read.
#pragma once

#include <algorithm>
#include <atomic>
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
#include "journal/any_segment.h"
#include "journal/layout.h"
#include "journal/segment.h"
#include "journal/stored_segment.h"
#include "journal/syncer.h"
#include "pipedup/types.h"
#include "wire/block_header.h"

namespace pipedup {

struct Recovered;

/// A block as it goes to readers. `payload` keeps its segment alive.
struct Block {
  BlockHeader header;
  SharedBytes payload;
};

struct JournalOptions {
  std::string directory;  ///< private to this process; empty: private memory instead of files
  Readers readers = Readers::kNobody;  ///< of the files
  SessionId session = 0;
  std::vector<PastSession> past = {};  ///< that this one goes on with; of a durable one: found
  RecordFormat records = RecordFormat::kLines;
  std::uint64_t retain_bytes =
      64 * 1024 * 1024;    ///< stream bytes and index; at least this much stays
  Duration retain_age{0};  ///< 0: age does not matter
  bool checksum = true;
  bool splice_out = false;  ///< readers use Peek: the files of all segments stay open
  /// The directory is on disk and outlives this process: what is found there goes on.
  struct Durable {
    std::string stream;
    SyncMode sync = SyncMode::kInterval;
    Duration sync_interval = std::chrono::seconds(1);
    std::string boot;   ///< of this machine
    bool copy = false;  ///< see RecoveryOptions
  };
  std::optional<Durable> durable = {};
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
  std::uint64_t sync_errors = 0;      ///< times that the disk could not be synced
  std::uint64_t damaged_bytes = 0;    ///< stream bytes that were found damaged or missing
};

/// Bytes are appended first and published as blocks later, without being moved in between: what
/// stands behind the last block is the unfinished tail. Readers see published blocks only; with
/// SyncMode::kAlways, a block is published when it is safe from a crash of the machine.
///
/// Memory and tmpfs: retain_bytes, plus two segments (an eighth of it, 256 KiB to 4 MiB), plus
/// what readers still hold of dropped segments (pinned_bytes). Of a durable one: the segment
/// that is written, and indexes that were read lately. One thread, and one of its own that
/// syncs.
class Journal {
 public:
  /// A durable one goes on where the directory's ends. Throws Error if it holds anything else.
  explicit Journal(JournalOptions options);
  /// A durable one stays, and is synced; any other is removed.
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
  std::size_t unpublished() const {
    return static_cast<std::size_t>(end() - written_.position);
  }
  /// Publishes up to the last record boundary. False if no record has ended.
  bool PublishFinished();
  /// Publishes everything, an unfinished record too.
  void PublishAll();
  /// Waits until all of it is published, also with SyncMode::kAlways.
  void Settle();

  /// Of a durable one: readable when Synced has to be called. -1: never.
  int sync_fd() const { return syncer_ ? syncer_->waker().fd() : -1; }
  /// Publishes what has become safe, and warns of a disk that fails.
  void Synced();
  /// With SyncMode::kAlways: so much waits for the disk that nothing more should be appended
  /// before Synced is called.
  bool congested() const { return written_.position - published_.position > kMostUnsafe; }

  // ---- append what another journal has published ----

  /// `bytes`, the last of the block of `header` or all of it, whose position `from` must be
  /// where the bytes before them end, or where Skip has led. Published at once, as one block
  /// where a segment can hold it, with the header's counts and time: a reader finds what it
  /// would have found there.
  void AppendBlock(const BlockHeader& header, Position from, ByteSpan bytes);
  /// Nobody will ever have what is between here and `to`: `reason`, of any text, goes to those
  /// who ask for it. Of a journal that has nothing yet: `to` is where it begins, with `records`
  /// before it. Waits for the disk with SyncMode::kAlways.
  void Skip(Position to, std::uint64_t records, std::string reason);
  /// Why `at`, which cannot be read, is missing; "" if it was skipped by nobody, or long ago.
  std::string WhyMissing(Position at) const;

  // ---- read ----

  SessionId session() const { return label_.session; }
  /// Sessions that this one goes on with.
  const std::vector<PastSession>& past_sessions() const { return label_.past; }
  /// Other processes on this machine may read the files, from `label().from` on.
  bool attachable() const {
    return !options_.directory.empty() &&
           (!options_.durable || options_.durable->sync != SyncMode::kAlways);
  }
  RecordFormat records_format() const { return options_.records; }
  Position tail() const {
    return segments_.empty() ? published_.position
                             : std::min(segments_.front()->begin(), published_.position);
  }
  Position head() const { return published_.position; }
  std::uint64_t records() const { return published_.records; }  ///< that ended before head()
  std::int64_t last_time_ns() const { return published_.time_ns; }

  /// The bytes from `at` on as one block: at most `max` and 256 KiB, possibly cut elsewhere
  /// than when they were published; neighbours published within 10 ms are joined. Nothing if
  /// `at` is not in [tail(), head()), or what stands there is damaged: NextSound says where it
  /// goes on. A block that was published with more than 256 KiB is not cut if it fits `max`.
  std::optional<Block> Read(Position at, std::size_t max) const;
  /// The first position from `at` on that can be read, as far as is known; head() if there is
  /// none. `at` itself, though nothing can be read there, if that will pass: try again.
  Position NextSound(Position at) const;

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
  /// Bytes of kept segments that are in private memory.
  std::uint64_t memory_bytes() const;
  const JournalCounters& counters() const { return counters_; }
  const std::string& directory() const { return options_.directory; }
  /// Oldest first; what is behind head() may be in them, too.
  const std::deque<std::shared_ptr<AnySegment>>& segments() const { return segments_; }

 private:
  static constexpr std::uint64_t kMostUnsafe = 16 * 1024 * 1024;

  Position end() const { return last_ ? last_->end() : written_.position; }
  void Recover();
  void SyncLeftovers(const Recovered& found);
  int WriteLabel(std::optional<Position> closed);
  void Lapse();
  void SealLast();
  Segment& Writable();
  void NewSegment(bool in_memory);
  bool DropOldest(bool now = false);
  bool DropOldestFile();
  void Retain();
  void NoteNoSpace(int error);
  void OnNoSpace(int error);
  void AddBlock(const BlockHeader& header);
  BlockHeader HeaderOf(ByteSpan bytes) const;
  void Publish(std::size_t length);
  void Announce(const Block& block);
  std::size_t SegmentOf(Position position) const;
  std::optional<Block> WholeOrPart(AnySegment& segment, Position at, std::size_t max) const;
  AnySegment& Use(std::size_t i) const;
  void OnDamage(Position from, Position to);

  /// Where the stream stands behind a block.
  struct Stand {
    Position position = 0;
    std::uint64_t records = 0;
    std::int64_t time_ns = 0;
    bool at_boundary = true;  // of records
  };

  const JournalOptions options_;
  const Segment::Size segment_size_;
  JournalLabel label_;
  std::deque<std::shared_ptr<AnySegment>> segments_;
  std::shared_ptr<Segment> last_;  // of segments_, if it is appended to
  Stand written_;                  // behind the last block
  Stand published_;                // behind the last one that readers may see
  std::deque<Block> unsafe_;       // between the two
  std::unique_ptr<Syncer> syncer_;
  std::uint64_t sync_errors_ = 0;              // that were said
  mutable std::deque<StoredSegment*> loaded_;  // whose index is in memory, oldest first
  const BlockHeader* relayed_ = nullptr;  // what is published is this block, or parts of it
  bool skipped_ = false;                  // counts and boundary are those of the next block
  struct Missing {
    Position from = 0;
    Position to = 0;
    std::string reason;
  };
  std::deque<Missing> missing_;  // in the order of their positions
  std::size_t scanned_ = 0;      // of the unpublished bytes: known to hold no delimiter
  std::int64_t segment_started_ns_ = 0;
  std::uint64_t cost_ = 0;  // of all segments but the last
  Position keep_from_ = UINT64_MAX;
  bool short_of_space_ = false;
  bool lapsed_ = false;  // the label is gone, as something is in no file
  bool splice_works_ = true;
  std::vector<std::byte> scratch_;
  std::shared_ptr<std::atomic<std::uint64_t>> pinned_;
  std::vector<std::function<void(const Block&)>> observers_;
  JournalCounters counters_;
};

}  // namespace pipedup
