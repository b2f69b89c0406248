#include "net/loop_thread.h"

#include <exception>
#include <utility>

#include "os/signals.h"

namespace pipedup {

LoopThread::LoopThread(std::function<void(const std::string&)> on_failure)
    : on_failure_(std::move(on_failure)) {
  loop_.OnReadable(waker_.fd(), [this] {
    waker_.Clear();
    RunJobs();
  });
  const ScopedNoSignals none;
  thread_ = std::thread([this] { Run(); });
}

LoopThread::~LoopThread() {
  Post([this] {
    stopped_ = true;
    loop_.Stop();
  });
  thread_.join();
}

void LoopThread::Run() {
  try {
    loop_.Run();
    return;
  } catch (const std::exception& thrown) {
    on_failure_(thrown.what());
  }
  // Whoever has made something here still has to take it down.
  while (!stopped_) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !jobs_.empty(); });
    lock.unlock();
    try {
      RunJobs();
    } catch (const std::exception&) {
      // Told once is enough.
    }
  }
}

void LoopThread::Do(const std::function<void()>& job) {
  bool done = false;
  std::exception_ptr thrown;
  Post([&] {
    try {
      job();
    } catch (...) {
      thrown = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    done = true;
    changed_.notify_all();
  });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done; });
  lock.unlock();
  if (thrown) std::rethrow_exception(thrown);
}

void LoopThread::Post(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    changed_.notify_all();
  }
  waker_.Wake();
}

void LoopThread::RunJobs() {
  while (true) {
    std::function<void()> job;
    {
      const std::lock_guard lock(mutex_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace pipedup
