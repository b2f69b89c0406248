// Surprises are exceptions with context; expected outcomes are return values.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace pipedup {

/// Exit statuses of all programs. Source: docs and --help of each program.
enum ExitStatus : int {
  kExitOk = 0,
  kExitFailure = 1,
  kExitUsage = 2,
  kExitLoss = 3,         ///< sub: data was lost; pub: a member did not confirm the end
  kExitUnreachable = 4,  ///< publisher not reached, or vanished before the end
  kExitRefused = 5,
  kExitTimeout = 124,
  kExitCannotRun = 126,
  kExitNotFound = 127,
  kExitSignalBase = 128,  ///< + signal number
  kExitBrokenPipe = 141,  ///< the reader of stdout left: 128 + SIGPIPE
};

/// "what: cause", with the exit status the program ends with.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& text, int exit_status = kExitFailure)
      : std::runtime_error(text), exit_status_(exit_status) {}
  int exit_status() const { return exit_status_; }

 private:
  int exit_status_;
};

}  // namespace pipedup
