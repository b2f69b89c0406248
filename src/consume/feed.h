// One reader of a journal: moves its bytes into a pipe from the event loop, at the pipe's pace.
#pragma once

#include <cstddef>
#include <functional>

#include "journal/journal.h"
#include "net/loop.h"
#include "os/fd.h"
#include "pipedup/types.h"

namespace pipedup {

/// What a feed tells its owner, from within Pump, Finish or the loop. Each may be left empty.
/// on_drained, on_closed and on_failed come at most once, nothing comes after them, and they
/// may destroy the feed; the others may not.
struct FeedEvents {
  std::function<void()> on_progress = {};  ///< position() has moved
  /// Retention has passed the reader: bytes [from, to) are lost to it, and it goes on at `to`.
  std::function<void(Position from, Position to)> on_gap = {};
  std::function<void()> on_drained = {};  ///< after Finish: all was taken, the pipe is closed
  std::function<void()> on_closed = {};   ///< the reader of the pipe has left
  std::function<void(int error)> on_failed = {};  ///< the errno of the write
};

/// A position in a journal, and the pipe that takes the bytes from there on. The journal's own
/// pages are spliced into the pipe where that works and pays, else the bytes are written.
///
/// Never blocks, and moves at most 1 MiB per call, so that many feeds of one loop are served in
/// turn. It keeps nothing of the journal: whoever needs the bytes kept says so there
/// (KeepFrom).
class Feed {
 public:
  /// `pipe` is the write end of a pipe that this process has made; it is made non-blocking and
  /// belongs to the feed. `loop` and `journal` outlive it. Moves nothing before Pump.
  Feed(EventLoop& loop, const Journal& journal, UniqueFd pipe, Position from,
       FeedEvents events);
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  /// Moves what the pipe takes now; the rest goes from the loop, as the pipe has room. To be
  /// called whenever the journal has published something. Does nothing once the feed is closed.
  void Pump();

  /// Nothing more will be published: closes the pipe when it has taken everything.
  void Finish();

  /// Every byte before it was taken by the pipe, or reported as a gap.
  Position position() const { return position_; }
  /// The pipe is open: not drained, closed or failed yet.
  bool open() const { return static_cast<bool>(pipe_); }

 private:
  enum class Outcome { kMoved, kFull, kOver };
  Outcome Move(std::size_t max);
  void Close();

  EventLoop& loop_;
  const Journal& journal_;
  UniqueFd pipe_;
  Position position_;
  FeedEvents events_;
  EventLoop::WatchId writable_ = 0;
  EventLoop::WatchId hang_up_ = 0;
  bool splice_works_ = true;
  bool finishing_ = false;
};

}  // namespace pipedup
