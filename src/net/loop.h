// The event loop: one per process. Descriptors, sockets and timers; nothing else wakes it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "net/socket.h"
#include "os/io.h"

namespace pipedup {

/// Single-threaded: callbacks run one after another, in the thread of Run, and may add and
/// remove watches and timers, their own too.
///
/// The loop's clock leaves out time in which this process did not run (stopped, or its machine
/// suspended): it moves by at most what was asked to be waited, and a quarter of a second. So
/// silence that is really our own absence is never taken for a dead peer.
class EventLoop {
 public:
  using Callback = std::function<void()>;
  using WatchId = std::uint64_t;
  using TimerId = std::uint64_t;

  EventLoop();

  /// Calls `callback` while `fd` is readable or has hung up.
  WatchId OnReadable(int fd, Callback callback);
  /// Calls `callback` while `fd` can be written, or its reader has gone.
  WatchId OnWritable(int fd, Callback callback);
  /// Calls `callback` when the other side of `fd` has gone.
  WatchId OnHangUp(int fd, Callback callback);
  /// Calls `callback` when `socket` may have a message. It takes them until Receive finds none,
  /// or a bounded number of them, and is then called again.
  WatchId OnMessage(Socket& socket, Callback callback);
  /// A watch that is off stays in place and calls nobody.
  void SetEnabled(WatchId id, bool enabled);
  void Remove(WatchId id);

  /// Once, after `delay`.
  TimerId After(Duration delay, Callback callback);
  /// Again and again, every `interval`.
  TimerId Every(Duration interval, Callback callback);
  /// Harmless for a timer that has fired or was never there (0).
  void Cancel(TimerId id);

  /// The loop's clock, as of the last wake.
  TimePoint now() const { return now_; }

  /// Until Stop. What a callback throws comes out here.
  void Run();
  void Stop() { stopped_ = true; }

 private:
  struct Watch {
    int fd = -1;
    Socket* socket = nullptr;
    Callback callback;
    PollItem::For what = PollItem::For::kRead;
    bool enabled = true;
  };
  struct Timer {
    Callback callback;
    Duration interval{0};  // 0: once
    TimePoint due;
  };
  void Wait();
  void RunTimers();
  void AdvanceClock(Duration waited_for);

  std::map<WatchId, Watch> watches_;
  std::map<TimerId, Timer> timers_;
  std::multimap<TimePoint, TimerId> due_;
  std::uint64_t next_id_ = 1;
  TimePoint now_;
  TimePoint real_;  // the system's clock when now_ was set
  bool stopped_ = false;
  bool changed_ = true;
  std::vector<PollItem> items_;  // of the watches that are on, as ids_
  std::vector<WatchId> ids_;
  std::vector<Socket*> sockets_;
};

}  // namespace pipedup
