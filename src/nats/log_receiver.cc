#include "nats/log_receiver.h"

#include <utility>

#include "base/checksum.h"
#include "base/error.h"
#include "base/overloaded.h"
#include "base/text.h"
#include "os/process.h"

namespace pipedup::nats {
namespace {

constexpr auto kTickEvery = std::chrono::milliseconds(50);

}  // namespace

MakeReceiver ReceiverOf(LogOptions options) {
  return [options = std::move(options)](EventLoop& loop, const ReceiverOptions& of,
                                        ReceiverEvents& events) {
    return std::make_unique<LogReceiver>(loop, options, of, events);
  };
}

LogReceiver::LogReceiver(EventLoop& loop, LogOptions log, const ReceiverOptions& options,
                         ReceiverEvents& events)
    : loop_(loop),
      options_(options),
      events_(events),
      machine_(options_.modes, *this),
      remake_pause_(options_.modes.dead_after),
      reader_(std::move(log), [this] { waker_.Wake(); }) {
  watch_ = loop_.OnReadable(waker_.fd(), [this] {
    waker_.Clear();
    OnResults();
  });
  tick_ = loop_.Every(kTickEvery, [this] {
    if (remake_ == 0) machine_.OnTick(loop_.now());
  });
  machine_.OnConnect(loop_.now());
}

LogReceiver::~LogReceiver() {
  Close();
}

void LogReceiver::Close() {
  if (std::exchange(closed_, true)) return;
  loop_.Cancel(tick_);
  loop_.Cancel(remake_);
  loop_.Remove(watch_);
  reader_.Stop();
}

void LogReceiver::SetProgress(std::uint64_t queued, Position) {
  if (queued == queued_) return;
  queued_ = queued;
  machine_.OnQueued(queued, loop_.now());
}

// ---- out ----

void LogReceiver::SendHello() {
  if (!closed_) reader_.Tell(LogReader::Hello{options_.hello.stream});
}

void LogReceiver::SendRead(const control::Read& read) {
  if (!closed_) reader_.Tell(read);
}

void LogReceiver::Subscribe(const std::string&) {
  if (!closed_) reader_.Tell(LogReader::Live{true});
}

void LogReceiver::Unsubscribe(const std::string&) {
  if (!closed_) reader_.Tell(LogReader::Live{false});
}

void LogReceiver::Remake() {
  events_.OnSilence();
  if (closed_) return;
  const bool heard = machine_.welcomed();
  remake_ = loop_.After(remake_pause_.Next(heard, RandomId()), [this] {
    remake_ = 0;
    reader_.Reset();
    machine_.OnConnect(loop_.now());
  });
}

// ---- in ----

void LogReceiver::OnResults() {
  for (int i = 0; !closed_; ++i) {
    if (i == kResultsPerCall) {
      waker_.Wake();
      return;
    }
    const auto result = reader_.Take();
    if (!result) return;
    OnResult(*result);
    events_.OnReceived();
  }
}

void LogReceiver::OnResult(const LogReader::Result& result) {
  std::visit(Overloaded{
                 [this](const control::Welcome& welcome) {
                   events_.OnWelcome(welcome);
                   machine_.OnWelcome(welcome, loop_.now());
                 },
                 [this](const control::Done& done) { machine_.OnDone(done, loop_.now()); },
                 [this](const control::Refused& refused) {
                   events_.OnFail(kExitRefused, "refused: " + refused.reason);
                 },
                 [this](const control::Error& error) {
                   machine_.OnError(error.code, error.reason, loop_.now());
                 },
                 [this](const LogReader::Block& block) {
                   counters_.wire_bytes += kHeaderBytes + block.bytes.size();
                   if (block.live) {
                     machine_.OnLive(block.header, block.bytes, loop_.now());
                   } else {
                     machine_.OnReplay(block.header, block.bytes, loop_.now());
                   }
                 },
                 [this](const LogReader::Damage& damage) {
                   ++counters_.damaged_blocks;
                   events_.OnDamaged("message " + std::to_string(damage.sequence) +
                                     " of the log is no block, or damaged");
                 },
                 [this](const LogReader::Away& away) { events_.OnNotReached(away.why); },
             },
             result);
}

// ---- from the machine to the owner ----

void LogReceiver::Deliver(const BlockHeader& header, Position from, SharedBytes bytes) {
  events_.OnBytes(header, from, std::move(bytes));
}
void LogReceiver::ReportGap(const Gap& gap) {
  events_.OnGap(gap);
}
void LogReceiver::Begin(const control::Welcome& session, Position position) {
  events_.OnBegin(session, position);
}
void LogReceiver::SessionChanged(const control::Welcome& now, SessionId old) {
  events_.OnSessionChanged(now, old);
}
void LogReceiver::SessionContinues(const control::Welcome& now, SessionId old,
                                   Position position) {
  events_.OnSessionContinues(now, old, position);
}
void LogReceiver::StandsApart(const control::Welcome& session) {
  events_.OnStandsApart(session);
}
void LogReceiver::ModeChanged(control::Mode mode) {
  events_.OnMode(mode);
}
void LogReceiver::EndOfStream(Position position, std::uint32_t exit_status) {
  events_.OnEndOfStream(position, exit_status);
}
void LogReceiver::Fail(int exit_status, const std::string& text) {
  events_.OnFail(exit_status, text);
}

}  // namespace pipedup::nats
