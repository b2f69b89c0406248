// One stream, read from one endpoint, or from several that have the same session.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/loop.h"
#include "net/socket.h"
#include "subscribe/modes.h"
#include "subscribe/receiver.h"
#include "subscribe/shared_stream.h"

namespace pipedup {

/// What a reader tells its owner, from the loop. `endpoint` is the one that it is about, as it
/// was given; "" if there is only one.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;

  // ---- of the stream: each thing once, whichever endpoint it came from ----

  virtual void OnBegin(const control::Welcome& session, Position position) = 0;
  /// Bytes of the stream, in order, without overlap. `header` is of the block that they end.
  virtual void OnBytes(const BlockHeader& header, Position from, SharedBytes bytes) = 0;
  /// Nobody has it any more.
  virtual void OnGap(const Gap& gap) = 0;
  virtual void OnSessionChanged(const control::Welcome& now, SessionId old) = 0;
  virtual void OnSessionContinues(const control::Welcome& now, SessionId old,
                                  Position position) = 0;
  virtual void OnEndOfStream(Position position, std::uint32_t exit_status) = 0;
  /// After each message: whatever it brought has been delivered. The place for SetProgress.
  virtual void OnReceived() = 0;
  /// Nothing more comes.
  virtual void OnFail(int exit_status, const std::string& text) = 0;

  // ---- of one endpoint ----

  virtual void OnMode(const std::string& endpoint, control::Mode mode) = 0;
  /// That publisher no longer waits for this subscriber.
  virtual void OnLetGo(const std::string& endpoint, const std::string& reason) = 0;
  /// A block that did not pass: what was wrong with it. It is fetched again, or comes from
  /// another endpoint.
  virtual void OnDamaged(const std::string& endpoint, const std::string& what) = 0;
  /// The journal that the publisher names cannot be read here, as far as it is needed: the
  /// network is used.
  virtual void OnNotAttached(const std::string& endpoint, const std::string& why) = 0;
  /// Nothing was heard for dead_after: the sockets are being made anew.
  virtual void OnSilence(const std::string& endpoint) = 0;
  /// It could not be asked, just now: why. It is tried again. Told again and again.
  virtual void OnNotReached(const std::string& endpoint, const std::string& why) {
    (void)endpoint, (void)why;
  }
  /// It has another session than the one that is read, and is left alone as long as another
  /// endpoint has that one.
  virtual void OnStandsApart(const std::string& endpoint, const control::Welcome& session) = 0;
  /// It is of no use, and not asked again. The others go on.
  virtual void OnEndpointFailed(const std::string& endpoint, const std::string& text) = 0;
};

/// Blocks are taken from whichever endpoint has them first, and what one lacks from the others:
/// one that dies, or has lost something, is not felt. The first one that answers decides where
/// a new reader begins. One thread, that of the loop; everything must outlive it but `options`.
class StreamReader {
 public:
  /// Asked about an endpoint that answers for the first time, and has another session than the
  /// one that is read: who is to read that. Nothing: it stands apart.
  using Elsewhere = std::function<StreamReader*(const control::Welcome& welcome)>;

  /// `options` (at least one) differ in their endpoints and hellos only.
  StreamReader(Context& context, EventLoop& loop, const std::vector<ReceiverOptions>& options,
               StreamEvents& events);
  /// One that has no endpoint yet, and gets its first one from another.
  StreamReader(EventLoop& loop, StreamEvents& events);
  ~StreamReader();

  /// One more, whose options differ in endpoint and hello only.
  void Add(Context& context, const ReceiverOptions& options);
  void SetElsewhere(Elsewhere elsewhere) { elsewhere_ = std::move(elsewhere); }
  /// What the endpoint has is this stream, or goes on with it.
  bool Fits(const control::Welcome& welcome) const;

  /// As Receiver has it: each publisher is told. To be called from none of the events except
  /// OnReceived, as are all functions below that are not const.
  void SetProgress(std::uint64_t queued, Position written);
  /// Tells the publishers where this subscriber stands, and that it leaves; waits a second
  /// at most for each one that was heard lately.
  void SayGoodbye(Position written, bool ended);
  void Close();
  /// Nothing more is wanted: nothing is delivered or counted as lost from here on.
  void Stop();
  /// As ModeMachine has them.
  void Flush();
  void GiveUp(const std::string& reason);

  const Progress& progress() const { return shared_->progress; }
  /// An endpoint has let this subscriber in, once.
  bool welcomed() const;
  bool located() const { return welcomed() && !progress().unresolved; }
  /// When any of them was last heard.
  TimePoint last_heard() const;
  /// Of all endpoints together.
  ModeCounters counters() const;
  ReceiverCounters receiver_counters() const;

  std::size_t endpoints() const { return links_.size(); }
  const std::string& endpoint(std::size_t number) const;
  /// What is known of where the session comes from.
  struct Origin {
    Position tail = 0;            ///< of the endpoint that keeps most: or behind it by now
    std::int64_t started_ns = 0;  ///< of the publisher
    Position reached = 0;         ///< everything before it has been published
  };
  /// Nothing while no endpoint has let this subscriber into the session.
  std::optional<Origin> origin() const;
  TimePoint last_heard(std::size_t number) const;
  /// It is still of use.
  bool is_asked(std::size_t number) const;
  /// An endpoint has not said yet what it has, and may do so soon.
  bool MayGrow() const;

 private:
  class Link;
  void OnReceived();
  void OnWelcome(Link& link, const control::Welcome& welcome);
  void SettleNowAndThen();
  void OnLinkFailed(Link& link, int exit_status, const std::string& text);

  EventLoop& loop_;
  StreamEvents& events_;
  Elsewhere elsewhere_;
  std::vector<std::unique_ptr<Link>> links_;
  std::shared_ptr<SharedStream> shared_;
  EventLoop::TimerId settle_ = 0;
};

}  // namespace pipedup
