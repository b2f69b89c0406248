// The decoder of payloads: whatever a frame claims, what comes out has the length that was
// asked for. The first three bytes of an input are that length; the rest is the frame, and also
// bytes that are compressed and must come back.
#include <cstddef>
#include <cstdint>

#include "input.h"
#include "wire/compression.h"

namespace {

using namespace pipedup;
using pipedup::fuzz::Require;

void CheckDecoding(ByteSpan frame, std::size_t length) {
  static Decompressor decompressor;
  const auto plain = decompressor.Decompress(frame, length);
  if (!plain) return;
  Require(length <= kMaxBlockBytes && frame.size() <= length);
  Require(plain->size() == length);
  for (const std::size_t other : {length - 1, length + 1}) {
    Require(!decompressor.Decompress(frame, other));
  }
}

void CheckRoundTrip(ByteSpan bytes, int level) {
  static Compressor compressor;
  static Decompressor decompressor;
  const auto frame = compressor.Compress(bytes, level);
  if (!frame) return;
  Require(frame->size() < bytes.size());
  const auto plain = decompressor.Decompress(*frame, bytes.size());
  Require(plain.has_value());
  Require(AsText(plain->bytes) == AsText(bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kLengthBytes = 3;
  if (size < kLengthBytes) return 0;
  const std::size_t length = data[0] + 256U * data[1] + 65536U * data[2];
  const ByteSpan rest = std::as_bytes(std::span(data, size)).subspan(kLengthBytes);
  CheckDecoding(rest, length);
  CheckRoundTrip(rest.first(std::min<std::size_t>(rest.size(), kMaxBlockBytes)),
                 1 + static_cast<int>(length) % 3);
  return 0;
}
