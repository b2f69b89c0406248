#include "consume/feed.h"

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "consume/write_notes.h"
#include "os/io.h"

namespace pipedup {
namespace {

constexpr std::size_t kPerCall = 1024 * 1024;
// A splice takes a whole page of the pipe's room for every piece of a page, and a write joins
// them: lines would fill the pipe long before its bytes do, and copying them costs less.
constexpr std::size_t kSpliceFrom = 16 * 1024;

}  // namespace

Feed::Feed(EventLoop& loop, const Journal& journal, UniqueFd pipe, Position from,
           FeedEvents events)
    : loop_(loop),
      journal_(journal),
      pipe_(std::move(pipe)),
      position_(from),
      passed_at_(from),
      events_(std::move(events)) {
  SetNonBlocking(pipe_.get());
  writable_ = loop_.OnWritable(pipe_.get(), [this] {
    full_ = false;
    Pump();
  });
  loop_.SetEnabled(writable_, false);
  // Else a reader that leaves an idle stream is noticed with the next byte only.
  hang_up_ = loop_.OnHangUp(pipe_.get(), [this] {
    Close();
    if (const auto tell = std::move(events_.on_closed)) tell();
  });
}

Feed::~Feed() {
  Close();
}

void Feed::Close() {
  if (!pipe_) return;
  loop_.Remove(writable_);
  loop_.Remove(hang_up_);
  abandoned_ = abandoned();
  pipe_.Reset();
  TellGap();
}

std::uint64_t Feed::abandoned() const {
  return pipe_ ? AbandonedBytes(pipe_.get()) : abandoned_;
}

void Feed::Finish() {
  finishing_ = true;
  Pump();
}

void Feed::Pump() {
  if (!pipe_) return;
  const Position before = position_;
  LetPass();
  const Position first = position_;
  while (!full_ && position_ < journal_.head() && position_ - first < kPerCall) {
    const Outcome outcome = Move(events_.on_write ? kMostNotedBytes : kPerCall);
    if (outcome == Outcome::kOver) return;
    if (outcome == Outcome::kFull) full_ = true;
  }
  const bool drained = finishing_ && position_ >= journal_.head();
  loop_.SetEnabled(writable_, position_ < journal_.head());
  if (position_ != before && events_.on_progress) events_.on_progress();
  if (!drained) return;
  Close();
  if (const auto tell = std::move(events_.on_drained)) tell();
}

void Feed::LetPass() {
  if (position_ >= journal_.tail()) return;
  const bool begins = passed_at_ == position_;
  position_ = journal_.tail();
  if (begins && events_.on_passed) events_.on_passed(passed_at_);
}

void Feed::TellGap() {
  const Position from = std::exchange(passed_at_, position_);
  if (from != position_ && events_.on_gap) events_.on_gap(from, position_);
}

void Feed::Advance(std::size_t bytes) {
  if (bytes == 0) return;
  TellGap();
  position_ += bytes;
  passed_at_ = position_;
}

Feed::Outcome Feed::Move(std::size_t max) {
  const std::optional<SharedBytes> piece = journal_.Peek(position_, max);
  if (!piece) return Outcome::kFull;
  const ByteSpan bytes = piece->bytes;
  if (events_.on_write) events_.on_write(position_, position_ + bytes.size());
  IoResult result;
  const bool splice = splice_works_ && piece->file >= 0 && bytes.size() >= kSpliceFrom;
  if (splice) {
    result = SpliceFromFile(piece->file, piece->offset, pipe_.get(), bytes.size());
    if (result.status == IoStatus::kFailed || result.status == IoStatus::kEnd) {
      splice_works_ = false;
      return Outcome::kMoved;
    }
  } else {
    result = WriteSome(pipe_.get(), std::array{bytes});
  }
  Advance(result.count);
  if (events_.on_written) events_.on_written();
  switch (result.status) {
    case IoStatus::kOk:
    case IoStatus::kInterrupted:
      return Outcome::kMoved;
    case IoStatus::kWouldBlock:
      return Outcome::kFull;
    case IoStatus::kClosed: {
      Close();
      if (const auto tell = std::move(events_.on_closed)) tell();
      return Outcome::kOver;
    }
    default: {
      Close();
      if (const auto tell = std::move(events_.on_failed)) tell(result.error);
      return Outcome::kOver;
    }
  }
}

}  // namespace pipedup
