#include "journal/syncer.h"

#include <chrono>
#include <utility>

#include "os/file.h"

namespace pipedup {

Syncer::Syncer(std::string directory, SyncMode mode, Duration interval)
    : directory_(std::move(directory)),
      mode_(mode),
      interval_(interval),
      thread_([this] { Run(); }) {}

Syncer::~Syncer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Syncer::OnWritten(const std::shared_ptr<Segment>& segment, Position end) {
  if (mode_ == SyncMode::kNever) return;
  bool wake = mode_ == SyncMode::kAlways;
  {
    const std::lock_guard lock(mutex_);
    wake = wake || written_ == synced();
    written_ = end;
    if (waiting_.empty() || waiting_.back() != segment) {
      waiting_.push_back(segment);
      names_ = names_ || newest_ != segment->begin();
      newest_ = segment->begin();
    }
  }
  if (wake) changed_.notify_all();
}

void Syncer::Remove(std::shared_ptr<AnySegment> segment,
                    std::shared_ptr<std::atomic<std::uint64_t>> pinned) {
  {
    const std::lock_guard lock(mutex_);
    Forget(segment->begin());
    removals_.push_back({std::move(segment), std::move(pinned)});
  }
  changed_.notify_all();
}

void Syncer::RemoveNow(AnySegment& segment,
                       std::shared_ptr<std::atomic<std::uint64_t>> pinned) {
  {
    const std::lock_guard lock(mutex_);
    Forget(segment.begin());
  }
  segment.Drop(std::move(pinned));
}

void Syncer::Forget(Position begin) {
  std::erase_if(waiting_, [begin](const auto& each) { return each->begin() == begin; });
}

void Syncer::SyncAll() {
  if (mode_ == SyncMode::kNever) return;
  std::unique_lock lock(mutex_);
  hurry_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return synced() >= written_; });
  hurry_ = false;
}

void Syncer::Run() {
  std::unique_lock lock(mutex_);
  auto next_round = std::chrono::steady_clock::now();
  while (true) {
    const auto due = [this, &next_round] {
      return synced() < written_ && (stop_ || hurry_ || mode_ == SyncMode::kAlways ||
                                     std::chrono::steady_clock::now() >= next_round);
    };
    const auto wake = [&] { return stop_ || !removals_.empty() || due(); };
    if (mode_ == SyncMode::kInterval && synced() < written_) {
      changed_.wait_until(lock, next_round, wake);
    } else {
      changed_.wait(lock, wake);
    }
    std::deque<Removal> removals = std::exchange(removals_, {});
    const bool sync = due();
    if (stop_ && !sync && removals.empty()) return;
    std::deque<std::shared_ptr<Segment>> segments;
    if (sync) segments = std::exchange(waiting_, {});
    const bool names = sync && std::exchange(names_, false);
    const Position written = written_;
    lock.unlock();
    for (Removal& removal : removals) removal.segment->Drop(std::move(removal.pinned));
    removals.clear();
    if (sync) {
      SyncRound(segments, names);
      segments.clear();  // the last one to let go of a file may wait for the disk
      next_round = std::chrono::steady_clock::now() + interval_;
      synced_.store(written, std::memory_order_release);
      rounds_.fetch_add(1, std::memory_order_relaxed);
      if (mode_ == SyncMode::kAlways) waker_.Wake();
    }
    lock.lock();
    changed_.notify_all();  // SyncAll
  }
}

// The bytes of a segment before its index: an entry that is there has its bytes. Then the
// directory, without which neither can be found.
void Syncer::SyncRound(const std::deque<std::shared_ptr<Segment>>& segments, bool names) {
  const auto note = [this](int error) {
    if (error == 0) return;
    last_error_.store(error, std::memory_order_relaxed);
    errors_.fetch_add(1, std::memory_order_relaxed);
    waker_.Wake();
  };
  for (const std::shared_ptr<Segment>& segment : segments) {
    note(segment->SyncLog());
    note(segment->SyncIndex());
  }
  if (names) note(SyncDirectory(directory_));
}

}  // namespace pipedup
