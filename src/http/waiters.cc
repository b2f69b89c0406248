#include "http/waiters.h"

#include <microhttpd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "os/io.h"

namespace pipedup::http {
namespace {

using namespace std::chrono_literals;

// A busy stream rings all the time: what has come meanwhile is sent together.
constexpr auto kPause = 5ms;
constexpr auto kLookForGone = 1s;
constexpr std::chrono::milliseconds kLookAnyway = 500ms;  // for what no bell tells of
constexpr std::chrono::milliseconds kNobody = 1h;

}  // namespace

Waiters::Waiters(Bell& bell, std::function<bool(TimePoint now)> look)
    : bell_(bell), look_(std::move(look)), thread_([this] { Run(); }) {}

Waiters::~Waiters() {
  Stop();
  thread_.join();
}

void Waiters::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (Waiter& waiter : waiters_) MHD_resume_connection(waiter.connection);
    waiters_.clear();
  }
  bell_.Wake();
}

bool Waiters::stopped() {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

bool Waiters::Suspend(MHD_Connection* connection, int fd, HasMore has_more,
                      std::function<void()> on_gone) {
  const std::lock_guard lock(mutex_);
  bell_.Arm();  // what comes from here on rings, what came before is seen
  if (stopped_ || has_more(Clock::now())) return false;
  MHD_suspend_connection(connection);
  if (waiters_.empty()) bell_.Wake();  // the thread may be waiting for nobody
  waiters_.push_back({connection, fd, std::move(has_more), std::move(on_gone)});
  return true;
}

void Waiters::Run() {
  std::chrono::milliseconds patience = kNobody;
  while (true) {
    std::array<PollItem, 1> items = {PollItem{bell_.fd()}};
    Poll(items, patience);
    bell_.Clear();
    const bool again = look_(Clock::now());
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) return;
      Look();
      patience = waiters_.empty() && !again ? kNobody : kLookAnyway;
    }
    if (items[0].ready) std::this_thread::sleep_for(kPause);
  }
}

void Waiters::Look() {
  bell_.Arm();
  const TimePoint now = Clock::now();
  if (now - looked_for_gone_ >= kLookForGone) {
    looked_for_gone_ = now;
    FindGone();
  }
  std::erase_if(waiters_, [now](const Waiter& waiter) {
    if (!waiter.has_more(now)) return false;
    MHD_resume_connection(waiter.connection);
    return true;
  });
}

/// Who has said that it sends nothing more has gone: the two look the same until something is
/// sent, and on a quiet stream that may be never.
void Waiters::FindGone() {
  std::vector<PollItem> items;
  items.reserve(waiters_.size());
  for (const Waiter& waiter : waiters_) {
    items.push_back({waiter.fd, PollItem::For::kPeerClosed});
  }
  Poll(items, 0ms);
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].ready) waiters_[i].on_gone();
  }
}

}  // namespace pipedup::http
