// The subscriber's mode machine: blocks and answers in, deliveries and requests out. Pure: no
// sockets, no clock of its own, no threads; every promise about positions is kept here.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/units.h"
#include "pipedup/types.h"
#include "subscribe/shared_stream.h"
#include "wire/block_header.h"
#include "wire/control.h"

namespace pipedup {

/// What the machine wants done. All are called from within its On… functions.
class ModeActions {
 public:
  virtual ~ModeActions() = default;
  virtual void SendHello() = 0;
  virtual void SendRead(const control::Read& read) = 0;
  virtual void Subscribe(const std::string& stream) = 0;
  virtual void Unsubscribe(const std::string& stream) = 0;
  /// Reads the session's journal on this machine from `position` on, told by OnLocal, and
  /// subscribes to what the publisher says of its head. False if it cannot be read here.
  virtual bool Attach(const control::Welcome& session, Position position) = 0;
  /// The end of that, subscription included.
  virtual void Detach() = 0;
  /// The next bytes of the stream, in order and without overlap. `header` describes the whole
  /// block that they are the end of (publish time, record boundary at its end).
  virtual void Deliver(const BlockHeader& header, Position from, SharedBytes bytes) = 0;
  virtual void ReportGap(const Gap& gap) = 0;
  /// The first byte that will be delivered of a session, once it is known. Comes a second time
  /// if that turns out to be inside a record: then it is the next record's first byte.
  virtual void Begin(const control::Welcome& session, Position position) = 0;
  /// Another session has taken the place of `old`, and is followed.
  virtual void SessionChanged(const control::Welcome& now, SessionId old) = 0;
  /// The session that is read goes on, at `position`: after its end (`old` is the same), or
  /// under another id, as the publisher's machine has crashed.
  virtual void SessionContinues(const control::Welcome& now, SessionId old,
                                Position position) = 0;
  /// What this publisher has is not what is read, and is left alone as long as others have
  /// that: another session, which may take its place later. Only of a stream that is shared.
  virtual void StandsApart(const control::Welcome& session) { (void)session; }
  virtual void ModeChanged(control::Mode mode) = 0;
  /// Everything up to `position` was delivered or reported, and nothing comes after.
  virtual void EndOfStream(Position position, std::uint32_t exit_status) = 0;
  /// Close both sockets and make new ones, then call OnConnect.
  virtual void Remake() = 0;
  /// It is over; nothing more is asked for.
  virtual void Fail(int exit_status, const std::string& text) = 0;
};

/// Where a reader begins, as it is asked of the publisher.
struct Beginning {
  enum class Kind : std::uint8_t { kNow, kStart, kPosition, kAgo, kLast, kBehind };
  Kind kind = Kind::kNow;
  std::uint64_t value = 0;  ///< position, ns, records, or bytes behind the head
};

/// Where a reader stopped that goes on now.
struct Resumption {
  SessionId session = 0;
  Position position = 0;
};

struct ModeOptions {
  Beginning from;
  /// Comes first; `from` counts if its session is gone. Then, and only then, SessionChanged
  /// comes before Begin.
  std::optional<Resumption> resume;
  bool follow = false;
  bool attach = false;  ///< read the journal itself if the publisher is on this machine
  Duration dead_after = std::chrono::seconds(3);
  std::uint64_t hold_bytes = 16 * 1024 * 1024;  ///< delivered but not written, and asked for
};

struct ModeCounters {
  std::uint64_t blocks = 0;           ///< delivered, whole or in part
  std::uint64_t bytes = 0;            ///< delivered
  std::uint64_t duplicate_bytes = 0;  ///< dropped because they were delivered before
  std::uint64_t live_gaps = 0;        ///< times that live blocks were missing, mended or not
  std::uint64_t catch_ups = 0;        ///< times that CATCH-UP began
  std::uint64_t gaps = 0;             ///< ranges reported lost
  std::uint64_t lost_bytes = 0;
  std::uint64_t lost_records = 0;
  std::uint64_t remakes = 0;         ///< times that silence made new sockets necessary
  std::uint64_t foreign_blocks = 0;  ///< blocks of another session, dropped
  ModeCounters& operator+=(const ModeCounters& other);
};

/// JOINING (no welcome yet) → CATCH-UP (unsubscribed; ranges on request, at the consumer's
/// pace) → BRIDGING (subscribed; live blocks wait while the range before them is fetched) →
/// LIVE. Any hole in LIVE leads back to BRIDGING; a consumer that is too slow, to CATCH-UP.
/// ATTACHED takes the place of all three while the journal can be read on this machine: what is
/// missing there is asked for by CATCH-UP, so that only the publisher ever says what is lost.
/// What is delivered next is decided by position alone, whatever socket it came from, and
/// whichever of the machines that share a stream it came to.
class ModeMachine {
 public:
  enum class State : std::uint8_t {
    kJoining,
    kCatchUp,
    kBridging,
    kLive,
    kAttached,
    kEnded,
    kStopped
  };

  ModeMachine(ModeOptions options, ModeActions& actions);
  ~ModeMachine();
  ModeMachine(const ModeMachine&) = delete;
  ModeMachine& operator=(const ModeMachine&) = delete;

  /// Reads what others read as well: before the first welcome. From then on
  /// SharedStream::Settle is to be called after each call of this machine.
  void Share(std::shared_ptr<SharedStream> shared);
  const std::shared_ptr<SharedStream>& shared() const { return shared_; }

  /// New sockets are connected.
  void OnConnect(TimePoint now);
  void OnWelcome(const control::Welcome& welcome, TimePoint now);
  void OnDone(const control::Done& done, TimePoint now);
  /// `code` is of the control message error.
  void OnError(const std::string& code, const std::string& reason, TimePoint now);
  /// A block that passed its checksum, from the data socket or in an answer. `payload` may be
  /// empty.
  void OnLive(const BlockHeader& header, SharedBytes payload, TimePoint now);
  void OnReplay(const BlockHeader& header, const SharedBytes& payload, TimePoint now);
  /// Bytes that were read from the journal itself, while ATTACHED.
  void OnLocal(const BlockHeader& header, const SharedBytes& payload, TimePoint now);
  /// The journal does not have what is known to be published.
  void OnLocalMissing(TimePoint now);
  /// A live block that did not pass: what it held is missing, nothing else is known.
  void OnDamaged(TimePoint now);
  /// Bytes that were delivered and not written yet, whenever that has changed much.
  void OnQueued(std::uint64_t bytes, TimePoint now);
  /// To be called every 50 ms or so.
  void OnTick(TimePoint now);

  State state() const { return state_; }
  control::Mode mode() const;
  SessionId session() const { return at_->session; }
  /// Every byte before it was delivered or reported lost.
  Position position() const { return at_->position; }
  bool began() const { return at_->begun; }
  /// Its own publisher has the session that is read, and has let it in.
  bool welcomed() const { return session_ != 0; }
  /// position() says where it stands, though nothing may have been delivered yet.
  bool located() const { return welcomed() && !at_->unresolved; }
  /// When the publisher was last heard; when the machine was made, if never.
  TimePoint last_heard() const { return last_heard_; }
  Position known_head() const { return known_head_; }
  /// What the publisher keeps begins there, or behind it by now.
  Position known_tail() const { return known_tail_; }
  /// When the publisher of the session was started, by what was said last.
  std::int64_t started_ns() const { return welcome_.started_ns; }
  /// Everything before it has been published.
  Position reached() const { return std::max(known_head_, welcome_.reached); }
  const ModeCounters& counters() const { return counters_; }
  /// Reports a gap that no block has come after; at the end of a run.
  void Flush();
  /// The same, and what the publisher was known to have published and did not deliver is lost.
  void GiveUp(const std::string& reason);
  /// The consumer needs nothing more: nothing is read, delivered or counted as lost from here
  /// on. To be called from none of the actions.
  void Stop();
  /// The same of this machine alone, where others go on: what is shared stays as it is.
  void Retire();

  // ---- for SharedStream ----

  /// Others have moved what is shared; `version` is only kept for it.
  void OnElsewhere(std::uint64_t version, TimePoint now);
  std::uint64_t heard_version() const { return heard_version_; }
  bool IsHeard(TimePoint now) const { return now - last_heard_ <= options_.dead_after; }
  /// It has been let in, and reads the session or will again.
  bool HoldsSession() const;
  /// It has not been let in, and nothing is known that speaks against it.
  bool MayCome() const;
  /// Bytes come to it unasked, at the position that is shared.
  bool IsStreaming() const;
  /// It waits for a range that it has asked for.
  bool IsFetching() const;
  /// The first byte that can be had from it, or may be, as far as it has said since `since`;
  /// nothing if none can.
  std::optional<Position> ServesFrom(TimePoint since, TimePoint now) const;

 private:
  struct Stashed {
    BlockHeader header;
    SharedBytes payload;
  };
  struct Asked {
    std::uint64_t request = 0;
    Position begin = 0;
    Position end = 0;
    bool stale = false;  ///< still to be answered, and not needed any more
  };

  void Enter(State state);
  void EnterCatchUp();
  void EnterBridging(TimePoint now);
  void EnterLive();
  bool EnterAttached(TimePoint now);
  void LeaveLive();
  bool IsNearHead() const;
  bool RoomToSubscribe() const;
  Duration HeadsMayTake() const;
  bool IsReadable(const control::Welcome& welcome);
  bool Resume(const control::Welcome& welcome);
  bool MustStandApart(const control::Welcome& welcome, TimePoint now) const;
  void StandApart(const control::Welcome& welcome);
  void LeaveSession();
  void JoinSession(const control::Welcome& welcome, TimePoint now);
  void TakeOver(const control::Welcome& welcome, TimePoint now);
  bool StaysEnded(const control::Welcome& welcome, bool restarted);
  void ResolveDoubt(TimePoint now);
  void HeadIs(Position head, TimePoint now);
  void StartSession(const control::Welcome& welcome);
  void ChooseBeginning(const control::Welcome& welcome);
  void Take(const BlockHeader& header, const SharedBytes& payload);
  void TakeStash();
  void OnHead(const BlockHeader& head, TimePoint now);
  void Stash(const BlockHeader& header, SharedBytes payload);
  void Lose(Position to, std::string reason);
  void ClosePendingGap(const BlockHeader* next);
  void NoteEnd(const BlockHeader& end, TimePoint now);
  void ReachEnd(const BlockHeader& end);
  void Ask(TimePoint now);
  void SendRead(control::ReadFrom from, std::uint64_t max, Position begin);
  void ForgetAsked();
  void ContinueIn(const control::Welcome& welcome, Position end);
  void OnGone(const control::Done& done, TimePoint now);
  void LoseWhatIsGone(TimePoint now);
  void BeginAt(Position position);
  void Ping(TimePoint now);
  bool Subscribed() const { return state_ == State::kBridging || state_ == State::kLive; }
  std::uint64_t AskedBytes() const;
  std::uint64_t Room() const;

  const ModeOptions options_;
  ModeActions& actions_;
  State state_ = State::kJoining;

  std::shared_ptr<SharedStream> shared_;
  Progress* at_;  // of shared_
  std::uint64_t heard_version_ = 0;

  // What its own publisher has.
  SessionId session_ = 0;  // the one that is read, once that has let it in
  SessionId apart_ = 0;    // another one, that stands apart
  control::Welcome welcome_;
  Position known_head_ = 0;
  Position known_tail_ = 0;
  TimePoint head_said_{};
  TimePoint head_moved_{};
  Position gone_until_ = 0;        // it has nothing before that
  std::string gone_reason_;        // in its words
  std::optional<Position> doubt_;  // it has lost what it had; unless it gets there again

  // What is under way.
  std::deque<Asked> asked_;
  std::uint64_t next_request_ = 1;
  std::deque<Stashed> stash_;
  std::uint64_t stash_bytes_ = 0;
  std::uint64_t queued_ = 0;
  TimePoint last_heard_{};
  TimePoint last_control_{};
  TimePoint last_live_{};
  TimePoint last_hello_{};
  TimePoint last_ping_{};
  TimePoint first_ping_{};  // since the last answer, if that is older
  TimePoint last_replay_{};
  TimePoint attach_after_{};  // not before, if it has just failed
  Duration attach_pause_;
  Duration ask_again_;  // without an answer for that long
  ModeCounters counters_;
};

}  // namespace pipedup
