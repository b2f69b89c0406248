#include "journal/syncer.h"

#include <utility>

#include "os/file.h"

namespace pipedup {

Syncer::Syncer(std::string directory, SyncMode mode, Duration interval)
    : directory_(std::move(directory)), mode_(mode), interval_(interval) {
  if (mode_ != SyncMode::kNever) thread_ = std::thread([this] { Run(); });
}

Syncer::~Syncer() {
  if (!thread_.joinable()) return;
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
    written_ = end;
    if (waiting_.empty() || waiting_.back() != segment) {
      wake = wake || waiting_.empty();
      waiting_.push_back(segment);
      names_ = names_ || newest_ != segment->begin();
      newest_ = segment->begin();
    }
  }
  if (wake) changed_.notify_all();
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
  while (true) {
    changed_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    if (mode_ == SyncMode::kInterval) {
      changed_.wait_for(lock, interval_, [this] { return stop_ || hurry_; });
    }
    if (waiting_.empty() && stop_) return;
    const std::deque<std::shared_ptr<Segment>> segments = std::exchange(waiting_, {});
    const bool names = std::exchange(names_, false);
    const Position written = written_;
    lock.unlock();
    SyncRound(segments, names);
    synced_.store(written, std::memory_order_release);
    rounds_.fetch_add(1, std::memory_order_relaxed);
    if (mode_ == SyncMode::kAlways) waker_.Wake();
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
