// Who is subscribed: from hello until bye, silence, or a send that fails.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "journal/journal.h"
#include "net/socket.h"
#include "pipedup/types.h"
#include "wire/control.h"

namespace pipedup {

/// What came of asking OlderBlocks.
struct OlderEnd {
  std::optional<control::Done> done;  ///< nothing: it did not answer
  bool any = false;                   ///< blocks came before it
};

/// A range that was asked for and is being sent.
struct PendingRead {
  control::Read read;
  bool started = false;  ///< `next` and `left` are known
  Position next = 0;
  std::uint64_t left = 0;
  // Of what is older than the journal, while OlderBlocks is asked for it:
  std::uint64_t ticket = 0;                ///< of the question; 0: none is under way
  std::deque<Block> older = {};            ///< came, and was not sent yet
  bool any = false;                        ///< some has come
  std::optional<OlderEnd> older_end = {};  ///< behind `older`
};

struct Member {
  std::string id;     ///< chosen by the subscriber; the same through reconnects
  std::string route;  ///< ROUTER's name for its connection; changes with each
  std::deque<std::string> earlier_routes;  ///< of the last few
  std::string name;
  std::string host;
  std::string address;
  std::string key;  ///< name of the key that it was let in with; "" without keys
  std::int64_t pid = 0;
  control::Role role = control::Role::kSub;
  control::Mode mode = control::Mode::kJoining;
  Position position = 0;  ///< confirmed: every byte before it was taken, or reported lost
  bool confirmed_any =
      false;  ///< it has sent a status; until then `position` is the head it met
  std::uint64_t lost = 0;
  bool local = false;                           ///< in this process, and no subscriber
  std::vector<control::Replica> replicas = {};  ///< of a cluster that it keeps the stream in
  /// Bytes that may be unconfirmed before the producer waits for it; 0: as the policy says.
  std::uint64_t window = 0;
  bool restored = false;   ///< of the publisher before this one, and not heard yet
  bool let_go = false;     ///< stalled: not waited for until it has caught up
  bool at_end = false;     ///< has confirmed the end of the stream
  bool was_ready = false;  ///< its last status said that it Receives
  TimePoint heard{};
  TimePoint progressed{};
  std::deque<PendingRead> reads;        ///< asked and not answered, oldest first
  std::shared_ptr<Outstanding> replay;  ///< replayed bytes that its connection still holds

  /// The producer may be made to wait for it.
  bool Counts() const { return role != control::Role::kTap && role != control::Role::kTop; }
  /// It gets what is published from now on, whichever way.
  bool Receives() const {
    return mode == control::Mode::kLive || mode == control::Mode::kAttached;
  }
  /// "'web1' at 10.0.0.7 (key 'ops')", for people.
  std::string Label() const;
};

/// How a member came to be one no more.
enum class Leaving : std::uint8_t {
  kBye,       ///< it said so
  kVanished,  ///< it was silent for too long, or is unreachable
  kRevoked,   ///< its key is no longer allowed
};

/// The members by id and by connection.
class Members {
 public:
  using Map = std::map<std::string, Member>;

  Member* FindByRoute(const std::string& route);
  Member* FindById(const std::string& id);
  /// A new member, or the one with that id, reached through `route` from now on.
  Member& Join(const std::string& id, const std::string& route);
  /// The member has said hello over another connection since `route` was its, and is heard
  /// there: what comes here was held up on the way. If nothing is heard there, the hello that
  /// came last was the one that was held up, and this is where the member is.
  bool IsLate(const std::string& id, const std::string& route, TimePoint now);
  /// One that was a member of the publisher before this one, and has not been heard yet.
  void Restore(Member member);
  void Remove(const std::string& id);
  /// Its connection is gone; it may come back over another one.
  void ForgetRoute(Member& member);
  /// All of them have to say hello again: their connections are gone.
  void ForgetRoutes();

  Map& all() { return by_id_; }
  const Map& all() const { return by_id_; }
  std::size_t size() const { return by_id_.size(); }

 private:
  Map by_id_;
  std::unordered_map<std::string, std::string> id_of_route_;
};

}  // namespace pipedup
