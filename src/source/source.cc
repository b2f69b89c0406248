#include "source/source.h"

#include <utility>

#include "os/io.h"

namespace pipedup {
namespace {

// What a pipe holds at most. Under load this much is there: every look at an empty pipe, every
// block and every wake of a reader that it spares is time for the bytes themselves.
constexpr std::size_t kReadBytes = kMaxBlockBytes;
constexpr int kFinishReads = 16;  // more than any pipe holds

}  // namespace

Source::Source(EventLoop& loop, Journal& journal, int fd, Duration max_delay,
               std::function<void(int)> on_end)
    : loop_(loop),
      journal_(journal),
      fd_(fd),
      is_pipe_(IsPipe(fd)),
      max_delay_(max_delay),
      on_end_(std::move(on_end)) {
  GrowPipe(fd_);
  watch_ = loop_.OnReadable(fd_, [this] { Read(); });
}

Source::~Source() {
  if (!ended_) loop_.Remove(watch_);
  loop_.Cancel(delay_);
}

void Source::Pause() {
  if (!ended_) loop_.SetEnabled(watch_, false);
}

void Source::Resume() {
  if (!ended_) loop_.SetEnabled(watch_, true);
}

void Source::Read() {
  // Whoever calls Synced resumes.
  if (journal_.congested()) {
    Pause();
    return;
  }
  const AppendResult result = journal_.AppendFrom(fd_, is_pipe_, kReadBytes);
  switch (result.status) {
    case AppendStatus::kAppended:
      Publish();
      break;
    case AppendStatus::kWouldBlock:
      break;
    case AppendStatus::kEnd:
      End(0);
      break;
    case AppendStatus::kFailed:
      End(result.error);
      break;
  }
}

void Source::Publish() {
  journal_.PublishFinished();
  if (journal_.unpublished() >= kReadBytes ||
      (journal_.unpublished() > 0 && max_delay_ == Duration(0))) {
    journal_.PublishAll();
  }
  if (journal_.unpublished() == 0) {
    loop_.Cancel(delay_);
    delay_ = 0;
  } else if (delay_ == 0) {
    delay_ = loop_.After(max_delay_, [this] {
      delay_ = 0;
      journal_.PublishAll();
    });
  }
}

void Source::Finish() {
  for (int i = 0; i < kFinishReads && !ended_ && IsReadable(fd_); ++i) {
    if (journal_.congested()) journal_.Settle();
    Read();
  }
  if (!ended_) End(0);
}

void Source::End(int error) {
  ended_ = true;
  loop_.Remove(watch_);
  loop_.Cancel(delay_);
  delay_ = 0;
  journal_.PublishAll();
  on_end_(error);
}

}  // namespace pipedup
