// What the machines that read one stream from several endpoints share: how far it has been
// read, who of them asks for what is missing, and when a range is lost. Pure, as they are.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "pipedup/types.h"
#include "wire/block_header.h"
#include "wire/control.h"

namespace pipedup {

class ModeMachine;

/// How far a stream has been read, from whomever.
struct Progress {
  SessionId session = 0;  ///< 0: none was met
  std::optional<control::ReadFrom>
      unresolved;                  ///< where to begin, when only the publisher knows
  bool resuming = false;           ///< nobody has said yet whether `session` is still there
  bool begun = false;              ///< `position` is where the next byte belongs
  bool aligned = false;            ///< `position` is where a record begins, or was once
  Position position = 0;           ///< every byte before it was delivered or reported lost
  std::uint64_t records = 0;       ///< that ended before `position`
  bool records_known = false;      ///< else nothing has told yet
  std::int64_t last_time_ns = 0;   ///< publish time of the last block taken
  Position known_head = 0;         ///< the furthest that any endpoint has spoken of
  std::optional<BlockHeader> end;  ///< of the stream, once announced
  const ModeMachine* end_from = nullptr;      ///< by whom
  std::optional<Position> went_on;            ///< an end that was none
  const ModeMachine* went_on_from = nullptr;  ///< as this one has shown
  bool ended = false;                         ///< at `end`, and said so
  std::optional<Gap> pending_gap;  ///< waits for the block behind it, which tells its records
};

/// One for each stream that is read. A machine has one of its own until it is told to share
/// that of another. Then all of them move the same position: what one takes is a duplicate for
/// the others, and nothing is lost as long as one of them may still get it.
///
/// Whoever calls a machine that shares calls Settle next, so that the others hear of what has
/// moved. One thread.
class SharedStream {
 public:
  void Add(ModeMachine* machine);
  void Remove(const ModeMachine* machine);
  bool several() const { return machines_.size() > 1; }

  Progress progress;
  std::uint64_t lost_bytes = 0;  ///< reported, of all sessions
  /// Something in `progress` has changed.
  void Moved();
  /// The others are to look again, although nothing has moved.
  void Nudge() { ++version_; }
  /// Tells every machine what has moved since it was told last.
  void Settle(TimePoint now);

  // ---- what a machine asks; each answer is yes where it is alone ----

  /// It may ask for a range: nobody else brings the stream forward.
  [[nodiscard]] bool MayAsk(const ModeMachine& machine, TimePoint now);
  /// It does not ask any more.
  void Release(const ModeMachine& machine);
  /// Time between two pieces of an answer: several of them make a stall.
  void NoteAnswer(Duration took);
  /// Its publisher no longer has what comes before `to`. How far all of them have lost the
  /// stream: no further than where it stands while another may still have that.
  Position LostUpTo(const ModeMachine& machine, Position to, TimePoint now);

  // ---- and what is no where it is alone ----

  /// Another one is still heard that reads the session.
  [[nodiscard]] bool HeldElsewhere(const ModeMachine& machine, TimePoint now) const;
  /// Another one may be let in soon.
  [[nodiscard]] bool OthersMayCome(const ModeMachine& machine, TimePoint now) const;
  /// The session was left for another one.
  [[nodiscard]] bool IsOver(SessionId session) const { return over_.contains(session); }
  void Leave(SessionId session);

 private:
  bool IsServed(const ModeMachine& machine) const;

  std::vector<ModeMachine*> machines_;
  std::uint64_t version_ = 1;
  const ModeMachine* asker_ = nullptr;
  std::optional<TimePoint> waiting_since_;  // nothing has moved, and somebody wants to ask
  Position losing_at_ = 0;                  // where somebody wanted to lose something last,
  TimePoint losing_since_{};                // and since when
  Duration patience_ = std::chrono::milliseconds(200);
  std::set<SessionId> over_;
};

}  // namespace pipedup
