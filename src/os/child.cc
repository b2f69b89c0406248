#include "os/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>

#include "base/error.h"
#include "base/text.h"
#include "os/io.h"
#include "os/process.h"

extern char** environ;

namespace pipedup {

Child StartChild(const std::vector<std::string>& argv, int stdin_fd, int stdout_fd) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  // What this process made is close-on-exec from birth; dup2 onto itself clears the flag. What
  // it was started with beside 0, 1 and 2 is none of a child's business.
  ::posix_spawn_file_actions_adddup2(&actions, stdin_fd, 0);
  ::posix_spawn_file_actions_adddup2(&actions, stdout_fd, 1);
#if defined(__GLIBC__) && !defined(PIPEDUP_PORTABLE)
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
#else
  constexpr int kInherited = 256;
  for (int fd = 3; fd < kInherited; ++fd) (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif

  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t defaults;
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);  // the one that this process ignores
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);

  std::vector<char*> arguments;
  arguments.reserve(argv.size() + 1);
  for (const std::string& argument : argv)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  Child child;
  int error = 0;
  {
    const ScopedFirstDescriptorLimit inherited;
    error = ::posix_spawnp(&child.pid, arguments[0], &actions, &attributes, arguments.data(),
                           environ);
  }
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    throw Error("run '" + Escape(argv[0]) + "': " + ErrnoText(error),
                error == ENOENT ? kExitNotFound : kExitCannotRun);
  }
  return child;
}

Ended ReapOne() {
  while (true) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return {};
    if (WIFEXITED(status)) return {pid, WEXITSTATUS(status)};
    if (WIFSIGNALED(status)) return {pid, 128 + WTERMSIG(status)};
  }
}

void SendSignal(const Child& child, int signal) {
  if (child.pid > 0) ::kill(child.pid, signal);
}

}  // namespace pipedup
