#include "consume/writer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "os/file.h"
#include "os/io.h"
#include "os/signals.h"

namespace pipedup {
namespace {

constexpr std::size_t kBatch = 64;  // pieces in one writev
constexpr std::size_t kBatchBytes = 256 * 1024;
// A pipe holds as many pieces of files as it has pages, however short: short ones are copied.
constexpr std::size_t kFewestSpliced = 16 * 1024;
constexpr std::size_t kPieceOverhead = 256;  // of the message and of its place in the queue

}  // namespace

Writer::Writer(int fd, std::size_t wake_bytes, WriteNotes* notes)
    : fd_(fd),
      wake_bytes_(wake_bytes),
      notes_(notes),
      to_file_(IdentifyFile(fd).has_value()),
      inline_(CanWriteNow(fd)),
      splices_(IsPipe(fd)),
      thread_([this] { Run(); }) {}

Writer::~Writer() {
  Abort();
}

void Writer::Push(SharedBytes bytes, SessionId session, Position from, Position to) {
  if (state() != State::kOpen) return;
  std::unique_lock lock(mutex_);
  Piece piece{std::move(bytes), session, from, to};
  if (queue_.empty() && (inline_ || CanSplice(piece.bytes))) {
    std::size_t done = 0;
    const bool all = WriteInline(piece, &done);
    if (state() != State::kOpen) return;
    if (all) {
      mark_ = {session, to, 0};
      return;
    }
    mark_.partial = done;
    piece.bytes = piece.bytes.Part(done);
    piece.written = done;
  }
  queued_.fetch_add(piece.bytes.size() + kPieceOverhead, std::memory_order_relaxed);
  queue_.push_back(std::move(piece));
  if (queue_.size() == 1) pushed_.notify_one();
}

Writer::Mark Writer::mark() const {
  const std::lock_guard lock(mutex_);
  return mark_;
}

// The mutex is held, and the queue is empty: the thread waits.
bool Writer::WriteInline(const Piece& piece, std::size_t* done) {
  while (*done < piece.bytes.size()) {
    const IoResult result =
        notes_ == nullptr ? MoveNow(piece.bytes.Part(*done)) : MoveNoted(piece, *done);
    *done += result.count;
    written_.fetch_add(result.count, std::memory_order_relaxed);
    if (result.status == IoStatus::kWouldBlock) return false;
    if (result.status != IoStatus::kOk) {
      Finish(result.status == IoStatus::kClosed ? State::kClosed : State::kFailed,
             result.error);
      return false;
    }
  }
  return true;
}

bool Writer::CanSplice(const SharedBytes& bytes) const {
  return bytes.file >= 0 && splices_.load(std::memory_order_relaxed);
}

bool Writer::IsWorthSplicing(const SharedBytes& bytes) const {
  return CanSplice(bytes) && bytes.size() >= kFewestSpliced;
}

IoResult Writer::MoveNow(const SharedBytes& bytes) {
  if (CanSplice(bytes)) {
    const IoResult result = SpliceFromFile(bytes.file, bytes.offset, fd_, bytes.size());
    if (result.status != IoStatus::kFailed) return result;
    splices_.store(false, std::memory_order_relaxed);
  }
  if (!inline_) return {IoStatus::kWouldBlock, 0, 0};
  const IoResult result = WriteNow(fd_, bytes.bytes);
  if (result.status != IoStatus::kFailed || !IsUnsupported(result.error)) return result;
  inline_ = false;
  return {IoStatus::kWouldBlock, 0, 0};
}

// The thread's way, which may wait.
IoResult Writer::MoveFront(const SharedBytes& bytes) {
  if (IsWorthSplicing(bytes)) {
    const IoResult result = SpliceFromFileWaiting(bytes.file, bytes.offset, fd_, bytes.size());
    if (result.status != IoStatus::kFailed) return result;
    splices_.store(false, std::memory_order_relaxed);
  }
  return WriteAll(fd_, bytes.bytes);
}

void Writer::Finish(State state, int error) {
  error_ = error;
  state_.store(state, std::memory_order_release);
  waker_.Wake();
}

void Writer::Count(std::size_t bytes) {
  written_.fetch_add(bytes, std::memory_order_relaxed);
  queued_.fetch_sub(bytes, std::memory_order_relaxed);
  unsaid_ += bytes;
}

// ---- with notes ----

/// Moves some of what is left of `piece`, `done` bytes into that, and notes it. Does not wait.
IoResult Writer::MoveNoted(const Piece& piece, std::size_t done) {
  const SharedBytes part = piece.bytes.Part(done, kMostNotedBytes);
  const std::size_t before = piece.written + done;
  if (piece.labelled()) {
    notes_->Note(
        {piece.session, piece.from, piece.to, before + piece.bytes.size() - done, before});
  } else {
    const Position from = piece.from + before;
    notes_->Note({piece.session, from, from + part.size(), part.size(), 0});
  }
  IoResult result = MoveNow(part);
  if (result.status == IoStatus::kWouldBlock && !inline_) result = WriteReady(fd_, part.bytes);
  NoteReached(piece, before + result.count);
  return result;
}

/// So much of `piece` was written, all told. With labels, a part of it stays under way.
void Writer::NoteReached(const Piece& piece, std::size_t written) {
  const std::size_t all = piece.written + piece.bytes.size();
  if (!piece.labelled()) {
    const Position reached = piece.from + written;
    notes_->Note({piece.session, reached, reached, 0, 0});
  } else if (written == all) {
    notes_->Note({piece.session, piece.to, piece.to, 0, 0});
  } else if (written == 0) {
    notes_->Note({piece.session, piece.from, piece.from, 0, 0});
  } else {
    notes_->Note({piece.session, piece.from, piece.to, all, written});
  }
}

// The thread's way with notes. A pipe is waited for before a write and not in it, so that a
// write is either made or not, but for the moment that it takes. Several pieces go into a file
// at a time.
IoResult Writer::WriteNoted(std::unique_lock<std::mutex>& lock) {
  if (!to_file_) {
    const Piece piece = queue_.front();
    lock.unlock();
    const IoResult result = MoveNoted(piece, 0);
    Count(result.count);
    lock.lock();
    return result;
  }
  std::array<ByteSpan, kBatch> parts;
  std::size_t count = 0;
  const Piece first = queue_.front();
  Position reached = first.from + (first.labelled() ? 0 : first.written);
  WriteNote note{first.session, reached, reached, 0, first.labelled() ? first.written : 0};
  note.bytes = note.written;
  while (count < std::min(kBatch, queue_.size()) && note.bytes < kBatchBytes) {
    const Piece& piece = queue_[count];
    if (count > 0 && (piece.session != note.session || piece.from != note.to)) break;
    parts[count++] = piece.bytes.bytes;
    note.bytes += piece.bytes.size();
    note.to = piece.to;
  }
  lock.unlock();
  notes_->Note(note);
  const IoResult result = WriteSome(fd_, std::span(parts).first(count));
  Count(result.count);
  lock.lock();
  // Noted before the pieces go: from then on it may be the other thread that writes.
  std::size_t left = result.count;
  auto piece = queue_.cbegin();
  while (count > 1 && left >= piece->bytes.size()) {
    left -= piece->bytes.size();
    if (--count == 0) break;
    ++piece;
  }
  NoteReached(*piece, piece->written + left);
  return result;
}

// ---- the thread ----

IoResult Writer::WriteFront(std::unique_lock<std::mutex>& lock) {
  std::array<ByteSpan, kBatch> parts;
  std::size_t count = 0;
  std::size_t bytes = 0;
  const SharedBytes front = queue_.front().bytes;
  while (count < std::min(kBatch, queue_.size()) && (count == 0 || bytes < kBatchBytes)) {
    if (count > 0 && IsWorthSplicing(queue_[count].bytes)) break;
    parts[count] = queue_[count].bytes.bytes;
    bytes += parts[count].size();
    ++count;
  }
  lock.unlock();
  // The pieces stay where they are: a deque's elements do not move when others are pushed.
  const IoResult result = count == 1 || IsWorthSplicing(front)
                              ? MoveFront(front)
                              : WriteSome(fd_, std::span(parts).first(count));
  Count(result.count);
  lock.lock();
  return result;
}

/// What was written in full leaves the queue. The mutex is held.
std::deque<Writer::Piece> Writer::PopWritten(std::size_t bytes) {
  std::deque<Piece> finished;
  while (!queue_.empty() && bytes >= queue_.front().bytes.size()) {
    bytes -= queue_.front().bytes.size();
    mark_ = {queue_.front().session, queue_.front().to, 0};
    queued_.fetch_sub(kPieceOverhead, std::memory_order_relaxed);
    finished.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  if (bytes > 0) {
    queue_.front().bytes = queue_.front().bytes.Part(bytes);
    queue_.front().written += bytes;
    mark_.partial += bytes;
  }
  return finished;
}

void Writer::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    pushed_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) break;
    const IoResult result = notes_ == nullptr ? WriteFront(lock) : WriteNoted(lock);
    std::deque<Piece> finished = PopWritten(result.count);
    const bool drained = queue_.empty();
    lock.unlock();
    finished.clear();  // their memory is freed without the lock
    if (drained || unsaid_ >= wake_bytes_) {
      unsaid_ = 0;
      waker_.Wake();
    }
    if (result.status != IoStatus::kOk && result.status != IoStatus::kInterrupted &&
        result.status != IoStatus::kWouldBlock) {
      Finish(result.status == IoStatus::kClosed ? State::kClosed : State::kFailed,
             result.error);
      lock.lock();
      break;
    }
    if (result.status == IoStatus::kWouldBlock)
      WaitWritable(fd_);  // somebody set O_NONBLOCK on it, or nothing waits in a write
    lock.lock();
  }
  stopped_ = true;
}

void Writer::Abort() {
  if (!thread_.joinable()) return;
  {
    std::unique_lock lock(mutex_);
    stop_ = true;
    pushed_.notify_one();
    while (!stopped_) {
      InterruptThread(thread_);
      lock.unlock();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      lock.lock();
    }
  }
  thread_.join();
}

}  // namespace pipedup
