#include "consume/consumer.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "os/io.h"

namespace pipedup {
Consumer::Consumer(EventLoop& loop, const Journal& journal, ConsumerOptions options,
                   Position from, ConsumerEvents events)
    : loop_(loop),
      journal_(journal),
      options_(std::move(options)),
      events_(std::move(events)),
      rule_(options_.restart),
      position_(from) {}

Consumer::~Consumer() {
  loop_.Cancel(restart_timer_);
}

void Consumer::Change() const {
  if (events_.on_change) events_.on_change();
}

void Consumer::Start() {
  auto [read_end, write_end] = MakePipe();
  GrowPipe(write_end.get());
  child_ = StartChild(options_.argv, read_end.get(), options_.output);
  started_ = loop_.now();
  if (options_.restart != Restart::kNever) read_end_ = std::move(read_end);
  MakeFeed(std::move(write_end));
}

void Consumer::MakeFeed(UniqueFd pipe) {
  gaps_.clear();
  abandoned_ = 0;
  FeedEvents events;
  events.on_progress = [this] { Change(); };
  events.on_passed = events_.on_passed;
  events.on_write = events_.on_write;
  events.on_written = events_.on_written;
  events.on_gap = [this](Position from, Position to) { OnGap(from, to); };
  events.on_drained = [this] {
    CloseFeed();
    drained_ = true;
    Change();
  };
  events.on_closed = [this] {
    CloseFeed();
    Change();
  };
  events.on_failed = [this](int) {
    CloseFeed();  // a pipe fails in no other way than by its reader
    Change();
  };
  feed_ =
      std::make_unique<Feed>(loop_, journal_, std::move(pipe), position_, std::move(events));
  finishing_ ? feed_->Finish() : feed_->Pump();
}

void Consumer::OnGap(Position from, Position to) {
  // What the pipe has taken since an older gap has driven out what it took before that one.
  std::uint64_t taken = 0;
  Position end = from;
  for (auto gap = gaps_.end(); gap != gaps_.begin();) {
    --gap;
    taken += end - gap->to;
    end = gap->from;
    if (taken < kPipeBytes) continue;
    gaps_.erase(gaps_.begin(), std::next(gap));
    break;
  }
  gaps_.push_back({from, to});
  if (events_.on_gap) events_.on_gap(from, to);
}

std::vector<LocalRange> Consumer::Unsettled() const {
  std::vector<LocalRange> gaps = gaps_;
  const Position passed_at = feed_ ? feed_->passed_at() : position_;
  const LocalRange now{passed_at, std::max(position(), journal_.tail())};
  if (now.from < now.to) gaps.push_back(now);
  std::vector<LocalRange> ranges;
  std::uint64_t in_pipe = read_end_ ? kPipeBytes : 0;
  LocalRange range{now.to, LocalRange::kNoEnd};  // reaches back to the gap before it
  for (auto gap = gaps.rbegin(); gap != gaps.rend(); ++gap) {
    const std::uint64_t part = std::min(in_pipe, range.from - gap->to);
    in_pipe -= part;
    ranges.push_back({range.from - part, range.to});
    range = {gap->from, gap->from + 1};
  }
  ranges.push_back({range.from - std::min(in_pipe, range.from), range.to});
  return ranges;
}

void Consumer::CloseFeed() {
  if (!feed_) return;
  position_ = feed_->position();
  // Those that a next one is given are taken out of the pipe instead: see TakeUnread.
  abandoned_ = read_end_ ? 0 : feed_->abandoned();
  feed_.reset();
}

Position Consumer::taken() const {
  if (feed_) return feed_->passed_at();
  const Position since = gaps_.empty() ? 0 : gaps_.back().to;
  return position_ - std::min(abandoned_, position_ - since);
}

void Consumer::Pump() {
  if (feed_) feed_->Pump();
}

void Consumer::Finish() {
  finishing_ = true;
  if (feed_) feed_->Finish();
}

void Consumer::Drop() {
  dropped_ = true;
  loop_.Cancel(restart_timer_);
  restart_timer_ = 0;
  CloseFeed();
}

void Consumer::Signal(int number) const {
  if (child_) SendSignal(*child_, number);
}

bool Consumer::OnEnded(const Ended& ended) {
  if (!child_ || ended.pid != child_->pid) return false;
  child_.reset();
  CloseFeed();
  GoBack(TakeUnread());
  Over(ended.exit_status, loop_.now() - started_);
  return true;
}

void Consumer::Over(int exit_status, Duration ran) {
  exit_status_ = exit_status;
  drained_ = finishing_ && position_ >= journal_.head();
  // Nothing is left for another one to take, so it would only repeat what this one did.
  const bool no_more = drained_ || dropped_;
  const std::optional<Duration> again =
      no_more ? std::nullopt : rule_.OnEnded(exit_status, ran);
  if (again) restart_timer_ = loop_.After(*again, [this] { StartAgain(); });
  if (events_.on_ended) events_.on_ended(exit_status, again);
  Change();
}

void Consumer::StartAgain() {
  restart_timer_ = 0;
  try {
    Start();
  } catch (const Error& error) {
    if (events_.on_not_started) events_.on_not_started(error.what());
    Over(error.exit_status(), Duration(0));
  }
}

// Children of the dead one may still read from the pipe. So what is left is not counted but
// taken away from them: a byte that comes out here has been read by nobody else. There is no
// writer any more, so this ends and does not block.
std::uint64_t Consumer::TakeUnread() {
  if (!read_end_) return 0;
  std::vector<std::byte> discarded(64 * 1024);
  std::uint64_t unread = 0;
  for (IoResult result = ReadSome(read_end_.get(), discarded); result.count > 0;
       result = ReadSome(read_end_.get(), discarded)) {
    unread += result.count;
  }
  read_end_.Reset();
  return unread;
}

// Over a gap there is no way back: what was unread before it has gone with the gap's own bytes.
void Consumer::GoBack(std::uint64_t unread) {
  if (!gaps_.empty() && position_ - gaps_.back().to < unread) {
    unread -= position_ - gaps_.back().to;
    position_ = gaps_.back().to;
    for (auto gap = gaps_.rbegin(); gap != gaps_.rend() && unread > 0; ++gap) {
      const Position since = std::next(gap) == gaps_.rend() ? 0 : std::next(gap)->to;
      const std::uint64_t lost = std::min(unread, gap->from - since);
      if (lost > 0 && events_.on_gap) events_.on_gap(gap->from - lost, gap->from);
      unread -= lost;
    }
  } else {
    position_ -= unread;
  }
  gaps_.clear();
}

}  // namespace pipedup
