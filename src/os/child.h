// Child processes: started with a clean slate, and all of them reaped.
#pragma once

#include <string>
#include <vector>

#include "os/fd.h"

namespace pipedup {

/// A started child. Its standard descriptors are the only ones it has.
struct Child {
  int pid = -1;
};

/// Starts `argv` (found through PATH) with `stdin_fd` and `stdout_fd` as 0 and 1, stderr
/// shared, no other descriptor, all signals at their defaults and none blocked. Throws Error
/// with exit status 127 (not found) or 126 (cannot be run).
Child StartChild(const std::vector<std::string>& argv, int stdin_fd, int stdout_fd);

/// A child that has ended.
struct Ended {
  int pid = -1;
  int exit_status = 0;  ///< as a shell has it: 128 + N for signal N
};

/// Reaps one ended child, whoever started it: as PID 1 a process inherits strangers. pid is -1
/// when none has ended.
Ended ReapOne();

/// Sends `signal`; the child may be gone already.
void SendSignal(const Child& child, int signal);

}  // namespace pipedup
