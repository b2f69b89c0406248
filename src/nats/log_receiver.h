// A subscriber's endpoint that is a cluster's log: what its mode machine asks is asked there.
#pragma once

#include <cstdint>
#include <string>

#include "nats/log_reader.h"
#include "net/loop.h"
#include "os/waker.h"
#include "subscribe/any_receiver.h"
#include "subscribe/remake_pause.h"

namespace pipedup::nats {

/// A MakeReceiver for ReceiverOptions.
MakeReceiver ReceiverOf(LogOptions options);

class LogReceiver final : public AnyReceiver, private ModeActions {
 public:
  LogReceiver(EventLoop& loop, LogOptions log, const ReceiverOptions& options,
              ReceiverEvents& events);
  ~LogReceiver() override;

  void SetProgress(std::uint64_t queued, Position written) override;
  /// The cluster keeps no list of those who read.
  void SayGoodbye(Position, bool, bool) override {}
  void Close() override;
  ModeMachine& modes() override { return machine_; }
  const ModeMachine& modes() const override { return machine_; }
  const ReceiverCounters& counters() const override { return counters_; }

 private:
  void SendHello() override;
  void SendRead(const control::Read& read) override;
  void Subscribe(const std::string& stream) override;
  void Unsubscribe(const std::string& stream) override;
  bool Attach(const control::Welcome&, Position) override { return false; }
  void Detach() override {}
  void Deliver(const BlockHeader& header, Position from, SharedBytes bytes) override;
  void ReportGap(const Gap& gap) override;
  void Begin(const control::Welcome& session, Position position) override;
  void SessionChanged(const control::Welcome& now, SessionId old) override;
  void SessionContinues(const control::Welcome& now, SessionId old, Position position) override;
  void StandsApart(const control::Welcome& session) override;
  void ModeChanged(control::Mode mode) override;
  void EndOfStream(Position position, std::uint32_t exit_status) override;
  void Remake() override;
  void Fail(int exit_status, const std::string& text) override;

  void OnResults();
  void OnResult(const LogReader::Result& result);

  EventLoop& loop_;
  const ReceiverOptions options_;
  ReceiverEvents& events_;
  ModeMachine machine_;
  RemakePause remake_pause_;
  Waker waker_;
  LogReader reader_;
  bool closed_ = false;
  EventLoop::WatchId watch_ = 0;
  EventLoop::TimerId tick_ = 0;
  EventLoop::TimerId remake_ = 0;
  std::uint64_t queued_ = 0;
  ReceiverCounters counters_;
};

}  // namespace pipedup::nats
