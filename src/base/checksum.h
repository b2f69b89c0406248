// The checksum of blocks and headers: XXH3-64, seed 0.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace pipedup {

/// XXH3-64 of `bytes`, with the widest vector unit that this processor has.
/// Source: src/wire/PROTOCOL.md, "Checksums".
std::uint64_t Checksum(ByteSpan bytes);

}  // namespace pipedup
