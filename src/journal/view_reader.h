// Positions in a journal that another thread writes, and what stands there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "journal/view.h"

namespace pipedup {

/// For any number of readers of one view, all in one thread. What was read from disk lately is
/// kept for all of them, at most 8 MiB.
class ViewReader {
 public:
  explicit ViewReader(std::shared_ptr<const JournalView> view) : view_(std::move(view)) {}

  const JournalView& view() const { return *view_; }

  /// What stands at a position. Neither bytes nor a gap: nothing yet.
  struct Found {
    SharedBytes bytes = {};               ///< to be let go of soon
    std::optional<Position> gap_to = {};  ///< nothing is there any more; it goes on here
    /// It is kept, but this process has no descriptor or memory left to read it.
    bool out_of_reach = false;
  };
  /// At most `max` bytes from `at` on.
  Found Read(Position at, std::size_t max);

  /// Where the last `count` records begin; 0: where the unfinished record begins, or the head.
  /// The first record that is kept if there are fewer. The head if there are no records (raw).
  /// Nothing if that is out of reach. Like the next one it looks into one segment or block,
  /// however long a record is: of the others it is known how many records end in them.
  std::optional<Position> FindLast(std::uint64_t count);
  /// The first position that is kept, at which a record begins; the head if none does.
  std::optional<Position> FindStart();

 private:
  using Segments = JournalView::Segments;
  Found ReadStored(const ViewedSegment& segment, Position at, std::size_t max);
  StoredSegment& Stored(const ViewedSegment& segment);
  SharedBytes BlockOf(StoredSegment& segment, const BlockHeader& block);
  std::uint64_t RecordsBefore(const ViewedSegment& segment);
  std::optional<Position> LastIn(const ViewedSegment& segment, Position end,
                                 std::uint64_t* delimiters);
  std::optional<Position> LastInStored(const ViewedSegment& segment, Position end,
                                       std::uint64_t* delimiters);
  std::optional<Position> LastBefore(const ViewedSegment& segment, Position end,
                                     std::uint64_t* delimiters);
  std::optional<Position> FirstIn(const ViewedSegment& segment, Position head);
  std::optional<Position> FirstInStored(const ViewedSegment& segment);
  Position Last(std::uint64_t count);
  Position Start();
  bool IsOutOfReach(const StoredSegment& segment);

  const std::shared_ptr<const JournalView> view_;
  std::deque<std::unique_ptr<StoredSegment>> stored_;  // used lately, the last one at the end
  struct Cached {
    Position position;
    SharedBytes bytes;
  };
  std::deque<Cached> blocks_;  // whose checksums hold, oldest first
  std::size_t cached_bytes_ = 0;
  bool out_of_reach_ = false;  // something was, in the search that is under way
};

}  // namespace pipedup
