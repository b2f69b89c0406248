// Ranges of a cluster's log: what a journal of the same session does not keep any more.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "nats/log_reader.h"
#include "net/loop.h"
#include "os/waker.h"
#include "subscribe/any_range_reader.h"

namespace pipedup::nats {

/// Connects when it is asked, and leaves when it was not asked for 10 s. A cluster that does
/// not answer, or has not got there yet, is asked again until nothing has come for 20 s;
/// whoever asks after that waits for 2 s only, until it has answered again. Where another
/// session goes on in the log, nothing of this one is to be had.
class LogRanges final : public AnyRangeReader {
 public:
  /// `loop` and `events` must outlive it.
  LogRanges(EventLoop& loop, LogOptions log, SessionId session, RangeReaderEvents& events);
  ~LogRanges() override;
  LogRanges(const LogRanges&) = delete;
  LogRanges& operator=(const LogRanges&) = delete;

  bool Ask(std::uint64_t ticket, const control::ReadFrom& from, std::uint64_t max) override;
  /// A cluster does not leave when a stream ends.
  void ExpectEnd() override {}
  bool expects_end() const override { return false; }

 private:
  struct Question {
    std::uint64_t ticket = 0;
    control::Read read;    ///< of what has not come yet
    bool any = false;      ///< some has come
    TimePoint since = {};  ///< it is the oldest one, or something has come
  };

  void OnResults();
  void OnResult(const LogReader::Result& result);
  void OnWelcome(const control::Welcome& welcome);
  void OnBlock(const LogReader::Block& block);
  void OnDone(const control::Done& done);
  void Send(Question& question);
  void AskAgain();
  void GiveUp();
  void Tick();

  EventLoop& loop_;
  const LogOptions log_;
  const SessionId session_;
  RangeReaderEvents& events_;
  Waker waker_;
  EventLoop::WatchId watch_;
  EventLoop::TimerId tick_;
  std::optional<LogReader> reader_;
  bool connected_ = false;  // reader_ has not been stopped
  bool welcome_ = false;
  bool failed_ = false;    // all is asked again, at the next tick
  bool given_up_ = false;  // nothing has come for long, nor since
  TimePoint heard_{};      // or asked
  std::uint64_t last_request_ = 0;
  std::deque<Question> questions_;  // asked and not answered yet, in that order
  std::deque<Question> early_;      // the log is not there yet: they are asked at the next tick
};

}  // namespace pipedup::nats
