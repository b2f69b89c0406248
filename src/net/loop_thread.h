// An event loop in a thread of its own, for whoever has no loop.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "net/loop.h"
#include "os/waker.h"

namespace pipedup {

/// What runs in the loop is made, used and destroyed by Do alone. Takes no signals.
class LoopThread {
 public:
  /// `on_failure`: told, in the loop's thread, what a callback of the loop threw. The loop does
  /// not run any more then, but Do and Post do. Throws Error when the process has no descriptor
  /// left.
  explicit LoopThread(std::function<void(const std::string& what)> on_failure);
  /// All that was made in the loop is gone by now.
  ~LoopThread();
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  /// Runs `job` in the loop's thread and waits for it; what it throws comes out here. Any
  /// thread but the loop's.
  void Do(const std::function<void()>& job);
  /// Runs it there, some time. Any thread.
  void Post(std::function<void()> job);

  EventLoop& loop() { return loop_; }

 private:
  void Run();
  void RunJobs();

  const std::function<void(const std::string&)> on_failure_;
  EventLoop loop_;
  Waker waker_;
  std::mutex mutex_;
  std::condition_variable changed_;  // there are jobs, or one was done
  bool stopped_ = false;
  std::deque<std::function<void()>> jobs_;
  std::thread thread_;
};

}  // namespace pipedup
