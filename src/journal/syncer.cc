#include "journal/syncer.h"

#include <cerrno>
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

void Syncer::OnWritten(Position begin, Position end) {
  if (mode_ == SyncMode::kNever) return;
  bool wake = mode_ == SyncMode::kAlways;
  {
    const std::lock_guard lock(mutex_);
    wake = wake || written_ == synced();
    written_ = end;
    if (waiting_.empty() || waiting_.back() != begin) {
      waiting_.push_back(begin);
      names_ = names_ || newest_ != begin;
      newest_ = begin;
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
  std::erase(waiting_, begin);
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
    std::deque<Position> segments;
    if (sync) segments = std::exchange(waiting_, {});
    const bool names = sync && std::exchange(names_, false);
    const Position written = written_;
    lock.unlock();
    for (Removal& removal : removals) removal.segment->Drop(std::move(removal.pinned));
    removals.clear();
    if (sync) {
      SyncRound(segments, names);
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
void Syncer::SyncRound(const std::deque<Position>& segments, bool names) {
  const auto note = [this](int error) {
    if (error == 0) return;
    last_error_.store(error, std::memory_order_relaxed);
    errors_.fetch_add(1, std::memory_order_release);
    waker_.Wake();
  };
  for (const Position begin : segments) note(SyncFiles(begin));
  if (names) note(SyncDirectory(directory_));
}

int Syncer::SyncFiles(Position begin) const {
  for (const char* suffix : {kLogSuffix, kIndexSuffix}) {
    int error = 0;
    const UniqueFd fd = OpenForReading(SegmentPath(directory_, begin, suffix), &error);
    if (!fd && error == ENOENT) continue;  // dropped meanwhile, or never in a file
    if (fd) error = SyncFile(fd.get());
    if (error != 0) return error;
  }
  return 0;
}

}  // namespace pipedup
