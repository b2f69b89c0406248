// One reader of a journal: moves its bytes into a pipe from the event loop, at the pipe's pace.
#pragma once

#include <cstddef>
#include <functional>

#include "journal/journal.h"
#include "net/loop.h"
#include "os/fd.h"
#include "pipedup/types.h"

namespace pipedup {

/// What a feed tells its owner, from within Pump, Finish, the destructor or the loop. Each may
/// be left empty. on_drained, on_closed and on_failed come at most once, nothing comes after
/// them, and they may destroy the feed; the others may not.
struct FeedEvents {
  std::function<void()> on_progress = {};  ///< position() has moved
  /// Retention has passed the reader, which has taken the bytes before `at`: it is losing those
  /// from there on, and how many is not known before it goes on. Told once for each gap.
  std::function<void(Position at)> on_passed = {};
  /// The gap that began with on_passed: bytes [from, to) are lost to the reader. Told when it
  /// takes a byte again, or else when the feed is closed or destroyed, before its last word:
  /// one standstill is one gap, however much is dropped while it lasts.
  std::function<void(Position from, Position to)> on_gap = {};
  /// Around each write, which is of 64 KiB at most then: it may take bytes [from, to), and it
  /// is over, with position() moved by what it took.
  std::function<void(Position from, Position to)> on_write = {};
  std::function<void()> on_written = {};
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
  /// called whenever the journal has published something: it costs no system call while the
  /// pipe is known to be full. Does nothing once the feed is closed.
  void Pump();

  /// Nothing more will be published: closes the pipe when it has taken everything.
  void Finish();

  /// Every byte before it was taken by the pipe, or is lost: reported as a gap, or part of the
  /// one that begins at passed_at().
  Position position() const { return position_; }
  /// Where the gap begins that is not over and not told yet; position() if there is none.
  Position passed_at() const { return passed_at_; }
  /// Bytes before position() that the pipe has taken and nobody will read: its readers have
  /// left.
  std::uint64_t abandoned() const;
  /// The pipe is open: not drained, closed or failed yet.
  bool open() const { return static_cast<bool>(pipe_); }

 private:
  enum class Outcome { kMoved, kFull, kOver };
  void LetPass();
  Outcome Move(std::size_t max);
  void Advance(std::size_t bytes);
  void TellGap();
  void Close();

  EventLoop& loop_;
  const Journal& journal_;
  UniqueFd pipe_;
  Position position_;
  Position passed_at_;
  FeedEvents events_;
  EventLoop::WatchId writable_ = 0;
  EventLoop::WatchId hang_up_ = 0;
  std::uint64_t abandoned_ = 0;
  bool full_ = false;  // the pipe, until the loop says that it can be written
  bool splice_works_ = true;
  bool finishing_ = false;
};

}  // namespace pipedup
