#include "base/records.h"

#include <algorithm>
#include <cstring>

namespace pipedup {

std::uint32_t CountRecords(RecordFormat format, ByteSpan bytes) {
  if (format == RecordFormat::kRaw) return 0;
  const std::byte delimiter = Delimiter(format);
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint32_t total = 0;
  // Rounds of 255 rows of 64 bytes: a byte-wide counter per column cannot overflow, and the
  // compiler turns the inner loop into vector compares and subtractions.
  constexpr std::size_t kColumns = 64;
  while (left >= kColumns) {
    const std::size_t rows = std::min<std::size_t>(left / kColumns, 255);
    unsigned char counts[kColumns] = {};
    for (std::size_t row = 0; row < rows; ++row, at += kColumns) {
      for (std::size_t column = 0; column < kColumns; ++column) {
        counts[column] = static_cast<unsigned char>(counts[column] + (at[column] == delimiter));
      }
    }
    left -= rows * kColumns;
    for (const unsigned char count : counts) total += count;
  }
  return total + static_cast<std::uint32_t>(std::count(at, at + left, delimiter));
}

std::size_t FinishedLength(RecordFormat format, ByteSpan bytes) {
  if (format == RecordFormat::kRaw) return bytes.size();
  const std::byte delimiter = Delimiter(format);
  std::size_t length = bytes.size();
  while (length > 0 && bytes[length - 1] != delimiter) --length;
  return length;
}

std::size_t LengthOfRecords(RecordFormat format, ByteSpan bytes, std::uint64_t count) {
  if (format == RecordFormat::kRaw || count == 0) return 0;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  while (left > 0) {
    const void* found = std::memchr(at, static_cast<int>(Delimiter(format)), left);
    if (found == nullptr) return 0;
    const auto step = static_cast<std::size_t>(static_cast<const std::byte*>(found) - at) + 1;
    at += step;
    left -= step;
    if (--count == 0) return bytes.size() - left;
  }
  return 0;
}

}  // namespace pipedup
