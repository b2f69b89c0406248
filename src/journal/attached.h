// The journal of another process on this machine, read where it lies.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "journal/layout.h"
#include "os/file.h"
#include "os/watch.h"
#include "wire/block_header.h"

namespace pipedup {

/// Reads the segments that their writer has indexed, as they grow. Nothing is copied: what it
/// hands out are the writer's own pages, which never change and outlive their files.
///
/// It never says that something is lost: what it does not find may be in the writer's private
/// memory, and only the writer knows. One thread.
class AttachedJournal {
 public:
  /// Null, with `*why`, if `directory` cannot be read here, is not that session's, or cannot be
  /// watched (Linux only).
  static std::unique_ptr<AttachedJournal> Open(const std::string& directory, SessionId session,
                                               std::string* why);

  struct Piece {
    BlockHeader header;  ///< of neighbouring blocks, joined; without a checksum
    SharedBytes bytes;   ///< not checked: they are the writer's memory
  };
  /// The blocks from the one that holds `at` on, at most `max` bytes unless that one alone has
  /// more. Nothing if it is not indexed yet, or not in the segment that is read nor the next.
  std::optional<Piece> Read(Position at, std::size_t max);
  /// Looks for `at` in all segments there are. False if none holds it, or ends there, or an
  /// earlier process has written it: then its checksum counts, at which only the publisher
  /// looks. True as well if there is none at all yet.
  bool Locate(Position at);

  /// Readable when there may be more to read.
  int fd() const { return watch_.fd(); }
  /// To be called then: until it is, Read need not notice what has been written meanwhile.
  void ClearWatch();

 private:
  /// A segment's stream bytes.
  struct Log {
    UniqueFd fd;
    Mapping mapping;
  };
  AttachedJournal(std::string directory, JournalLabel label, FileWatch watch)
      : directory_(std::move(directory)), label_(label), watch_(std::move(watch)) {}
  bool OpenSegment(Position begin);
  void ContinueAt(std::uint64_t entry, Position next);
  std::optional<BlockHeader> Parse(ByteSpan entry) const;
  std::optional<BlockHeader> EntryAt(std::uint64_t number) const;
  std::optional<BlockHeader> NextEntry();
  void TakeEntry(const BlockHeader& entry);

  const std::string directory_;
  const JournalLabel label_;
  FileWatch watch_;
  std::shared_ptr<Log> log_;  // of the segment that is read; none before the first
  UniqueFd index_;
  Position begin_ = 0;
  Position next_ = 0;        // the position that entry `entry_` begins at
  std::uint64_t entry_ = 0;  // the next one to read
  // Entries from `entry_` on that were read ahead, and what is known of those behind them. Both
  // are true until a look was in vain, and again when the watch says so.
  static constexpr std::size_t kEntriesAhead = 64;
  std::array<std::byte, kEntriesAhead * kHeaderBytes> ahead_;
  std::size_t ahead_begin_ = 0;
  std::size_t ahead_end_ = 0;
  bool index_grows_ = true;   // there may be more in this index
  bool stream_grows_ = true;  // there may be another segment
};

}  // namespace pipedup
