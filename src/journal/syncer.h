// Makes what a journal on disk was given safe from a crash of the machine, beside the event
// loop.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/units.h"
#include "journal/any_segment.h"
#include "journal/layout.h"
#include "os/waker.h"

namespace pipedup {

/// A thread that syncs segments in the order of their positions, and removes those that are not
/// needed any more (a file whose pages are on their way to the disk is as slow to remove): a
/// slow disk delays nobody but whoever waits for it. What is written while it waits for the
/// disk goes with the next round.
///
/// Files are opened by name when their turn comes, so that nothing is held meanwhile. After an
/// error nobody knows what the disk holds: it is counted, and the position moves on, because
/// waiting would mend nothing.
class Syncer {
 public:
  /// `directory` has the segments' names. kInterval: a round every `interval` while there is
  /// something to sync. kAlways: at once.
  Syncer(std::string directory, SyncMode mode, Duration interval);
  /// Syncs what it was given, but with kNever, and removes what it was told to.
  ~Syncer();
  Syncer(const Syncer&) = delete;
  Syncer& operator=(const Syncer&) = delete;

  /// The segment that begins at `begin` has blocks up to `end`, and its files may be new. From
  /// the writing thread.
  void OnWritten(Position begin, Position end);
  /// Calls segment->Drop(pinned); it need not be synced any more.
  void Remove(std::shared_ptr<AnySegment> segment,
              std::shared_ptr<std::atomic<std::uint64_t>> pinned);
  /// The same at once, for whoever needs the room.
  void RemoveNow(AnySegment& segment, std::shared_ptr<std::atomic<std::uint64_t>> pinned);
  /// Waits until everything is safe that OnWritten told of. Not with kNever.
  void SyncAll();

  /// Everything before it is as safe as it gets.
  Position synced() const { return synced_.load(std::memory_order_acquire); }
  std::uint64_t rounds() const { return rounds_.load(std::memory_order_relaxed); }
  std::uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }
  /// The errno of the last one.
  int last_error() const { return last_error_.load(std::memory_order_relaxed); }
  /// Readable after each round (kAlways), and after an error.
  Waker& waker() { return waker_; }

 private:
  struct Removal {
    std::shared_ptr<AnySegment> segment;
    std::shared_ptr<std::atomic<std::uint64_t>> pinned;
  };
  void Run();
  void Forget(Position begin);
  void SyncRound(const std::deque<Position>& segments, bool names);
  int SyncFiles(Position begin) const;

  const std::string directory_;
  const SyncMode mode_;
  const Duration interval_;
  Waker waker_;
  std::atomic<Position> synced_{0};
  std::atomic<std::uint64_t> rounds_{0};
  std::atomic<std::uint64_t> errors_{0};
  std::atomic<int> last_error_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Position> waiting_;  // segments; under mutex_, as all below
  std::deque<Removal> removals_;
  Position written_ = 0;
  Position newest_ = UINT64_MAX;  // segment that was told of last
  bool names_ = false;            // there is a segment that the directory may not have yet
  bool hurry_ = false;            // the interval does not matter
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace pipedup
