// Bytes: borrowed (ByteSpan), shared (SharedBytes), and little-endian integers in them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>

namespace pipedup {

/// Borrowed, read-only bytes. Whoever hands one out says how long it is good for.
using ByteSpan = std::span<const std::byte>;

/// Read-only bytes together with what keeps them alive: a mapped segment, a received message.
/// Copies share; the last one to go releases the memory, in whichever thread that is.
///
/// Bytes that a file holds, too, say where: they can be spliced from there without a look at
/// them, and never change.
struct SharedBytes {
  std::shared_ptr<const void> owner;
  ByteSpan bytes;
  int file = -1;  ///< descriptor that holds them at `offset`, while `owner` lives; -1: none
  std::uint64_t offset = 0;
  /// The same bytes, all of them, as they came, if that was compressed and somebody wants them.
  std::shared_ptr<const SharedBytes> encoded = nullptr;

  std::size_t size() const { return bytes.size(); }
  /// The same memory, from `from` on, at most `count` bytes.
  SharedBytes Part(std::size_t from, std::size_t count = std::dynamic_extent) const {
    const std::size_t left = bytes.size() - from;
    if (from == 0 && count >= left) return *this;
    return {owner, bytes.subspan(from, count < left ? count : left), file, offset + from};
  }
};

inline ByteSpan AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
inline std::string_view AsText(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Reads the little-endian integer at `from`; the caller has checked that the bytes exist.
template <typename Integer>
Integer LoadLittleEndian(const std::byte* from) {
  using Unsigned = std::make_unsigned_t<Integer>;
  Unsigned value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i) {
    value = static_cast<Unsigned>(value | (static_cast<Unsigned>(from[i]) << (8 * i)));
  }
  return static_cast<Integer>(value);
}

template <typename Integer>
void StoreLittleEndian(Integer value, std::byte* to) {
  using Unsigned = std::make_unsigned_t<Integer>;
  const auto bits = static_cast<Unsigned>(value);
  for (std::size_t i = 0; i < sizeof(Integer); ++i) {
    to[i] = static_cast<std::byte>((bits >> (8 * i)) & 0xff);
  }
}

}  // namespace pipedup
