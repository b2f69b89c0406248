// Responses that have nothing to say for now, and the thread that looks after them.
#pragma once

#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "http/hub.h"

struct MHD_Connection;

namespace pipedup::http {

/// libmicrohttpd asks a response for its next bytes again and again unless its connection is
/// suspended, and does not look at a suspended one at all. So a thread of its own waits for the
/// bell, resumes those for whom there is something now, and finds those whose peers have gone.
class Waiters {
 public:
  using HasMore = std::function<bool(TimePoint now)>;

  /// `look` is called in the other thread now and then, as long as it says that there is
  /// something to look at, and after each Wake of the bell.
  Waiters(Bell& bell, std::function<bool(TimePoint now)> look);
  ~Waiters();
  Waiters(const Waiters&) = delete;
  Waiters& operator=(const Waiters&) = delete;

  /// Suspends `connection`, whose socket is `fd`, until `has_more` says so, or its peer has
  /// gone: then `on_gone` is called, after which `has_more` has to be true. Both are called in
  /// the other thread, and only while the connection is suspended. False: there is more
  /// already, and nothing was done.
  ///
  /// In the thread of libmicrohttpd, from one of its callbacks for this connection.
  [[nodiscard]] bool Suspend(MHD_Connection* connection, int fd, HasMore has_more,
                             std::function<void()> on_gone);
  /// Resumes all, and suspends none from now on: Suspend is always false.
  void Stop();
  bool stopped();

 private:
  struct Waiter {
    MHD_Connection* connection;
    int fd;
    HasMore has_more;
    std::function<void()> on_gone;
  };
  void Run();
  void Look();
  void FindGone();

  Bell& bell_;
  const std::function<bool(TimePoint)> look_;
  std::mutex mutex_;
  std::vector<Waiter> waiters_;  // under mutex_
  bool stopped_ = false;         // under mutex_
  TimePoint looked_for_gone_{};
  std::thread thread_;
};

}  // namespace pipedup::http
