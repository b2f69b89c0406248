#include "base/checksum.h"

#if defined(__x86_64__)
#include <xxh_x86dispatch.h>  // replaces XXH3_64bits by one chosen at run time (SSE2 … AVX-512)
#else
#include <xxhash.h>
#endif

namespace pipedup {

std::uint64_t Checksum(ByteSpan bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace pipedup
