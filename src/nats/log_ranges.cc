#include "nats/log_ranges.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/overloaded.h"

namespace pipedup::nats {
namespace {

constexpr auto kRangeTickEvery = std::chrono::milliseconds(200);
constexpr auto kHope = std::chrono::seconds(20);
constexpr auto kLittleHope = std::chrono::seconds(2);

}  // namespace

LogRanges::LogRanges(EventLoop& loop, LogOptions log, SessionId session,
                     RangeReaderEvents& events)
    : loop_(loop), log_(std::move(log)), session_(session), events_(events) {
  watch_ = loop_.OnReadable(waker_.fd(), [this] {
    waker_.Clear();
    OnResults();
  });
  tick_ = loop_.Every(kRangeTickEvery, [this] { Tick(); });
}

LogRanges::~LogRanges() {
  loop_.Cancel(tick_);
  loop_.Remove(watch_);
}

bool LogRanges::Ask(std::uint64_t ticket, const control::ReadFrom& from, std::uint64_t max) {
  if (questions_.size() >= control::kMaxReadsOutstanding) return false;
  Question question;
  question.ticket = ticket;
  question.read.request = ++last_request_;
  question.read.session = session_;
  question.read.from = from;
  question.read.max = max;
  question.since = loop_.now();
  questions_.push_back(question);
  if (!reader_) {
    reader_.emplace(log_, [this] { waker_.Wake(); });
    reader_->Tell(LogReader::Hello{});
  } else if (welcome_) {
    reader_->Tell(question.read);
  }
  return true;
}

void LogRanges::OnResults() {
  for (int i = 0; reader_; ++i) {
    if (i == kResultsPerCall) {
      waker_.Wake();
      return;
    }
    const auto result = reader_->Take();
    if (!result) return;
    OnResult(*result);
  }
}

void LogRanges::OnResult(const LogReader::Result& result) {
  std::visit(Overloaded{
                 [this](const control::Welcome& welcome) {
                   if (welcome.session != session_) {
                     again_ = true;
                     return;
                   }
                   welcome_ = true;
                   for (const Question& question : questions_) reader_->Tell(question.read);
                 },
                 [this](const LogReader::Block& block) { OnBlock(block); },
                 [this](const control::Done& done) { OnDone(done); },
                 [](const LogReader::Damage&) {},  // the answer says what is missing
                 [this](const auto&) { again_ = true; },
             },
             result);
}

void LogRanges::OnBlock(const LogReader::Block& block) {
  if (questions_.empty() || block.header.kind != BlockKind::kData) return;
  Question& question = questions_.front();
  control::Read& read = question.read;
  const bool placed = read.from.kind == control::ReadFrom::Kind::kPosition;
  const Position begin = placed ? read.from.value : block.header.position;
  read.max -= std::min(read.max, block.header.end() - begin);
  read.from = {control::ReadFrom::Kind::kPosition, block.header.end()};
  question.since = loop_.now();
  given_up_ = false;
  events_.OnRangeBlock(question.ticket, block.header, block.bytes);
}

void LogRanges::OnDone(const control::Done& done) {
  if (questions_.empty() || done.request != questions_.front().read.request) return;
  if (done.outcome == control::Done::Outcome::kWrongSession) {
    again_ = true;
    return;
  }
  const std::uint64_t ticket = questions_.front().ticket;
  questions_.pop_front();
  if (!questions_.empty()) questions_.front().since = loop_.now();
  given_up_ = false;
  events_.OnRangeDone(ticket, &done);
}

// Under new numbers, so that no answer is taken for another one's.
void LogRanges::AskAgain() {
  again_ = welcome_ = false;
  for (Question& question : questions_) question.read.request = ++last_request_;
  reader_->Reset();
  reader_->Tell(LogReader::Hello{});
}

void LogRanges::Tick() {
  if (questions_.empty()) return;
  const Duration limit = expects_end_ || given_up_ ? Duration(kLittleHope) : Duration(kHope);
  if (loop_.now() - questions_.front().since >= limit) {
    given_up_ = true;
    again_ = true;
    for (const Question& question : std::exchange(questions_, {})) {
      events_.OnRangeDone(question.ticket, nullptr);
    }
  }
  if (again_) AskAgain();
}

}  // namespace pipedup::nats
