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
#include "subscribe/modes.h"
#include "wire/control.h"

namespace pipedup {

/// What a receiver tells its owner. Called from the loop.
class ReceiverEvents {
 public:
  virtual ~ReceiverEvents() = default;
  virtual void OnBegin(const control::Welcome& session, Position position) = 0;
  /// Bytes of the stream, in order, without overlap. `header` is of the block that they end.
  virtual void OnBytes(const BlockHeader& header, Position from, SharedBytes bytes) = 0;
  virtual void OnGap(const Gap& gap) = 0;
  virtual void OnSessionChanged(const control::Welcome& now, SessionId old) = 0;
  virtual void OnSessionContinues(const control::Welcome& now, SessionId old,
                                  Position position) = 0;
  virtual void OnMode(control::Mode mode) = 0;
  virtual void OnEndOfStream(Position position, std::uint32_t exit_status) = 0;
  /// After each message: whatever it brought has been delivered. The place for SetProgress.
  virtual void OnReceived() = 0;
  /// The publisher no longer waits for this subscriber.
  virtual void OnLetGo(const std::string& reason) = 0;
  /// A block that did not pass: what was wrong with it. It is fetched again.
  virtual void OnDamaged(const std::string& what) = 0;
  /// The journal that the publisher names cannot be read here, as far as it is needed: the
  /// network is used.
  virtual void OnNotAttached(const std::string& why) = 0;
  /// Nothing was heard for dead_after: the sockets are being made anew.
  virtual void OnSilence() = 0;
  virtual void OnFail(int exit_status, const std::string& text) = 0;
};

struct ReceiverOptions {
  Endpoint endpoint;
  control::Hello hello;
  ModeOptions modes;
  std::string relay_id = {};  ///< of the relay that it reads for; empty: of none
};

struct ReceiverCounters {
  std::uint64_t damaged_blocks = 0;    ///< bad header, length or checksum
  std::uint64_t foreign_messages = 0;  ///< that were no block of this stream and no answer
};

class Receiver final : private ModeActions {
 public:
  Receiver(Context& context, EventLoop& loop, ReceiverOptions options, ReceiverEvents& events);
  ~Receiver() override;

  /// Bytes delivered and not yet written, and the position up to which they were: for pace and
  /// for the status that the publisher gets. To be called whenever they have changed, but from
  /// none of the events except OnReceived.
  void SetProgress(std::uint64_t queued, Position written);
  /// Tells the publisher where this subscriber stands, and that it leaves. Waits for an answer
  /// that shows that it is known there, for at most half a second.
  void SayGoodbye(Position written, bool ended);
  /// Drops both sockets; what was said leaves within half a second.
  void Close();

  ModeMachine& modes() { return machine_; }
  const ReceiverCounters& counters() const { return counters_; }

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
  void ModeChanged(control::Mode mode) override;
  void EndOfStream(Position position, std::uint32_t exit_status) override;
  void Remake() override;
  void Fail(int exit_status, const std::string& text) override;

  void Connect();
  void ReceiveData();
  void ReceiveControl();
  void OnAnswer(const control::Message& message);
  void OnWelcome(const control::Welcome& welcome);
  std::optional<BlockHeader> CheckBlock(ByteSpan frame, ByteSpan payload,
                                        std::string_view topic, bool* damaged);
  void ReadLocal();
  void ReadLocalSoon();
  void SendStatus();
  void MakeKnown();
  void Send(const control::Message& message);
  void Tick();

  Context& context_;
  EventLoop& loop_;
  const ReceiverOptions options_;
  ReceiverEvents& events_;
  ModeMachine machine_;
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
