// What other threads of this process may see of a journal: the bytes that are published, where
// they lie.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "journal/journal.h"
#include "journal/segment.h"
#include "journal/stored_segment.h"
#include "pipedup/types.h"

namespace pipedup {

/// A segment, as it is handed to another thread: in the memory of this process, or else on
/// disk.
struct ViewedSegment {
  static constexpr Position kOpen = std::numeric_limits<Position>::max();
  Position begin = 0;
  Position end = kOpen;  ///< kOpen: it is written, and goes as far as the head
  // Of one in memory:
  std::shared_ptr<const Segment> memory = {};
  bool begins_record = false;
  std::uint64_t records_before = 0;
  // Of one on disk, whose index says the rest:
  std::optional<StoredSegment::Found> stored = {};
};

/// The loop shows it what there is; any thread looks. Nobody waits for anybody: the head is an
/// atomic, the list of segments is made anew when one comes or goes, and the lock is held for
/// as long as it takes to copy the pointer to it.
///
/// A look keeps alive what it sees, so it is to be a short one: nothing that waits for a peer
/// may hold a segment.
class JournalView {
 public:
  using Segments = std::vector<ViewedSegment>;

  /// A view of `journal` from now on. `on_more` is called in the loop's thread when the head
  /// has moved.
  static std::shared_ptr<JournalView> Of(Journal& journal, std::function<void()> on_more);

  SessionId session() const { return session_; }
  RecordFormat records_format() const { return format_; }
  const std::vector<PastSession>& past_sessions() const { return past_; }
  Position head() const { return head_.load(); }
  /// The oldest position that is kept; the head if there is none.
  Position tail() const;
  std::shared_ptr<const Segments> segments() const;
  /// The journal is gone, and nothing is seen any more.
  bool closed() const { return closed_.load(); }

  // ---- the loop's ----

  /// To be called now and then: retention may have dropped something though nothing came.
  void Refresh(const Journal& journal);
  /// Before the journal goes.
  void Close();

 private:
  explicit JournalView(const Journal& journal);
  void Rebuild(const std::deque<std::shared_ptr<AnySegment>>& there, bool last_is_open);
  void Show(std::shared_ptr<const Segments> segments);

  const SessionId session_;
  const RecordFormat format_;
  const std::vector<PastSession> past_;
  std::atomic<Position> head_;
  std::atomic<bool> closed_{false};
  mutable std::mutex mutex_;
  std::shared_ptr<const Segments> segments_;  // under mutex_
  // The loop's: by what it is seen that there are other segments than those shown.
  Position first_ = ViewedSegment::kOpen;
  Position last_ = ViewedSegment::kOpen;
  bool skipped_ = false;
};

}  // namespace pipedup
