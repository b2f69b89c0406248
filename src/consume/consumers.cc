#include "consume/consumers.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "os/process.h"

namespace pipedup {
namespace {

// A single consumer holds the journal's tail itself (KeepFrom). Little is kept behind it, so
// that the same few pages are used again and again.
constexpr std::uint64_t kBehindOne = 4 * 1024 * 1024;
// What a consumer may leave unread in its pipe, for the one that is started after it.

}  // namespace

JournalOptions Consumers::MakeJournalOptions(std::size_t consumers) {
  JournalOptions made;
  made.session = RandomId();
  made.records = RecordFormat::kRaw;
  made.retain_bytes = consumers == 1 ? kBehindOne : kHoldBytes;
  made.checksum = false;  // they were checked when they came
  made.splice_out = true;
  made.wall_clock = WallNow;
  made.warn = [this](const std::string& text) { events_.OnJournalWarning(text); };
  if (auto directory =
          JournalDirectory::Create(RuntimeDirectories(), "sub-" + RandomHex(8), made.warn)) {
    directory_.emplace(std::move(*directory));
    made.directory = directory_->path();
  }
  return made;
}

Consumers::Consumers(EventLoop& loop, ConsumersOptions options, ConsumersEvents& events)
    : loop_(loop),
      events_(events),
      notes_(options.notes),
      journal_(MakeJournalOptions(options.commands.size())) {
  for (ConsumersOptions::Command& command : options.commands) {
    Add({std::move(command.name), std::move(command.argv), options.restart, options.output});
  }
  for (const auto& consumer : consumers_) consumer->Start();
  quiet_ = false;
}

void Consumers::Add(ConsumerOptions options) {
  const std::string name = options.name;
  const std::size_t index = told_.size();
  told_.emplace_back();
  ConsumerEvents events;
  events.on_change = [this] { OnChange(); };
  events.on_passed = [this, name](Position at) {
    events_.OnConsumerPassed(name, journal_.head() - at);
  };
  events.on_gap = [this, index, name](Position from, Position to) {
    OnGap(index, name, from, to);
  };
  if (notes_ != nullptr) {
    events.on_write = [this](Position, Position to) { NoteTaken(to); };
    events.on_written = [this] { NoteTaken(); };
  }
  events.on_ended = [this, name](int status, std::optional<Duration> again) {
    events_.OnConsumerEnded(name, status, again);
  };
  events.on_not_started = [this](const std::string& why) { events_.OnConsumerNotStarted(why); };
  consumers_.push_back(
      std::make_unique<Consumer>(loop_, journal_, std::move(options), 0, std::move(events)));
}

// ---- in ----

void Consumers::Push(SharedBytes bytes, SessionId session, Position from, Position to) {
  quiet_ = true;
  map_.Add(bytes.size(), session, from, to);
  journal_.Append(bytes.bytes);
  journal_.PublishAll();
  for (const auto& consumer : consumers_) consumer->Pump();
  Note();
  ForgetSettled();
  quiet_ = false;
}

void Consumers::Finish() {
  quiet_ = true;
  for (const auto& consumer : consumers_) consumer->Finish();
  Note();
  quiet_ = false;
}

void Consumers::Abort() {
  quiet_ = true;
  for (const auto& consumer : consumers_) consumer->Drop();
  quiet_ = false;
}

void Consumers::Signal(int number) {
  for (const auto& consumer : consumers_) consumer->Signal(number);
}

void Consumers::OnEnded(const Ended& ended) {
  for (const auto& consumer : consumers_) {
    if (!consumer->OnEnded(ended)) continue;
    NoteTaken();  // it may have gone back
    return;
  }
}

// ---- out ----

// One that has taken everything stands at the end, whether it still runs or not.
Consumers::Span Consumers::Living() const {
  Span span{journal_.head(), 0, 0};
  for (const auto& consumer : consumers_) {
    if (!consumer->takes() && !consumer->drained()) continue;
    ++span.count;
    span.slowest = std::min(span.slowest, consumer->position());
    span.fastest = std::max(span.fastest, consumer->position());
  }
  return span;
}

// Called after every change: the marks are of those that were there before somebody left.
void Consumers::Note() {
  const Span span = Living();
  if (span.count == 0) return;
  const PositionMap::Mark now = map_.At(span.slowest);
  if (now.session != mark_.session || now.position > mark_.position) {
    mark_ = {now.session, now.position};
  }
  const Position needed = span.slowest - std::min<std::uint64_t>(span.slowest, kPipeBytes);
  journal_.KeepFrom(span.count == 1 ? needed : UINT64_MAX);
}

/// One that is alone counts also when it has left: what it did not read is for the next.
void Consumers::NoteTaken(Position writing_to) {
  if (notes_ == nullptr) return;
  LocalRange under_way{journal_.head(), writing_to};
  bool any = false;
  for (const auto& consumer : consumers_) {
    if (!consumer->takes() && !consumer->drained() && consumers_.size() > 1) continue;
    any = true;
    under_way.from = std::min(under_way.from, consumer->taken());
    under_way.to = std::max(under_way.to, consumer->taken());
  }
  if (!any) return;
  under_way = map_.Whole(under_way);
  const PositionMap::Mark at = map_.At(under_way.from);
  if (at.session == 0) return;
  WriteNote note{at.session, at.position, at.position, 0, 0};
  for (const PositionMap::Range& range : map_.Of(under_way)) {
    if (range.session == note.session) note.to = range.to;
  }
  note.bytes = note.to - note.position;
  notes_->Note(note);
}

// Of what retention has dropped only gaps are still to be told, and what may be left in pipes.
void Consumers::ForgetSettled() {
  if (journal_.tail() == settled_) return;
  settled_ = journal_.tail();
  std::vector<LocalRange> unsettled;
  for (std::size_t i = 0; i < consumers_.size(); ++i) {
    if (!consumers_[i]->takes() && !consumers_[i]->drained()) continue;
    const std::vector<LocalRange> its = consumers_[i]->Unsettled();
    const auto first = std::ranges::min(its, {}, &LocalRange::from).from;
    std::erase_if(told_[i], [first](const LocalRange& gap) { return gap.to <= first; });
    unsettled.insert(unsettled.end(), its.begin(), its.end());
  }
  if (!unsettled.empty()) map_.Keep(unsettled);
}

void Consumers::OnChange() {
  if (!open()) NoteTaken();
  if (quiet_) return;
  Note();
  events_.OnOutput();
}

void Consumers::OnGap(std::size_t index, const std::string& consumer, Position from,
                      Position to) {
  passed_bytes_ += to - from;
  // A labelled piece is lost as a whole. One in which two gaps meet counts once.
  LocalRange lost = map_.Whole({from, to});
  for (const LocalRange& gap : told_[index]) {
    if (gap.from <= lost.from) {
      lost.from = std::max(lost.from, gap.to);
    } else {
      lost.to = std::min(lost.to, gap.from);
    }
  }
  if (lost.from >= lost.to) return;
  told_[index].push_back(lost);
  for (const PositionMap::Range& range : map_.Of(lost)) {
    Gap gap;
    gap.session = range.session;
    gap.from = range.from;
    gap.to = range.to;
    gap.reason = "it fell further behind than the " + FormatSize(kHoldBytes) +
                 " that are held for slower consumers";
    lost_bytes_ += gap.bytes();
    events_.OnConsumerGap(consumer, gap);
  }
}

std::uint64_t Consumers::queued() const {
  const Span span = Living();
  return span.count == 0 ? 0 : journal_.head() - span.fastest;
}

bool Consumers::drained() const {
  const Span span = Living();
  return span.count > 0 && span.slowest == journal_.head();
}

bool Consumers::open() const {
  return Living().count > 0;
}

bool Consumers::done() const {
  return std::none_of(consumers_.begin(), consumers_.end(),
                      [](const auto& consumer) { return consumer->running(); });
}

std::uint64_t Consumers::written() const {
  std::uint64_t sum = 0;
  for (const auto& consumer : consumers_) sum += consumer->position();
  return sum - passed_bytes_;
}

int Consumers::exit_status() const {
  for (const auto& consumer : consumers_) {
    if (consumer->exit_status() != 0) return consumer->exit_status();
  }
  return 0;
}

}  // namespace pipedup
