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

/// Connects when it is asked for the first time. A cluster that does not answer is asked again
/// until nothing has come for 20 s; whoever asks after that waits for 2 s only, until something
/// has come again.
class LogRanges final : public AnyRangeReader {
 public:
  /// All must outlive it. The log is not asked while another session goes on there.
  LogRanges(EventLoop& loop, LogOptions log, SessionId session, RangeReaderEvents& events);
  ~LogRanges() override;
  LogRanges(const LogRanges&) = delete;
  LogRanges& operator=(const LogRanges&) = delete;

  bool Ask(std::uint64_t ticket, const control::ReadFrom& from, std::uint64_t max) override;
  void ExpectEnd() override { expects_end_ = true; }
  bool expects_end() const override { return expects_end_; }

 private:
  struct Question {
    std::uint64_t ticket = 0;
    control::Read read;  ///< of what has not come yet
    TimePoint since{};   ///< it is the oldest one, or something has come
  };

  void OnResults();
  void OnResult(const LogReader::Result& result);
  void OnBlock(const LogReader::Block& block);
  void OnDone(const control::Done& done);
  void AskAgain();
  void Tick();

  EventLoop& loop_;
  const LogOptions log_;
  const SessionId session_;
  RangeReaderEvents& events_;
  Waker waker_;
  EventLoop::WatchId watch_;
  EventLoop::TimerId tick_;
  std::optional<LogReader> reader_;  // since it was asked
  bool welcome_ = false;
  bool again_ = false;  // at the next tick
  bool expects_end_ = false;
  bool given_up_ = false;  // nothing has come for long, nor since
  std::uint64_t last_request_ = 0;
  std::deque<Question> questions_;  // not answered yet, oldest first
};

}  // namespace pipedup::nats
