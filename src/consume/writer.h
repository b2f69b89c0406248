// Writes to a descriptor that may be slow, without ever making the event loop wait for it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/bytes.h"
#include "consume/write_notes.h"
#include "os/io.h"
#include "os/waker.h"
#include "pipedup/types.h"

namespace pipedup {

/// A queue and a thread that writes it out. What fits into a pipe at once is written by the
/// caller's own thread instead (where the kernel can be asked not to block), which saves the
/// way through the other one. Bytes that a file holds are spliced into a pipe, not copied.
///
/// With notes, each write is noted before and after it. A piece with labels is noted as a
/// whole, others as far as they are written at a time.
///
/// One thread pushes. The queue is not bounded here: whoever pushes looks at queued() first.
class Writer {
 public:
  enum class State : std::uint8_t {
    kOpen,
    kClosed,  ///< the reader has left
    kFailed,  ///< error() says why
  };

  /// `fd` stays the caller's; it and `notes` (none: nullptr) outlive this. The waker() becomes
  /// readable when the queue has run empty, each time another `wake_bytes` were written, and
  /// when the state changes.
  Writer(int fd, std::size_t wake_bytes, WriteNotes* notes = nullptr);
  /// Aborts.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// How far a session has been written.
  struct Mark {
    SessionId session = 0;
    Position position = 0;    ///< `end` of the last piece that was written in full
    std::size_t partial = 0;  ///< bytes of the piece after it that were written, too
  };

  /// Writes `bytes` (not empty) after everything that was pushed before. They stand for
  /// [from, to) of `session`, with labels or without.
  void Push(SharedBytes bytes, SessionId session, Position from, Position to);
  /// The same, without labels.
  void Push(SharedBytes bytes, SessionId session, Position to) {
    const Position from = to - bytes.size();
    Push(std::move(bytes), session, from, to);
  }

  /// Memory that holds what was pushed and not written: its bytes, and 256 more for each piece.
  std::size_t queued() const { return queued_.load(std::memory_order_relaxed); }
  Mark mark() const;
  std::uint64_t written() const { return written_.load(std::memory_order_relaxed); }
  State state() const { return state_.load(std::memory_order_acquire); }
  int error() const { return error_; }
  Waker& waker() { return waker_; }

  /// Drops what is queued and stops the thread, also out of a write that nobody reads.
  void Abort();

 private:
  struct Piece {
    SharedBytes bytes;  ///< what is left of it
    SessionId session = 0;
    Position from = 0;
    Position to = 0;
    std::size_t written = 0;
    bool labelled() const { return bytes.size() + written != to - from; }
  };

  void Run();
  IoResult WriteFront(std::unique_lock<std::mutex>& lock);
  IoResult WriteNoted(std::unique_lock<std::mutex>& lock);
  bool WriteInline(const Piece& piece, std::size_t* done);
  IoResult MoveNoted(const Piece& piece, std::size_t done);
  void NoteReached(const Piece& piece, std::size_t written);
  std::deque<Piece> PopWritten(std::size_t bytes);
  bool CanSplice(const SharedBytes& bytes) const;
  bool IsWorthSplicing(const SharedBytes& bytes) const;
  IoResult MoveNow(const SharedBytes& bytes);
  IoResult MoveFront(const SharedBytes& bytes);
  void Finish(State state, int error);
  void Count(std::size_t bytes);

  const int fd_;
  const std::size_t wake_bytes_;
  WriteNotes* const notes_;
  const bool to_file_;         // with notes: nothing there has to be waited for
  bool inline_;                // until something was spliced into the pipe
  std::atomic<bool> splices_;  // until it turns out not to work
  Waker waker_;
  std::atomic<std::size_t> queued_{0};
  std::atomic<std::uint64_t> written_{0};
  std::atomic<State> state_{State::kOpen};
  int error_ = 0;           // set before state_
  std::size_t unsaid_ = 0;  // written since the last wake; of the writing thread
  mutable std::mutex mutex_;
  Mark mark_;  // under mutex_
  std::condition_variable pushed_;
  std::deque<Piece> queue_;  // under mutex_; the front stays while it is written
  bool stop_ = false;        // under mutex_
  bool stopped_ = false;     // under mutex_
  std::thread thread_;
};

}  // namespace pipedup
