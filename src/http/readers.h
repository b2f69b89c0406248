// How far each reader of a session has come: known to the thread of HTTP, which moves them, and
// to the loop, which may have to cut them off.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <mutex>
#include <set>

#include "pipedup/types.h"

namespace pipedup::http {

/// Where one reader stands. All but what Readers does is for the thread of HTTP.
class Place {
 public:
  explicit Place(Position at) : at_(at), shown_(at) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  Position at() const { return at_; }
  /// False, and it stays where it is, if the reader was cut off: what it was not given then is
  /// counted already.
  [[nodiscard]] bool Move(Position to) {
    Position here = at_;
    if (!shown_.compare_exchange_strong(here, to)) return false;
    at_ = to;
    return true;
  }
  bool cut_off() const { return shown_.load() == kCutOff; }
  /// Of one that was cut off: the reader has been told of what is before `to`.
  void Skip(Position to) { at_ = to; }

 private:
  friend class Readers;
  static constexpr Position kCutOff = std::numeric_limits<Position>::max();
  Position at_;
  std::atomic<Position> shown_;
};

/// All that read one session.
class Readers {
 public:
  /// False after CutOff: it is cut off before it has begun.
  [[nodiscard]] bool Add(Place* place);
  void Remove(Place* place) {
    const std::lock_guard lock(mutex_);
    places_.erase(place);
  }
  /// Those that have not read all that is before `head`.
  struct Unread {
    std::uint64_t readers = 0;
    std::uint64_t bytes = 0;
  };
  Unread Behind(Position head) const;
  /// The same, and nobody moves any more.
  Unread CutOff(Position head);
  /// Responses that are under way.
  std::uint64_t count() const {
    const std::lock_guard lock(mutex_);
    return places_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::set<Place*> places_;  // under mutex_
  bool cut_off_ = false;     // under mutex_
};

}  // namespace pipedup::http
