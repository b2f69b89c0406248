// An endpoint as a stream reader has it: whatever it is read from, a mode machine decides.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/endpoint.h"
#include "net/loop.h"
#include "subscribe/modes.h"
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
  /// It could not be asked, just now: why. It is tried again. Told again and again.
  virtual void OnNotReached(const std::string& why) { (void)why; }
  virtual void OnFail(int exit_status, const std::string& text) = 0;
};

class AnyReceiver;
struct ReceiverOptions;
/// Makes what reads from an endpoint that has no sockets of a publisher.
using MakeReceiver = std::function<std::unique_ptr<AnyReceiver>(
    EventLoop& loop, const ReceiverOptions& options, ReceiverEvents& events)>;

struct ReceiverOptions {
  Endpoint endpoint;
  control::Hello hello;
  ModeOptions modes;
  std::string relay_id = {};  ///< of the relay that it reads for; empty: of none
  MakeReceiver make = {};     ///< nothing: it has the sockets of a publisher
  bool keep_encoded = false;  ///< for an owner that passes compressed blocks on as they came
};

struct ReceiverCounters {
  std::uint64_t damaged_blocks = 0;    ///< bad header, length, checksum or compression
  std::uint64_t foreign_messages = 0;  ///< that were no block of this stream and no answer
  std::uint64_t wire_bytes = 0;        ///< of block messages, header and payload as sent
};

/// One thread, that of the loop.
class AnyReceiver {
 public:
  virtual ~AnyReceiver() = default;
  /// Bytes delivered and not yet written, and the position up to which they were. To be called
  /// whenever they have changed, but from none of the events except OnReceived.
  virtual void SetProgress(std::uint64_t queued, Position written) = 0;
  /// This subscriber stands there, and leaves. `answers`: whoever is told is believed to be
  /// there.
  virtual void SayGoodbye(Position written, bool ended, bool answers) = 0;
  /// Nothing comes any more.
  virtual void Close() = 0;
  virtual ModeMachine& modes() = 0;
  virtual const ModeMachine& modes() const = 0;
  virtual const ReceiverCounters& counters() const = 0;
};

}  // namespace pipedup
