// Output to a descriptor of somebody else's, such as stdout.
#pragma once

#include "consume/output.h"
#include "consume/writer.h"
#include "net/loop.h"

namespace pipedup {

/// A writer, watched by the loop.
class DescriptorOutput final : public Output {
 public:
  /// `fd` stays the caller's; it, `loop`, `events` and `notes` (none: nullptr) outlive this.
  DescriptorOutput(EventLoop& loop, int fd, OutputEvents& events, WriteNotes* notes = nullptr);
  ~DescriptorOutput() override;

  void Push(SharedBytes bytes, SessionId session, Position from, Position to) override;
  void Finish() override {}
  void Abort() override;
  std::uint64_t queued() const override { return writer_.queued(); }
  Mark mark() const override;
  bool drained() const override { return open() && writer_.queued() == 0; }
  bool open() const override {
    return !reader_left_ && writer_.state() == Writer::State::kOpen;
  }
  bool done() const override { return aborted_ || !open() || writer_.queued() == 0; }
  int exit_status() const override;
  std::string error() const override;
  std::uint64_t written() const override { return writer_.written(); }
  std::uint64_t abandoned() const override;

 private:
  EventLoop& loop_;
  const int fd_;
  Writer writer_;
  EventLoop::WatchId waker_;
  EventLoop::WatchId hang_up_ = 0;
  bool labelled_ = false;     // pieces hold more than the stream's bytes
  bool reader_left_ = false;  // noticed while there was nothing to write
  bool aborted_ = false;
};

}  // namespace pipedup
