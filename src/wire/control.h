// Control messages, DEALER <-> ROUTER: one frame of JSON each.
// Normative text: src/wire/PROTOCOL.md, "Control messages". Pure: no sockets, files or clocks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "pipedup/types.h"

namespace pipedup::control {

inline constexpr int kProtocolVersion = 1;
inline constexpr std::size_t kMaxRequestBytes = 8 * 1024;        ///< subscriber to publisher
inline constexpr std::size_t kMaxAnswerBytes = 1024 * 1024;      ///< publisher to subscriber
inline constexpr std::uint64_t kMaxReadBytes = 4 * 1024 * 1024;  ///< `max` of one read
inline constexpr int kMaxReadsOutstanding = 2;
inline constexpr std::size_t kMaxNameBytes = 256;  ///< of somebody, for people
inline constexpr std::size_t kMaxPast = 16;
inline constexpr std::size_t kMaxPath = 256;  ///< relays in a row
inline constexpr std::size_t kMaxCodecs = 16;
inline constexpr std::size_t kMaxReplicas = 16;
inline constexpr std::size_t kMaxStreamsBytes = 8 * 1024;  ///< one answer to List

enum class Role : std::uint8_t { kSub, kTap, kRelay, kTop };
enum class Mode : std::uint8_t { kJoining, kCatchUp, kLive, kAttached, kEnded };
std::string_view ToText(Role role);
std::string_view ToText(Mode mode);
std::string_view ToText(RecordFormat format);
std::optional<Role> ParseRole(std::string_view text);
std::optional<RecordFormat> ParseRecordFormat(std::string_view text);

// ---- from a subscriber ----

struct Hello {
  int version = kProtocolVersion;
  std::string id;                     ///< random, 1 to 64 hex digits; the same for a life
  std::optional<std::string> stream;  ///< none: "the one you have"
  std::string name;                   ///< at most 256 bytes, as are host
  std::string host;
  std::int64_t pid = 0;
  Role role = Role::kSub;
  std::vector<std::string> codecs = {};  ///< that it reads besides none, at most kMaxCodecs
  bool operator==(const Hello&) const = default;
};

/// Where a read begins.
struct ReadFrom {
  enum class Kind : std::uint8_t {
    kPosition,  ///< at `value`
    kLast,      ///< at the first byte of the `value`th record from the end; 0: after the last
    kSince,     ///< at the first block published at or after `value`, ns since the epoch
  };
  Kind kind = Kind::kPosition;
  std::uint64_t value = 0;
  bool operator==(const ReadFrom&) const = default;
};

/// A session that the one there is goes on with, at the position `end`.
struct Past {
  SessionId session = 0;
  Position end = 0;
  bool operator==(const Past&) const = default;
};

/// Answered by block messages and then `Done` with the same `request`. `max` 0 is a ping.
struct Read {
  std::uint64_t request = 0;  ///< chosen by the subscriber, echoed in the answer
  SessionId session = 0;
  ReadFrom from;
  std::uint64_t max = 0;  ///< bytes; the publisher sends at most this much
  bool operator==(const Read&) const = default;
};

struct Status {
  SessionId session = 0;
  Position position = 0;   ///< every byte before it was taken by the consumer, or reported lost
  std::uint64_t lost = 0;  ///< bytes reported lost so far
  Mode mode = Mode::kJoining;
  bool operator==(const Status&) const = default;
};

struct StatsRequest {
  std::optional<std::string> stream = {};  ///< none: of a member its own, else the first one
  bool operator==(const StatsRequest&) const = default;
};

/// What streams are there: answered `Streams`. Needs no membership.
struct List {
  std::string after;  ///< only those whose names sort behind it; empty: all
  bool operator==(const List&) const = default;
};

struct Bye {
  bool operator==(const Bye&) const = default;
};

// ---- from a publisher ----

struct Welcome {
  int version = kProtocolVersion;
  std::string stream;
  SessionId session = 0;
  Position tail = 0;
  Position head = 0;
  RecordFormat records = RecordFormat::kLines;
  std::string codec = "none";
  std::string data;     ///< endpoint of the data socket; empty: as the subscriber was told
  std::string journal;  ///< directory, for a peer on this machine; empty: none
  std::int64_t started_ns = 0;
  std::int64_t now_ns = 0;  ///< the publisher's clock, for "since"
  bool ended = false;
  std::vector<Past> past = {};  ///< oldest first, at most kMaxPast
  /// Ids of the relays between the publisher and the one that says this, which is the last.
  std::vector<std::string> path = {};
  /// Everything before it has been published, though a relay may not have it yet; no less than
  /// `head` says.
  Position reached = 0;
  std::uint32_t heartbeat_ms = 500;
  std::uint64_t window = 0;  ///< bytes unconfirmed before the producer waits; 0: never waits
  bool operator==(const Welcome&) const = default;
};

struct Refused {
  std::string code;  ///< auth, version, full, stream, codec
  std::string reason;
  bool operator==(const Refused&) const = default;
};

struct Done {
  enum class Outcome : std::uint8_t {
    kOk,            ///< the range was sent; `next` follows it
    kGone,          ///< the asked position is no longer kept; `tail` is the oldest that is
    kWrongSession,  ///< `session` is the one there is
  };
  std::uint64_t request = 0;
  Outcome outcome = Outcome::kOk;
  SessionId session = 0;
  Position next = 0;
  Position tail = 0;  ///< with kGone: where it goes on, which may be behind a damaged range
  Position head = 0;
  bool ended = false;       ///< nothing will be published after `head`
  std::string reason = {};  ///< with kGone: why, for people; empty: retention has passed it
  bool operator==(const Done&) const = default;
};

/// Unasked: the publisher no longer waits for this subscriber.
struct LetGo {
  std::string reason;
  bool operator==(const LetGo&) const = default;
};

/// The request could not be served: unknown op, malformed, or from no member (`unknown-member`:
/// say hello again).
struct Error {
  std::string code;  ///< see PROTOCOL.md, "error"
  std::string reason;
  std::optional<std::uint64_t> request = {};  ///< of the Read that it is about
  bool operator==(const Error&) const = default;
};

struct ListedStream {
  std::string stream;
  SessionId session = 0;
  bool ended = false;  ///< nothing will be published any more
  bool operator==(const ListedStream&) const = default;
};

/// In the order of their names (as bytes).
struct Streams {
  std::vector<ListedStream> streams;
  bool more = false;  ///< others follow: they are had by List with the last name
  bool operator==(const Streams&) const = default;
};

enum class ReplicaState : std::uint8_t { kLeader, kCurrent, kBehind, kAway };
std::string_view ToText(ReplicaState state);

/// A server that keeps a copy of the stream.
struct Replica {
  std::string name;
  ReplicaState state = ReplicaState::kCurrent;
  bool operator==(const Replica&) const = default;
};

struct SubscriberRow {
  std::string id, name, host, address;
  std::string key;  ///< name of the key that it was let in with; empty without keys
  std::int64_t pid = 0;
  Role role = Role::kSub;
  Mode mode = Mode::kJoining;
  Position position = 0;
  std::uint64_t lag_bytes = 0;
  double lag_seconds = 0;
  std::uint64_t lost = 0;
  bool holds = false;                  ///< the producer waits for it
  std::vector<Replica> replicas = {};  ///< of a cluster, at most kMaxReplicas
  bool operator==(const SubscriberRow&) const = default;
};

struct Stats {
  std::string stream;
  SessionId session = 0;
  Position tail = 0;
  Position head = 0;
  std::map<std::string, std::uint64_t> counters;
  std::vector<SubscriberRow> subscribers;  ///< those that lag most come first
  std::uint64_t subscribers_total = 0;  ///< may exceed the rows, which stop at kMaxAnswerBytes
  bool operator==(const Stats&) const = default;
};

using Message = std::variant<Hello, Read, Status, StatsRequest, List, Bye, Welcome, Refused,
                             Done, LetGo, Error, Streams, Stats>;

/// The JSON of `message`; of Streams as many as fit into kMaxStreamsBytes. Text that is not
/// UTF-8 is sent with U+FFFD in place of the bad bytes.
std::string Encode(const Message& message);

/// What was wrong with a frame. `unknown_op`: well-formed, but no op that this version knows.
struct ParseFailure {
  bool unknown_op = false;
  std::string reason;
};

using ParseResult = std::variant<Message, ParseFailure>;

/// Decodes one message. Unknown members are ignored; missing or out-of-range ones are failures.
/// Never throws, whatever the bytes are.
[[nodiscard]] ParseResult Parse(ByteSpan frame);

}  // namespace pipedup::control
