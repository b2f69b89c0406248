// Payloads as zstd frames (RFC 8878), one block each, and back.
// Normative text: src/wire/PROTOCOL.md, "Block messages". Pure: bytes in, bytes out.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "wire/block_header.h"

namespace pipedup {

/// Codec::kZstd, as hello and welcome call it.
inline constexpr std::string_view kZstdName = "zstd";
inline constexpr int kFastestLevel = 1;
inline constexpr int kBestLevel = 19;

/// One thread at a time. What a level needs is allocated once, and kept.
class Compressor {
 public:
  /// Throws std::bad_alloc.
  Compressor();
  ~Compressor();
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  /// `plain`, at most kMaxBlockBytes, as one frame at `level`, from kFastestLevel to
  /// kBestLevel. The bytes are borrowed until the next call. Nothing if they would not be
  /// fewer, or if there is no memory for the level.
  [[nodiscard]] std::optional<ByteSpan> Compress(ByteSpan plain, int level);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
  std::vector<std::byte> frame_;
};

/// One thread at a time.
class Decompressor {
 public:
  /// Throws std::bad_alloc.
  Decompressor();
  ~Decompressor();
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  /// What `frame` holds, in memory of its own, of exactly `length` bytes. Nothing if it is not
  /// one frame, of this length, and no longer than that: whatever it claims, nothing beyond
  /// `length` (and a constant) is allocated or written, and nothing at all if that exceeds
  /// kMaxBlockBytes.
  [[nodiscard]] std::optional<SharedBytes> Decompress(ByteSpan frame, std::size_t length);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace pipedup
