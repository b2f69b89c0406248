#include "os/memory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <array>
#include <cstdio>

#include "os/fd.h"
#include "os/file.h"

namespace pipedup {

std::uint64_t PrivateBytes() {
  const UniqueFd file(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  if (!file) return 0;
  std::array<char, 256> text{};
  if (::read(file.get(), text.data(), text.size() - 1) <= 0) return 0;
  unsigned long long resident = 0;
  unsigned long long shared = 0;
  if (std::sscanf(text.data(), "%*u %llu %llu", &resident, &shared) != 2) return 0;
  return resident <= shared
             ? 0
             : (resident - shared) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t OpenDescriptors() {
  struct stat directory {};
  // Since Linux 6.2 the directory says how many there are.
  if (::stat("/proc/self/fd", &directory) == 0 && directory.st_size > 0) {
    return static_cast<std::uint64_t>(directory.st_size);
  }
  return ListDirectory("/proc/self/fd").size();
}

void ReturnFreedMemory() {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
}

}  // namespace pipedup
