// What the system says about processes.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pipedup::test {

struct Kin {
  pid_t pid = 0;
  char state = '?';  ///< 'Z': a zombie
};

/// All children of a process.
std::vector<Kin> ChildrenOf(pid_t parent);

/// Descriptors that a process has open.
std::size_t DescriptorsOf(pid_t process);
/// Memory of its own that it holds (RssAnon); 0 if nobody can say.
std::uint64_t AnonymousBytes(pid_t process);

/// Whether this user may run programs in a namespace of their own: "--pid", "--mount".
bool MayUnshare(const char* option);

}  // namespace pipedup::test
