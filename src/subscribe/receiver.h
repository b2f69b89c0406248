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
#include "subscribe/remake_pause.h"
#include "wire/compression.h"
#include "wire/control.h"

namespace pipedup {

/// What a receiver tells its owner. Called from the loop.
class ReceiverEvents {
 public:
  virtual ~ReceiverEvents() = default;
  virtual void OnBegin(const control::Welcome& session, Position position) = 0;
  /// Bytes of the stream, in order, without overlap. `header` is of the block that they end, as
  /// it was sent. `bytes.encoded`, with keep_encoded: the payload as it was sent, if that was
  /// compressed (header.codec) and `bytes` are all of it: header.checksum is then of that.
  virtual void OnBytes(const BlockHeader& header, Position from, SharedBytes bytes) = 0;
  virtual void OnGap(const Gap& gap) = 0;
  virtual void OnSessionChanged(const control::Welcome& now, SessionId old) = 0;
  virtual void OnSessionContinues(const control::Welcome& now, SessionId old,
                                  Position position) = 0;
  /// Before the machine hears of it.
  virtual void OnWelcome(const control::Welcome& welcome) { (void)welcome; }
  /// Only if others read the same stream: see ModeActions.
  virtual void OnStandsApart(const control::Welcome& session) { (void)session; }
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
  bool keep_encoded = false;  ///< for an owner that passes compressed blocks on as they came
};

struct ReceiverCounters {
  std::uint64_t damaged_blocks = 0;    ///< bad header, length, checksum or compression
  std::uint64_t foreign_messages = 0;  ///< that were no block of this stream and no answer
  std::uint64_t wire_bytes = 0;        ///< of block messages, header and payload as sent
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
  /// that shows that it is known there, and for one that it is no more, each for at most half a
  /// second, if `answers`: if the publisher is believed to be there.
  void SayGoodbye(Position written, bool ended, bool answers = true);
  /// Drops both sockets; what was said leaves within half a second.
  void Close();

  ModeMachine& modes() { return machine_; }
  const ModeMachine& modes() const { return machine_; }
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
