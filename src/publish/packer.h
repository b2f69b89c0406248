// Blocks as they are sent: compressed, where that makes them smaller.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "journal/journal.h"
#include "wire/compression.h"

namespace pipedup {

/// Payload bytes, of the stream and as they were sent.
struct PackerCounters {
  std::uint64_t live_bytes = 0;
  std::uint64_t live_wire_bytes = 0;  ///< once, however many subscribers there are
  std::uint64_t answer_bytes = 0;
  std::uint64_t answer_wire_bytes = 0;
};

/// The journal's blocks stay as they are: what is compressed is a copy that lives as long as it
/// is on its way. One thread; the copies may go in any.
class Packer {
 public:
  /// Compressed bytes that answers may hold together; beyond it they are sent as they are,
  /// which takes no memory.
  static constexpr std::uint64_t kMostInAnswers = 16 * 1024 * 1024;

  /// `level`: of zstd; 0: nothing is compressed.
  explicit Packer(int level);

  /// What blocks may be encoded with; kNone: they never are.
  Codec codec() const { return compressor_ ? Codec::kZstd : Codec::kNone; }
  /// A block for everybody. One over 64 KiB is compressed at level 9 at most.
  Block PackLive(const Block& block);
  /// The next block for everybody is that of `header` (as it was received, with the codec and
  /// the checksum of `encoded`): it need not be compressed again.
  void PassOn(const BlockHeader& header, SharedBytes encoded) {
    passed_on_ = Block{header, std::move(encoded)};
  }
  /// A part of a range that one subscriber has asked for. At a fast level, whatever the
  /// publisher's is: no subscriber can make the producer wait by asking for much.
  Block PackAnswer(const Block& block);

  /// Bytes of compressed copies that are on their way: to everybody, to those who asked.
  std::uint64_t live_bytes_held() const { return live_held_->load(std::memory_order_relaxed); }
  std::uint64_t answer_bytes_held() const {
    return answers_held_->load(std::memory_order_relaxed);
  }
  const PackerCounters& counters() const { return counters_; }

 private:
  using Held = std::shared_ptr<std::atomic<std::uint64_t>>;
  Block Pack(const Block& block, int level, const Held& held);

  const int level_;
  std::optional<Compressor> compressor_;
  std::optional<Block> passed_on_;
  Held live_held_;
  Held answers_held_;
  PackerCounters counters_;
};

}  // namespace pipedup
