// One segment: raw stream bytes, and beside them an index of block headers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "journal/any_segment.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/io.h"
#include "wire/block_header.h"

namespace pipedup {

/// Append-only. Bytes are written with splice(2) or pwrite(2) and read through a mapping;
/// nothing is ever written through the mapping of a file, so that a full file system is an
/// error and not a SIGBUS, and no byte is changed once written, so that whoever holds the
/// mapping (a socket's queue) may go on reading after the segment was dropped.
///
/// A segment without a file lives in private memory: the way out when the file system is full.
///
/// Threads: one thread appends and looks up; any thread may read bytes that were appended
/// before it was given the segment, and may be the one that lets go of it last.
class Segment final : public AnySegment, public std::enable_shared_from_this<Segment> {
 public:
  struct Size {
    std::size_t data_bytes;  ///< at most this many stream bytes
    std::size_t blocks;      ///< at most this many index entries
  };

  /// Files `directory`/<begin>.log and .idx, mode 0600 or 0640. Null, with the errno in
  /// `*error`, if they cannot be made.
  static std::shared_ptr<Segment> InFile(const std::string& directory, Position begin,
                                         Size size, Readers readers, int* error);
  static std::shared_ptr<Segment> InMemory(Position begin, Size size);
  ~Segment() override;

  /// Position after the last byte that was appended, in a block or not.
  Position end() const override { return begin() + used_; }
  std::size_t room() const { return size_.data_bytes - used_; }
  bool in_file() const override { return !log_path_.empty(); }
  /// All of it is in files: another process would find every block.
  bool complete_in_files() const { return in_file() && !index_lost_; }
  std::uint64_t cost() const override { return used_ + blocks_ * kHeaderBytes; }

  /// Moves what the pipe `fd` holds, at most `max` and room(). For a segment in a file.
  IoResult SpliceFrom(int fd, std::size_t max);
  /// Reads what `fd` holds, at most `max` and room(). For a segment in memory.
  IoResult ReadFrom(int fd, std::size_t max);
  /// Writes as much of `bytes` as there is room for; kNoSpace and kFailed say how much it was.
  IoResult Write(ByteSpan bytes);

  /// Adds an index entry. kNoSpace and kFailed: the entry was not added; MoveIndexToMemory, or
  /// make room, and try again.
  IoResult AddBlock(const BlockHeader& header);
  /// Nothing more is appended: its descriptors are closed, its bytes stay readable. With
  /// `keep_files` they stay open, for splicing and for syncing.
  void Seal(bool keep_files);
  /// From here on the index grows in private memory.
  void MoveIndexToMemory();

  std::size_t blocks() const override { return blocks_; }
  BlockHeader block(std::size_t i) const override;
  SharedBytes Bytes(Position from, std::size_t count) override;

  /// Bytes of [from, from + count), which must have been appended. Good while the segment
  /// lives. Of a file that somebody has cut, reading them is the end of this process: see
  /// IsCut.
  ByteSpan View(Position from, std::size_t count) const;
  /// Whether somebody has cut the file of the segment so that a byte before `to` is missing.
  /// Any thread.
  bool IsCut(Position to) const;
  /// The file that holds them, at from - begin(); -1 if there is none, or Seal closed it.
  int file() const { return log_fd_.get(); }

  void Drop(std::shared_ptr<std::atomic<std::uint64_t>> pinned) override;

 private:
  Segment(Position begin, Size size) : AnySegment(begin), size_(size) {}

  const Size size_;
  std::size_t used_ = 0;
  std::size_t blocks_ = 0;
  std::string log_path_;
  std::string index_path_;
  UniqueFd log_fd_;
  UniqueFd index_fd_;
  bool index_lost_ = false;  // it is in memory: it could not be written
  Mapping log_;
  Mapping index_;
  std::shared_ptr<std::atomic<std::uint64_t>> pinned_;
};

}  // namespace pipedup
