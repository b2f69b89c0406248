// What the system says about processes.
#pragma once

#include <sys/types.h>

#include <vector>

namespace pipedup::test {

struct Kin {
  pid_t pid = 0;
  char state = '?';  ///< 'Z': a zombie
};

/// All children of a process.
std::vector<Kin> ChildrenOf(pid_t parent);

/// Whether this user may run programs in a namespace of their own: "--pid", "--mount".
bool MayUnshare(const char* option);

}  // namespace pipedup::test
