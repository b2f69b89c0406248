// pipedup-tee, wired: stdin → (journal →) stdout, files and commands.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/progress.h"
#include "consume/lockstep.h"
#include "net/loop.h"
#include "os/child.h"
#include "os/fd.h"
#include "os/signals.h"
#include "pipedup/reporter.h"
#include "programs/buffered_copy.h"
#include "programs/tee_options.h"

namespace pipedup {

/// One run of pipedup-tee. Takes the process's signals for itself.
class TeeRun {
 public:
  /// Opens the files and starts the commands; nothing has been read then. Throws Error.
  TeeRun(const TeeOptions& options, Reporter& reporter);

  /// Copies until the input has ended and every command, too. The exit status.
  int Run();

 private:
  /// Something that gets a copy; in the order in which exit statuses count.
  struct Sink {
    std::string label;
    int fd = -1;
    UniqueFd own = {};  // fd, unless that is 1 or has been handed on
    std::optional<Child> command = {};
    bool copied = false;  // it takes nothing more
    bool runs = false;
    int status = kExitOk;
  };
  static std::vector<Sink> OpenSinks(const TeeOptions& options);
  void StartCommands();
  void StartCopy();
  void OnSignals();
  void OnChildren();
  void OnOutputEnd(std::size_t index, IoStatus why, int error);
  void OnInputFailed(int error);
  void StopWhenDone();
  cli::ProgressNumbers Numbers() const;

  const TeeOptions& options_;
  Reporter& reporter_;
  std::vector<Sink> sinks_;  // first: opening a named pipe waits, and a signal is to end that
  SignalQueue signals_;
  EventLoop loop_;
  std::optional<Lockstep> lockstep_;
  std::optional<BufferedCopy> buffered_;
  std::optional<cli::Progress> progress_;
  bool input_failed_ = false;
  int signal_ = 0;
};

}  // namespace pipedup
