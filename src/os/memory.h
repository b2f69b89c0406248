// How much memory this process has for itself.
#pragma once

#include <cstdint>

namespace pipedup {

/// Bytes of memory that belong to nobody else: without mapped files, tmpfs included. 0 where
/// nobody can say. Source: /proc/self/statm.
std::uint64_t PrivateBytes();

/// Descriptors that are open; 0 where nobody can say.
std::uint64_t OpenDescriptors();

/// Gives memory that was freed back to the system; takes milliseconds where there is much.
/// glibc only, does nothing elsewhere.
void ReturnFreedMemory();

}  // namespace pipedup
