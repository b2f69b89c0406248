// Signals arrive inside the event loop's wait, and nowhere else.
#pragma once

#include <csignal>
#include <initializer_list>
#include <thread>
#include <vector>

#include "os/fd.h"

namespace pipedup {

/// Makes SIGPIPE an error of the write instead of the end of the process. Children that are
/// started through os/child.h get the default back.
void IgnoreBrokenPipe();

/// Takes the named signals away from their default action and queues them here. One per
/// process, made before any thread. A signal that was ignored when the process started (nohup)
/// stays so.
class SignalQueue {
 public:
  explicit SignalQueue(std::initializer_list<int> signals);
  ~SignalQueue();
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;

  /// Whether it was not ignored when the process started.
  bool Takes(int signal) const;
  /// Readable when a signal is queued.
  int fd() const { return fd_.get(); }
  struct Signal {
    int number = 0;              ///< 0: none is queued
    bool from_terminal = false;  ///< ^C: every process of the foreground group has got it, too
  };
  Signal Next();

 private:
  std::vector<int> signals_;
  UniqueFd fd_;
};

/// While it lives, signals of the process go to its other threads, and threads that are made
/// here never get one.
class ScopedNoSignals {
 public:
  ScopedNoSignals();
  ~ScopedNoSignals();
  ScopedNoSignals(const ScopedNoSignals&) = delete;
  ScopedNoSignals& operator=(const ScopedNoSignals&) = delete;

 private:
  sigset_t saved_;
};

/// Gets `thread` out of a blocking write: the call returns kInterrupted. The thread may just
/// miss it, so the caller repeats until the thread says that it has noticed.
void InterruptThread(std::thread& thread);

}  // namespace pipedup
