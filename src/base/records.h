// Where records end: the only thing pipedup knows about the bytes it carries. Pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "pipedup/types.h"

namespace pipedup {

/// The byte that ends a record. Not to be asked for kRaw.
constexpr std::byte Delimiter(RecordFormat format) {
  return format == RecordFormat::kNul ? std::byte{0} : std::byte{'\n'};
}

/// How many records end in `bytes`; 0 for kRaw.
std::uint32_t CountRecords(RecordFormat format, ByteSpan bytes);

/// Length of the longest prefix of `bytes` that ends at a record boundary; 0 if no record ends
/// in it. All of it for kRaw.
std::size_t FinishedLength(RecordFormat format, ByteSpan bytes);

/// Length of the shortest prefix of `bytes` in which `count` records end, or nothing-found: 0.
/// kRaw has no records: always 0.
std::size_t LengthOfRecords(RecordFormat format, ByteSpan bytes, std::uint64_t count);

}  // namespace pipedup
