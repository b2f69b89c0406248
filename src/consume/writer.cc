#include "consume/writer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

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

Writer::Writer(int fd, std::size_t wake_bytes)
    : fd_(fd),
      wake_bytes_(wake_bytes),
      inline_(CanWriteNow(fd)),
      splices_(IsPipe(fd)),
      thread_([this] { Run(); }) {}

Writer::~Writer() {
  Abort();
}

void Writer::Push(SharedBytes bytes, SessionId session, Position end) {
  if (state() != State::kOpen) return;
  std::unique_lock lock(mutex_);
  if (queue_.empty() && (inline_ || CanSplice(bytes))) {
    std::size_t done = 0;
    const bool all = WriteInline(bytes, &done);
    if (state() != State::kOpen) return;
    if (all) {
      mark_ = {session, end, 0};
      return;
    }
    mark_.partial = done;
    bytes = bytes.Part(done);
  }
  queued_.fetch_add(bytes.size() + kPieceOverhead, std::memory_order_relaxed);
  queue_.push_back({std::move(bytes), session, end});
  if (queue_.size() == 1) pushed_.notify_one();
}

Writer::Mark Writer::mark() const {
  const std::lock_guard lock(mutex_);
  return mark_;
}

// The mutex is held, and the queue is empty: the thread waits.
bool Writer::WriteInline(const SharedBytes& bytes, std::size_t* done) {
  while (*done < bytes.size()) {
    const IoResult result = MoveNow(bytes.Part(*done));
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

void Writer::Run() {
  std::array<ByteSpan, kBatch> parts;
  std::unique_lock lock(mutex_);
  while (true) {
    pushed_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) break;
    std::size_t count = 0;
    std::size_t bytes = 0;
    SharedBytes front = queue_.front().bytes;
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
    std::deque<Piece> finished;  // their memory is freed without the lock
    lock.lock();
    std::size_t left = result.count;
    while (!queue_.empty() && left >= queue_.front().bytes.size()) {
      left -= queue_.front().bytes.size();
      mark_ = {queue_.front().session, queue_.front().end, 0};
      queued_.fetch_sub(kPieceOverhead, std::memory_order_relaxed);
      finished.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    if (left > 0) {
      queue_.front().bytes = queue_.front().bytes.Part(left);
      mark_.partial += left;
    }
    const bool drained = queue_.empty();
    lock.unlock();
    finished.clear();
    front = {};
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
      WaitWritable(fd_);  // somebody set O_NONBLOCK on it
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
