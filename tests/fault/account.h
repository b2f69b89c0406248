// What a subscriber did over all its lives, held against what was produced.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fault/schedule.h"
#include "support/programs.h"

namespace pipedup::test {

/// From the start of a subscriber to its end.
struct Life {
  std::vector<Json> events = {};  ///< all that it said
  std::string log = {};
  int status = kStillRunning;
  bool killed = false;          ///< by a fault: it could neither finish nor say totals
  bool cut_short = false;       ///< told to end before the end of the stream
  bool cursor_damaged = false;  ///< before it: it may have begun anew
  bool publisher_gone = false;  ///< when it ended there was nobody left to read from
  /// What each output got: one, or one per consumer. With a cursor every life adds to the
  /// same output, and these are all bytes up to the life's end.
  std::vector<std::string> delivered = {};
  std::vector<bool> consumer_killed = {};  ///< for good
  bool another_consumer = false;           ///< one was killed, and another one is to be started
};

bool IsEvent(const Json& event, std::string_view name);
bool HasSaid(const Life& life, std::string_view name);

/// What the sessions that there were had in them.
struct Session {
  std::string content;         ///< that was to be produced
  std::uint64_t produced = 0;  ///< of it: this is the session
};
using Sessions = std::map<std::string, Session>;

struct Checks {
  char delimiter = '\n';
  bool nothing_may_be_lost = false;
  bool records_may_be_unknown = false;  ///< the journal's label was damaged
};

/// Equation and exit status of every life. "" if all is right, else the first thing that is
/// not.
std::string CheckSubscriber(const SubscriberPlan& plan, const std::vector<Life>& lives,
                            const Sessions& sessions, const Checks& checks);

/// Which position of `session` the life has reached in its first output, as far as it can be
/// told from what it said: everything before it was delivered or reported lost.
std::uint64_t ReachedPosition(const std::vector<Life>& lives, const std::string& session);

}  // namespace pipedup::test
