#include "wire/compression.h"

#include <zstd.h>

#include <algorithm>
#include <new>

namespace pipedup {

struct Compressor::Context {
  Context() : zstd(ZSTD_createCCtx()) {
    if (zstd == nullptr) throw std::bad_alloc();
  }
  ~Context() { ZSTD_freeCCtx(zstd); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ZSTD_CCtx* const zstd;
};

Compressor::Compressor() : context_(std::make_unique<Context>()), frame_(kMaxBlockBytes) {}
Compressor::~Compressor() = default;

std::optional<ByteSpan> Compressor::Compress(ByteSpan plain, int level) {
  if (plain.empty()) return std::nullopt;
  // Room for less than it is: what does not fit is not worth it, and given up early.
  const std::size_t room = std::min(plain.size() - 1, frame_.size());
  ZSTD_CCtx_setParameter(context_->zstd, ZSTD_c_compressionLevel, level);
  const std::size_t size =
      ZSTD_compress2(context_->zstd, frame_.data(), room, plain.data(), plain.size());
  if (ZSTD_isError(size)) return std::nullopt;
  return ByteSpan(frame_).first(size);
}

struct Decompressor::Context {
  Context() : zstd(ZSTD_createDCtx()) {
    if (zstd == nullptr) throw std::bad_alloc();
  }
  ~Context() { ZSTD_freeDCtx(zstd); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ZSTD_DCtx* const zstd;
};

Decompressor::Decompressor() : context_(std::make_unique<Context>()) {}
Decompressor::~Decompressor() = default;

std::optional<SharedBytes> Decompressor::Decompress(ByteSpan frame, std::size_t length) {
  if (length > kMaxBlockBytes || frame.size() > length) return std::nullopt;
  // The decoder itself takes any number of frames, and skips those that hold nothing.
  if (ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size()) {
    return std::nullopt;
  }
  const unsigned long long said = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (said != ZSTD_CONTENTSIZE_UNKNOWN && said != length) return std::nullopt;
  const std::shared_ptr<std::byte[]> plain =
      std::make_shared_for_overwrite<std::byte[]>(length);
  const std::size_t size =
      ZSTD_decompressDCtx(context_->zstd, plain.get(), length, frame.data(), frame.size());
  if (ZSTD_isError(size) || size != length) return std::nullopt;
  return SharedBytes{plain, {plain.get(), length}};
}

}  // namespace pipedup
