// A stream as a cluster keeps it: a log of blocks, each a message. How it is laid out there,
// and how it is appended to and read.
//
// A stream NAME of JetStream has the subject pipedup.NAME. A message is the bytes of one block,
// as they are; its header is in the message's: see Note. Positions never run backwards from one
// message to the next, and a hole between two of them is lost. What is not data has no bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "journal/layout.h"
#include "nats/cluster.h"
#include "pipedup/types.h"
#include "wire/block_header.h"
#include "wire/control.h"

namespace pipedup::nats {

/// What readers are told of a session: with every message, so that any of them will do.
struct Note {
  std::string stream;  ///< its name, as subscribers of the publisher know it
  RecordFormat records = RecordFormat::kLines;
  std::int64_t started_ns = 0;         ///< of the publisher
  std::vector<PastSession> past = {};  ///< that this one goes on with
  bool left = false;  ///< its publisher stopped in order: the session may go on elsewhere
  /// Of no session, and says nothing: whoever writes without knowing of it has to look anew.
  bool claim = false;
};

/// A message of the log.
struct Entry {
  std::uint64_t sequence = 0;  ///< JetStream's: 1, 2, 3 ...
  BlockHeader header;
  Note note;
  SharedBytes bytes;
};

/// Where the log ends, and what it still has.
struct LogState {
  std::uint64_t first = 0;  ///< sequence of the oldest message; last + 1 if there is none
  std::uint64_t last = 0;   ///< of the newest one there ever was; 0: none
  std::vector<control::Replica> replicas = {};  ///< the leader first, if there is one
  // As it was made, or changed since:
  std::uint64_t num_replicas = 0;
  std::uint64_t max_bytes = 0;  ///< 0: no limit
  Duration age{0};              ///< of the oldest message; 0: no limit
  bool empty() const { return first > last; }
};

struct LogOptions {
  ClusterOptions cluster;
  std::string name;  ///< of JetStream's stream
  // When it is made; one that is there stays as it is.
  std::uint64_t replicas = 3;
  std::uint64_t retain_bytes = 0;  ///< of each replica; 0: no limit
  Duration retain_age{0};          ///< 0: no limit
};

/// A server that does not answer for so long is left for another one.
inline constexpr auto kSilence = std::chrono::seconds(2);
/// Between one connection and the next.
inline constexpr auto kPause = std::chrono::milliseconds(200);

/// The position behind a message.
inline Position EndOf(const BlockHeader& header) {
  return header.kind == BlockKind::kData ? header.end() : header.position;
}

/// "pipedup.NAME", and where its publisher says how far it has got.
std::string SubjectOf(const std::string& name);
std::string HeadSubjectOf(const std::string& name);

/// The headers of a message, with what makes a second copy of it none (its session and
/// position) and its place in the log: it is refused where it is not behind the message of
/// sequence `after`. Where somebody else's has taken that sequence, the message before it is
/// refused, and it is not. (JetStream could be told the id of the one before as well, and its
/// replicas then differ in what they take once one of them has been restarted.)
Headers EncodeEntry(const BlockHeader& header, const Note& note,
                    std::optional<std::uint64_t> after);
/// Nothing if it is no block of the log, or damaged: `*why`.
std::optional<Entry> DecodeEntry(const Message& message, std::uint64_t sequence,
                                 std::string* why);

/// What the cluster says to a message that was appended.
struct Acknowledgement {
  bool stored = false;
  bool misplaced = false;  ///< another message was there first
  std::uint64_t sequence = 0;
  std::string error;
};
Acknowledgement ParseAcknowledgement(const Message& message);

/// What the cluster says of the stream `name`; nothing: there is none. Throws Error if it is no
/// such answer, or the stream is none that pipedup can use.
std::optional<LogState> ParseHead(const std::string& name, const Message& message);

/// The log of a connection. Every call waits for the cluster, at most some seconds, and throws
/// Error where it does not answer, or not as it should.
class Log {
 public:
  Log(Connection& connection, const LogOptions& options)
      : connection_(connection), options_(options) {}

  /// Makes it if it is not there. One that is there has to have the subject, and to let itself
  /// be read directly.
  void Open();
  /// Nothing: there is no such log.
  std::optional<LogState> Head();
  /// The newest block, where the log is as `state` says; nothing if it has none. What others
  /// have written behind it is passed over.
  std::optional<Entry> Last(const LogState& state);
  /// A message without bytes, behind that of sequence `after`, or wherever the log ends. Of
  /// many, and with bytes: Publish what EncodeEntry makes.
  Acknowledgement Append(const BlockHeader& header, const Note& note,
                         std::optional<std::uint64_t> after);
  /// The message, from whichever server has it. Nothing: it has not, or not yet. Damage, and a
  /// claim, is told as an entry without a session.
  std::optional<Entry> Read(std::uint64_t sequence);
  /// The same of one that has been there; waits for servers that lag. Nothing: it is gone.
  std::optional<Entry> ReadSurely(std::uint64_t sequence);
  /// Whether the leader has the message: who says so of a message that is not there, has to
  /// know.
  bool Has(std::uint64_t sequence);

  const std::string& name() const { return options_.name; }

  /// Where to ask for what ParseHead returns, with no text.
  std::string HeadSubject() const;
  /// The request for a message, for who asks for several at once.
  static std::string ReadRequest(std::uint64_t sequence);
  std::string ReadSubject() const;
  /// For the first message from `sequence` on, whichever it is.
  std::string NextRequest(std::uint64_t sequence) const;
  /// Of an answer to either; nothing: there is no such message.
  static std::optional<std::uint64_t> SequenceOf(const Message& answer);
  /// As Read returns it.
  static std::optional<Entry> ParseRead(const Message& answer, std::uint64_t sequence);

 private:
  Connection& connection_;
  const LogOptions& options_;
};

}  // namespace pipedup::nats
