#include "http/body.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace pipedup::http {
namespace {

constexpr auto kKeepAlive = std::chrono::seconds(15);  // proxies cut off what is silent for 60
// Of the stream, for one step of a response. An event for each of them, if they are empty
// lines, is 60 bytes, and a reader that stops keeps them waiting here.
constexpr std::size_t kStepBytes = 1024;
constexpr auto kRetryLine = "retry: 1000\n\n";
constexpr auto kPassed = "retention passed";
constexpr auto kTooLate = "the session is over and gone";

}  // namespace

Body::Body(std::shared_ptr<Stream> stream, Position position)
    : stream_(std::move(stream)), place_(position) {
  stream_->counters().readers.fetch_add(1);
  const Position head = stream_->view().head();
  if (stream_->readers().Add(&place_) || position >= head) return;
  stream_->counters().cut_off.fetch_add(1);
  stream_->counters().cut_off_bytes.fetch_add(head - position);
}

Body::~Body() {
  stream_->readers().Remove(&place_);
  stream_->counters().readers.fetch_sub(1);
}

bool Body::stands_at_more() const {
  return must_end() || place_.at() < stream_->view().head() ||
         stream_->state() != Stream::State::kOpen;
}

Body::Step Body::Next(std::size_t max) {
  if (must_end()) return {Outcome::kBroken, {}, 0};
  const Stream::State state =
      stream_->state();  // before the look at the head, which is final then
  const Position at = place_.at();
  ViewReader::Found found = stream_->reader().Read(at, max);
  if (found.gap_to && place_.Move(*found.gap_to)) {
    stream_->counters().gap_bytes.fetch_add(*found.gap_to - at);
    stream_->counters().gaps.fetch_add(1);  // the last: the loop says what it finds counted
    return {Outcome::kBytes, {}, *found.gap_to};
  }
  if (found.bytes.size() > 0 && place_.Move(at + found.bytes.size())) {
    return {Outcome::kBytes, std::move(found.bytes), 0};
  }
  if (place_.cut_off()) return CutOff();
  if (found.out_of_reach) {  // it may come back, when there are descriptors again
    stream_->counters().out_of_reach.fetch_add(1);
    Abandon();  // once
    return {Outcome::kBroken, {}, 0};
  }
  if (state == Stream::State::kOpen) return {Outcome::kWait, {}, 0};
  const bool has_all = state == Stream::State::kEnded && at >= stream_->view().head();
  return {has_all ? Outcome::kEnd : Outcome::kBroken, {}, 0};
}

/// Counted and said it was in the loop, but the reader has to know as well. What goes on in
/// another process is no gap: it may be read there.
Body::Step Body::CutOff() {
  const Position head = stream_->view().head();
  if (stream_->retired() && place_.at() < head) {
    place_.Skip(head);
    return {Outcome::kBytes, {}, head};
  }
  const bool has_all = stream_->state() == Stream::State::kEnded && place_.at() >= head;
  return {has_all ? Outcome::kEnd : Outcome::kBroken, {}, 0};
}

// ---- bytes ----

Body::Outcome BytesBody::Fill(std::span<char> into, std::size_t* count, TimePoint /*now*/) {
  const Step step = Next(into.size());
  *count = step.bytes.size();
  if (step.gap_to != 0) return Outcome::kBroken;
  if (*count > 0) std::memcpy(into.data(), step.bytes.bytes.data(), *count);
  CountSent(*count);
  return step.outcome;
}

// ---- events ----

EventsBody::EventsBody(std::shared_ptr<Stream> stream, Position position,
                       const std::vector<Missed>& missed)
    : Body(std::move(stream), position),
      writer_(this->stream().view().session(), this->stream().view().records_format(),
              position),
      out_(kRetryLine),
      keep_alive_at_(Clock::now() + kKeepAlive) {
  for (const Missed& each : missed) EventWriter::OfAnotherSession(each, &out_);
  const JournalView& view = this->stream().view();
  writer_.Session(this->stream().name(), view.tail(), view.head(), &out_);
}

/// More of out_, of which everything has been sent.
Body::Outcome EventsBody::More(TimePoint now) {
  out_.clear();
  sent_ = 0;
  if (ended_) return Outcome::kEnd;
  const Step step = Next(kStepBytes);
  switch (step.outcome) {
    case Outcome::kBytes:
      if (step.gap_to != 0) {
        writer_.Gap(step.gap_to, was_cut_off() ? kTooLate : kPassed, &out_);
      }
      writer_.Write(step.bytes.bytes, &out_);
      return Outcome::kBytes;  // if only of an unfinished record, and nothing to be sent yet
    case Outcome::kWait:
      if (now < keep_alive_at_) return Outcome::kWait;
      EventWriter::KeepAlive(&out_);
      keep_alive_at_ = now + kKeepAlive;
      return Outcome::kBytes;
    case Outcome::kEnd:
      writer_.Flush(&out_);
      writer_.End(stream().status(), &out_);
      ended_ = true;
      return Outcome::kBytes;
    case Outcome::kBroken:
      // The rest of an unfinished record never comes where the session is over.
      if (stream().retired()) writer_.Flush(&out_);
      return out_.empty() ? Outcome::kBroken : Outcome::kBytes;
  }
  return Outcome::kBroken;
}

Body::Outcome EventsBody::Fill(std::span<char> into, std::size_t* count, TimePoint now) {
  *count = 0;
  Outcome outcome = Outcome::kBytes;
  while (*count < into.size()) {
    if (sent_ == out_.size()) outcome = More(now);
    if (outcome != Outcome::kBytes) break;
    const std::size_t part = std::min(out_.size() - sent_, into.size() - *count);
    std::memcpy(into.data() + *count, out_.data() + sent_, part);
    sent_ += part;
    *count += part;
  }
  if (*count == 0) return outcome;
  CountSent(*count);
  keep_alive_at_ = now + kKeepAlive;
  return Outcome::kBytes;
}

}  // namespace pipedup::http
