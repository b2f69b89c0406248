// stdin, or a producer's stdout → records cut into blocks → journal.
#pragma once

#include <functional>

#include "base/units.h"
#include "journal/journal.h"
#include "net/loop.h"

namespace pipedup {

/// Reads greedily and publishes finished records at once, an unfinished one after `max_delay`.
/// Waiting to fill a block would gain nothing: under load the reads are large by themselves.
class Source {
 public:
  /// `fd` stays the caller's. `on_end` is called once, when there is nothing more to read and
  /// everything has been published; with the errno if reading failed, else 0.
  Source(EventLoop& loop, Journal& journal, int fd, Duration max_delay,
         std::function<void(int error)> on_end);
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// Reads nothing until Resume: back pressure on whoever writes.
  void Pause();
  void Resume();
  /// Takes what is there now, publishes it, and ends.
  void Finish();

 private:
  void Read();
  void Publish();
  void End(int error);

  EventLoop& loop_;
  Journal& journal_;
  const int fd_;
  const bool is_pipe_;
  const Duration max_delay_;
  std::function<void(int)> on_end_;
  EventLoop::WatchId watch_;
  EventLoop::TimerId delay_ = 0;
  bool ended_ = false;
};

}  // namespace pipedup
