#include "nats/log_ranges.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "base/overloaded.h"

namespace pipedup::nats {
namespace {

constexpr auto kRangeTickEvery = std::chrono::milliseconds(200);
constexpr auto kHope = std::chrono::seconds(20);
constexpr auto kLittleHope = std::chrono::seconds(2);
constexpr auto kIdle = std::chrono::seconds(10);

bool IsPlaced(const control::Read& read) {
  return read.from.kind == control::ReadFrom::Kind::kPosition;
}

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
  if (questions_.size() + early_.size() >= control::kMaxReadsOutstanding) return false;
  Question question;
  question.ticket = ticket;
  question.read.session = session_;
  question.read.from = from;
  question.read.max = max;
  question.since = heard_ = loop_.now();
  questions_.push_back(question);
  if (!std::exchange(connected_, true)) {
    reader_.emplace(log_, [this] { waker_.Wake(); });
    reader_->Tell(LogReader::Hello{});
  } else if (welcome_ && !failed_) {
    Send(questions_.back());
  }
  return true;
}

// Under a new number, so that no answer is taken for another one's.
void LogRanges::Send(Question& question) {
  question.read.request = ++last_request_;
  reader_->Tell(question.read);
}

void LogRanges::OnResults() {
  for (int i = 0; connected_ && !failed_; ++i) {
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
                 [this](const control::Welcome& welcome) { OnWelcome(welcome); },
                 [this](const LogReader::Block& block) { OnBlock(block); },
                 [this](const control::Done& done) { OnDone(done); },
                 [](const LogReader::Damage&) {},  // the answer says what is missing
                 [this](const auto&) { failed_ = true; },
             },
             result);
}

void LogRanges::OnWelcome(const control::Welcome& welcome) {
  if (welcome.session != session_) {
    GiveUp();
    return;
  }
  welcome_ = true;
  given_up_ = false;
  for (Question& question : questions_) {
    question.since = loop_.now();
    Send(question);
  }
}

void LogRanges::OnBlock(const LogReader::Block& block) {
  if (questions_.empty() || block.header.kind != BlockKind::kData) return;
  Question& question = questions_.front();
  control::Read& read = question.read;
  const Position begin = IsPlaced(read) ? read.from.value : block.header.position;
  read.max -= std::min(read.max, block.header.end() - begin);
  read.from = {control::ReadFrom::Kind::kPosition, block.header.end()};
  question.any = true;
  question.since = loop_.now();
  events_.OnRangeBlock(question.ticket, block.header, block.bytes);
}

void LogRanges::OnDone(const control::Done& done) {
  if (questions_.empty() || done.request != questions_.front().read.request) return;
  Question& question = questions_.front();
  if (done.outcome == control::Done::Outcome::kWrongSession) {
    GiveUp();
    return;
  }
  if (done.outcome == control::Done::Outcome::kOk && !question.any && question.read.max > 0) {
    // It is on its way there.
    if (!IsPlaced(question.read)) {
      question.read.from = {control::ReadFrom::Kind::kPosition, done.next};
    }
    early_.push_back(question);
    questions_.pop_front();
    return;
  }
  const std::uint64_t ticket = question.ticket;
  questions_.pop_front();
  if (!questions_.empty()) questions_.front().since = loop_.now();
  events_.OnRangeDone(ticket, &done);
}

void LogRanges::AskAgain() {
  failed_ = welcome_ = false;
  reader_->Reset();
  reader_->Tell(LogReader::Hello{});
}

void LogRanges::GiveUp() {
  failed_ = true;
  std::ranges::move(std::exchange(early_, {}), std::back_inserter(questions_));
  for (const Question& question : std::exchange(questions_, {})) {
    events_.OnRangeDone(question.ticket, nullptr);
  }
}

void LogRanges::Tick() {
  const TimePoint now = loop_.now();
  if (questions_.empty() && early_.empty()) {
    if (!connected_ || now - heard_ < kIdle) return;
    connected_ = welcome_ = failed_ = false;
    reader_->Stop();
    return;
  }
  const auto is_late = [&](const Question& question) {
    return now - question.since >= (given_up_ ? kLittleHope : kHope);
  };
  if (std::ranges::any_of(early_, is_late) ||
      (!questions_.empty() && is_late(questions_.front()))) {
    given_up_ = true;
    GiveUp();
    return;
  }
  if (failed_) AskAgain();
  for (Question& question : std::exchange(early_, {})) {
    questions_.push_back(question);
    if (welcome_) Send(questions_.back());
  }
}

}  // namespace pipedup::nats
