// The subscriber's two sockets, driven by its mode machine.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/endpoint.h"
#include "journal/attached.h"
#include "net/loop.h"
#include "net/socket.h"
#include "subscribe/any_receiver.h"
#include "subscribe/modes.h"
#include "subscribe/remake_pause.h"
#include "wire/compression.h"
#include "wire/control.h"

namespace pipedup {

/// The two sockets of a publisher.
class Receiver final : public AnyReceiver, private ModeActions {
 public:
  Receiver(Context& context, EventLoop& loop, ReceiverOptions options, ReceiverEvents& events);
  ~Receiver() override;

  /// Bytes delivered and not yet written, and the position up to which they were: for pace and
  /// for the status that the publisher gets. To be called whenever they have changed, but from
  /// none of the events except OnReceived.
  void SetProgress(std::uint64_t queued, Position written) override;
  /// Tells the publisher where this subscriber stands, and that it leaves. Waits for an answer
  /// that shows that it is known there, and for one that it is no more, each for at most half a
  /// second, if `answers`: if the publisher is believed to be there.
  void SayGoodbye(Position written, bool ended, bool answers) override;
  /// Drops both sockets; what was said leaves within half a second.
  void Close() override;

  ModeMachine& modes() override { return machine_; }
  const ModeMachine& modes() const override { return machine_; }
  const ReceiverCounters& counters() const override { return counters_; }

 private:
  void SendHello() override;
  void SendRead(const control::Read& read) override;
  void Subscribe(const std::string& stream) override;
  void Unsubscribe(const std::string& stream) override;
  bool Attach(const control::Welcome& session, Position position) override;
  void Detach() override;
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

  void Connect();
  void ReceiveData();
  void ReceiveControl();
  void OnAnswer(const control::Message& message);
  void OnWelcome(const control::Welcome& welcome);
  std::optional<BlockHeader> CheckBlock(std::string_view topic, SharedBytes* payload,
                                        bool* damaged);
  bool Decode(const BlockHeader& header, SharedBytes* payload);
  void ReadLocal();
  void ReadLocalSoon();
  void SendStatus();
  void SendFarewellPing();
  template <typename Passes>
  void AwaitAnswer(Passes passes);
  static bool SaysUnknown(const control::Message& message);
  void MakeKnown();
  void MakeUnknown();
  void Send(const control::Message& message);
  void Tick();

  Context& context_;
  EventLoop& loop_;
  const ReceiverOptions options_;
  ReceiverEvents& events_;
  ModeMachine machine_;
  RemakePause remake_pause_;
  TimePoint connected_at_{};
  bool deaf_ = false;  // nothing has come since then, when the remake was asked for
  Decompressor decompressor_;
  std::optional<Socket> data_;
  std::optional<Socket> control_;
  EventLoop::WatchId data_watch_ = 0;
  EventLoop::WatchId control_watch_ = 0;
  EventLoop::TimerId tick_ = 0;
  EventLoop::TimerId remake_ = 0;              // while new sockets are due
  std::unique_ptr<AttachedJournal> attached_;  // while ATTACHED
  std::string attached_stream_;
  EventLoop::WatchId attached_watch_ = 0;
  EventLoop::TimerId read_local_ = 0;
  std::vector<Message> frames_;
  std::string stream_;  // as the publisher calls it
  bool data_connected_ = false;
  bool ipv6_ = false;         // alternates for names, which may be of either family
  std::uint64_t window_ = 0;  // bytes after which the publisher wants to hear of progress
  std::uint64_t queued_ = 0;
  Position written_ = 0;
  Position said_ = 0;  // position of the last status
  TimePoint said_at_{};
  ReceiverCounters counters_;
};

}  // namespace pipedup
