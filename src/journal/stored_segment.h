// A segment that is no longer written, read from its files with a look at the checksums.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "journal/any_segment.h"
#include "journal/segment.h"

namespace pipedup {

/// Of a journal on disk: found there, or written by this process and full. Nothing is mapped,
/// so that a disk that fails, or a file that somebody cuts, is missing bytes and not a SIGBUS.
/// The index is read when it is needed, and forgotten by Forget; so a journal of thousands of
/// segments costs no more than their names.
///
/// A block that cannot be read, or whose checksum does not hold, is none.
class StoredSegment final : public AnySegment {
 public:
  struct Found {
    std::string directory;
    Position begin = 0;
    Position end = 0;  ///< where the next one begins: no block reaches beyond it
    std::uint64_t log_bytes = 0;
    std::uint64_t index_bytes = 0;
  };
  /// `on_damage` is told once of each range that turns out to be missing or damaged.
  using OnDamage = std::function<void(Position from, Position to)>;

  /// `written`: the same segment as this process has it in memory, if it does.
  StoredSegment(Found found, OnDamage on_damage, std::weak_ptr<Segment> written = {});

  Position end() const override { return found_.end; }
  std::uint64_t cost() const override { return found_.log_bytes + found_.index_bytes; }
  bool in_file() const override { return true; }
  std::size_t blocks() const override { return index().size(); }
  BlockHeader block(std::size_t i) const override { return index()[i]; }
  SharedBytes Bytes(Position from, std::size_t count) override;
  void Drop(std::shared_ptr<std::atomic<std::uint64_t>> pinned) override;

  const Found& found() const { return found_; }
  /// Nothing can be read just now, as the process has no descriptor or memory left: that is no
  /// damage, and passes.
  bool out_of_reach() const { return out_of_reach_; }
  /// Lets go of the index and the descriptor: they are read again when needed.
  void Forget();

 private:
  const std::vector<BlockHeader>& index() const;
  void Exclude(const BlockHeader& block);

  const Found found_;
  const OnDamage on_damage_;
  const std::weak_ptr<Segment> written_;
  mutable bool out_of_reach_ = false;
  mutable bool loaded_ = false;
  mutable bool told_ = false;  // of what the index lacks
  mutable std::vector<BlockHeader> index_;
  std::set<Position> excluded_;  // blocks whose bytes are damaged
  UniqueFd log_;
};

/// What is done about an entry of an index that is none.
enum class Unsound : bool { kSkip, kStop };

/// The sound entries of an index, in order and without overlap, as far as their bytes lie in
/// [begin, begin + log_bytes); with kStop only those before the first that is none. `*entries`
/// is the number of entries in the file up to and with the last sound one; `*error` is 0, or
/// the errno of an index that could not be opened.
std::vector<BlockHeader> ReadIndex(const std::string& directory, Position begin,
                                   std::uint64_t log_bytes, std::size_t* entries,
                                   int* error = nullptr, Unsound unsound = Unsound::kSkip);

/// Whether the bytes of `block` are in `bytes`. True without a look if it has no checksum.
bool ChecksumHolds(const BlockHeader& block, ByteSpan bytes);

}  // namespace pipedup
