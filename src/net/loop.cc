#include "net/loop.h"

#include <algorithm>
#include <utility>

namespace pipedup {
namespace {

constexpr auto kLongestWait = std::chrono::seconds(1);
constexpr auto kOwnDelay = std::chrono::milliseconds(250);  // of a busy machine, not of a stop

}  // namespace

EventLoop::EventLoop() : now_(Clock::now()), real_(now_) {}

EventLoop::WatchId EventLoop::OnReadable(int fd, Callback callback) {
  changed_ = true;
  watches_[next_id_] = {fd, nullptr, std::move(callback)};
  return next_id_++;
}

EventLoop::WatchId EventLoop::OnWritable(int fd, Callback callback) {
  changed_ = true;
  watches_[next_id_] = {fd, nullptr, std::move(callback), PollItem::For::kWrite};
  return next_id_++;
}

EventLoop::WatchId EventLoop::OnHangUp(int fd, Callback callback) {
  changed_ = true;
  watches_[next_id_] = {fd, nullptr, std::move(callback), PollItem::For::kHangUp};
  return next_id_++;
}

EventLoop::WatchId EventLoop::OnMessage(Socket& socket, Callback callback) {
  changed_ = true;
  watches_[next_id_] = {socket.fd(), &socket, std::move(callback)};
  return next_id_++;
}

void EventLoop::SetEnabled(WatchId id, bool enabled) {
  Watch& watch = watches_.at(id);
  if (watch.enabled != enabled) changed_ = true;
  watch.enabled = enabled;
}

void EventLoop::Remove(WatchId id) {
  changed_ = true;
  watches_.erase(id);
}

EventLoop::TimerId EventLoop::After(Duration delay, Callback callback) {
  // "For ever" is further than the clock goes.
  const TimePoint due = delay < TimePoint::max() - now_ ? now_ + delay : TimePoint::max();
  timers_[next_id_] = {std::move(callback), Duration(0), due};
  due_.emplace(due, next_id_);
  return next_id_++;
}

EventLoop::TimerId EventLoop::Every(Duration interval, Callback callback) {
  const TimerId id = After(interval, std::move(callback));
  timers_[id].interval = interval;
  return id;
}

void EventLoop::Cancel(TimerId id) {
  const auto timer = timers_.find(id);
  if (timer == timers_.end()) return;
  const auto [first, last] = due_.equal_range(timer->second.due);
  due_.erase(std::find_if(first, last, [id](const auto& entry) { return entry.second == id; }));
  timers_.erase(timer);
}

void EventLoop::Run() {
  stopped_ = false;
  while (!stopped_) {
    Wait();
    if (!stopped_) RunTimers();
  }
}

void EventLoop::AdvanceClock(Duration waited_for) {
  const TimePoint real = Clock::now();
  now_ += std::min<Duration>(real - real_, waited_for + kOwnDelay);
  real_ = real;
}

// zmq_poll would do, but asks every socket at every wake, which costs a line's latency several
// system calls. A socket that is armed says by its descriptor when it wants to be looked at.
void EventLoop::Wait() {
  if (changed_) {
    items_.clear();
    ids_.clear();
    sockets_.clear();
    for (const auto& [id, watch] : watches_) {
      if (!watch.enabled) continue;
      items_.push_back({watch.fd, watch.what});
      ids_.push_back(id);
      sockets_.push_back(watch.socket);
    }
    changed_ = false;
  }
  Duration wait = kLongestWait;
  if (!due_.empty()) wait = std::clamp<Duration>(due_.begin()->first - now_, Duration(0), wait);
  const auto unarmed = [](Socket* socket) { return socket != nullptr && !socket->armed(); };
  if (std::any_of(sockets_.begin(), sockets_.end(), unarmed)) wait = Duration(0);
  // Rounded up: a timer must be due when the wait for it is over.
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait);
  Poll(items_, ms);
  AdvanceClock(ms);
  for (std::size_t i = 0; i < items_.size() && !stopped_; ++i) {
    const auto watch = watches_.find(ids_[i]);
    if (watch == watches_.end() || !watch->second.enabled) continue;
    if (!items_[i].ready && !unarmed(watch->second.socket)) continue;
    const Callback callback = watch->second.callback;  // it may remove itself
    callback();
  }
}

void EventLoop::RunTimers() {
  const TimerId first_new =
      next_id_;  // a timer that is set from here on waits for the next round
  auto next = due_.begin();
  while (next != due_.end() && next->first <= now_ && !stopped_) {
    const TimerId id = next->second;
    if (id >= first_new) {
      ++next;
      continue;
    }
    due_.erase(next);
    const auto timer = timers_.find(id);
    const Callback callback = timer->second.callback;
    if (timer->second.interval.count() == 0) {
      timers_.erase(timer);
    } else {
      timer->second.due = now_ + timer->second.interval;
      due_.emplace(timer->second.due, id);
    }
    callback();
    next = due_.begin();
  }
}

}  // namespace pipedup
