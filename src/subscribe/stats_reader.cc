#include "subscribe/stats_reader.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "subscribe/stream_list.h"

namespace pipedup {
namespace {

constexpr auto kStatsTickEvery = std::chrono::milliseconds(50);
// A stranger may ask 50 times at once and 25 times a second.
constexpr auto kPace = std::chrono::milliseconds(50);
constexpr int kAtOnce = 40;
constexpr std::size_t kMostStreams = 10'000;

}  // namespace

StatsReader::StatsReader(Context& context, EventLoop& loop, StatsReaderOptions options,
                         OnRound on_round)
    : loop_(loop),
      options_(std::move(options)),
      on_round_(std::move(on_round)),
      link_(context, loop, options_.endpoint,
            [this](const control::Message& answer) { OnAnswer(answer); }) {
  BeginRound();
  tick_ = loop_.Every(kStatsTickEvery, [this] { Tick(); });
}

StatsReader::~StatsReader() {
  for (const EventLoop::TimerId timer : {tick_, next_ask_, next_round_}) loop_.Cancel(timer);
}

// ---- questions ----

void StatsReader::BeginRound() {
  next_round_ = 0;
  round_began_ = loop_.now();
  to_ask_.clear();
  answered_.clear();
  asked_streams_ = 0;
  listed_to_.clear();
  listed_ = 0;
  Ask(control::List{});
}

/// At once, or when that is no longer too often.
void StatsReader::Ask(const control::Message& question) {
  question_ = question;
  loop_.Cancel(next_ask_);
  const Duration early = paced_until_ - (kAtOnce - 1) * kPace - loop_.now();
  if (early <= Duration(0)) return AskNow();
  next_ask_ = loop_.After(early, [this] { AskNow(); });
}

void StatsReader::AskNow() {
  next_ask_ = 0;
  paced_until_ = std::max(paced_until_, loop_.now()) + kPace;
  asked_ = loop_.now();
  if (!std::exchange(waiting_, true)) silent_since_ = asked_;
  link_.Ask(question_);
}

bool StatsReader::away() const {
  return waiting_ && loop_.now() - silent_since_ > options_.timeout;
}

void StatsReader::Tick() {
  // A name may be of the other family: both are tried in the time that one endpoint has.
  const Duration patience =
      link_.endpoint().IsName() && !link_.heard() ? options_.timeout / 2 : options_.timeout;
  if (!waiting_ || next_ask_ != 0 || loop_.now() - asked_ <= patience) return;
  link_.Remake();
  BeginRound();
}

// ---- answers ----

void StatsReader::OnAnswer(const control::Message& answer) {
  if (!waiting_) return;  // to a question that was given up
  if (const auto* const streams = std::get_if<control::Streams>(&answer)) OnStreams(*streams);
  if (const auto* const stats = std::get_if<control::Stats>(&answer)) OnStats(*stats);
  if (const auto* const error = std::get_if<control::Error>(&answer)) OnError(*error);
}

void StatsReader::OnStreams(const control::Streams& streams) {
  if (!std::holds_alternative<control::List>(question_)) return;
  waiting_ = false;
  listed_ += streams.streams.size();
  for (const control::ListedStream& one : streams.streams) {
    if (MatchesPattern(options_.streams, one.stream)) to_ask_.push_back(one);
  }
  // A list that gets nowhere, or to no end, is no reason to ask for ever.
  const bool further = !streams.streams.empty() && streams.streams.back().stream > listed_to_;
  if (!streams.more || !further || listed_ >= kMostStreams) return AskNext();
  listed_to_ = streams.streams.back().stream;
  Ask(control::List{listed_to_});
}

void StatsReader::OnStats(const control::Stats& stats) {
  if (!std::holds_alternative<control::StatsRequest>(question_)) return;
  waiting_ = false;
  // One that does not know `stream` in the question tells of another one.
  const bool is_asked =
      asked_streams_ == 0 || to_ask_[asked_streams_ - 1].stream == stats.stream;
  if (is_asked && MatchesPattern(options_.streams, stats.stream)) {
    const bool ended = asked_streams_ > 0 && to_ask_[asked_streams_ - 1].ended;
    answered_.push_back({stats, ended});
  }
  AskNext();
}

void StatsReader::OnError(const control::Error& error) {
  waiting_ = false;
  const bool of_list = std::holds_alternative<control::List>(question_);
  if (of_list && error.code == "unknown-op") return Ask(control::StatsRequest{});
  if (!of_list && error.code == "unknown-stream") return AskNext();  // it has just gone
  refused_ = error.reason.empty() ? error.code : error.code + ": " + error.reason;
  EndRound();
}

void StatsReader::AskNext() {
  if (asked_streams_ < to_ask_.size()) {
    return Ask(control::StatsRequest{to_ask_[asked_streams_++].stream});
  }
  refused_.clear();
  streams_ = std::move(answered_);
  ++rounds_;
  EndRound();
  on_round_();
}

void StatsReader::EndRound() {
  const Duration left = round_began_ + options_.interval - loop_.now();
  next_round_ = loop_.After(std::max(left, Duration(0)), [this] { BeginRound(); });
}

}  // namespace pipedup
