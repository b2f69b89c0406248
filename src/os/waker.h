// Wakes an event loop from another thread.
#pragma once

#include "os/fd.h"

namespace pipedup {

/// A descriptor that becomes readable when any thread calls Wake. An eventfd, or a pipe where
/// there is none.
class Waker {
 public:
  /// Throws Error when the process has no descriptor left.
  Waker();

  /// Any thread; never blocks. Many wakes before a Clear are one.
  void Wake();
  /// The loop's thread, when fd() is readable.
  void Clear();
  int fd() const { return read_end_.get(); }

 private:
  UniqueFd read_end_;
  UniqueFd write_end_;  // not used with an eventfd
};

}  // namespace pipedup
