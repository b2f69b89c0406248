#include "consume/descriptor.h"

#include <utility>

#include "base/error.h"
#include "os/io.h"

namespace pipedup {
namespace {

constexpr std::size_t kWakeBytes = 1024 * 1024;  // between looks at the pace

}  // namespace

DescriptorOutput::DescriptorOutput(EventLoop& loop, int fd, OutputEvents& events,
                                   WriteNotes* notes)
    : loop_(loop), fd_(fd), writer_(fd, kWakeBytes, notes) {
  GrowPipe(fd);
  waker_ = loop_.OnReadable(writer_.waker().fd(), [this, &events] {
    writer_.waker().Clear();
    events.OnOutput();
  });
  if (IsPipe(fd)) {
    hang_up_ = loop_.OnHangUp(fd, [this, &events] {
      reader_left_ = true;
      events.OnOutput();
    });
  }
}

DescriptorOutput::~DescriptorOutput() {
  loop_.Remove(waker_);
  if (hang_up_ != 0) loop_.Remove(hang_up_);
}

void DescriptorOutput::Push(SharedBytes bytes, SessionId session, Position from, Position to) {
  if (bytes.size() != to - from) labelled_ = true;
  writer_.Push(std::move(bytes), session, from, to);
}

void DescriptorOutput::Abort() {
  aborted_ = true;
  writer_.Abort();
}

Output::Mark DescriptorOutput::mark() const {
  const Writer::Mark mark = writer_.mark();
  // With labels a part of a piece says nothing about positions.
  return {mark.session, mark.position + (labelled_ ? 0 : mark.partial)};
}

std::uint64_t DescriptorOutput::abandoned() const {
  return labelled_ ? 0 : AbandonedBytes(fd_);
}

int DescriptorOutput::exit_status() const {
  if (writer_.state() == Writer::State::kFailed) return kExitFailure;
  return open() ? kExitOk : kExitBrokenPipe;
}

std::string DescriptorOutput::error() const {
  return writer_.state() == Writer::State::kFailed ? ErrnoText(writer_.error()) : "";
}

}  // namespace pipedup
