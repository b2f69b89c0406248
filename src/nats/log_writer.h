// A stream's blocks → a cluster's log, in order, each once. A thread of its own.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "journal/journal.h"
#include "nats/log.h"

namespace pipedup::nats {

/// Where a log ends, and the session that goes on there.
struct Continuation {
  SessionId session = 0;
  std::vector<PastSession> past = {};
  Position position = 0;
  std::uint64_t records = 0;   ///< that ended before it
  std::uint64_t sequence = 0;  ///< of the newest message; 0: none
  std::size_t max_bytes = 0;   ///< of a message
  /// What the log that was there has otherwise than it was asked for, for people; "": nothing.
  std::string differs = {};
};

/// Makes the log if it is not there, and a mark in it by which whoever else writes to it learns
/// that it does not any more. A session that its publisher has left in order, or ended, goes
/// on. Any other may have been seen by subscribers further than the cluster has it: it goes on
/// as `fresh`, and readers are told from which position. `note`: without sessions of the past.
/// Waits for the cluster for `patience` at most; throws Error.
Continuation OpenLog(const LogOptions& options, Note note, SessionId fresh, Duration patience);

class LogWriter {
 public:
  /// What has become of it.
  struct State {
    enum class Link : std::uint8_t {
      kAway,    ///< the cluster does not answer, or has no quorum: it is tried again
      kThere,   ///< it takes what comes
      kFenced,  ///< another publisher writes to the log: this one never will again
    };
    Link link = Link::kAway;
    std::string text;        ///< why it is away or fenced; else to which server
    Position confirmed = 0;  ///< everything before it is in the log, or was lost before it came
    bool ended = false;      ///< so is what Finish was called with
    std::optional<Position> tail = {};  ///< where the log begins, as it was seen last
    /// Where it is kept, as the leader has said since the link was made.
    std::vector<control::Replica> replicas = {};
  };

  /// `notify`: called in its thread when the state has changed. Everything is copied.
  LogWriter(LogOptions options, Continuation from, Note note, std::function<void()> notify);
  /// What was not confirmed by now is not in the log, or is.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  /// So much is under way that more should not come: 8 MiB, or 1,000 blocks.
  bool full() const;
  /// Data, that follows what came before or leaves a hole, which is lost.
  void Push(Block block);
  /// Nothing more comes: a block that ends the stream, or a head, as which the session is left.
  void Finish(const BlockHeader& last);
  State state() const;
  /// Bytes that the log lacks though it has what is behind them, as they were found since the
  /// last call: somebody else has written to it meanwhile.
  struct Range {
    Position from = 0;
    Position to = 0;
  };
  std::vector<Range> TakeLacks();

 private:
  struct Item {
    BlockHeader header;
    SharedBytes bytes;
    bool left = false;
    bool acknowledged = false;
    TimePoint sent = {};
  };

  void Run();
  void Serve();
  bool ResumeAt(Log& log);
  std::set<Position> Stored(Log& log, const LogState& state, const Entry& last);
  void SendWhatFits(Connection& connection, const std::string& inbox);
  bool OnLetter(const std::string& inbox, const Message& message);
  bool Acknowledge(std::uint64_t number, const Message& message);
  void Look(Connection& connection, const Log& log, const std::string& inbox);
  void OnHead(const LogState& state);
  void OnFirst(const Message& message);
  void StayInLog();
  void SendHead(Connection& connection);
  void Announce(State::Link link, const std::string& text);
  bool stopped() const;

  const LogOptions options_;
  const Continuation from_;
  const Note note_;
  const std::function<void()> notify_;
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();

  mutable std::mutex mutex_;
  std::deque<Item> items_;   // neither sent, nor acknowledged, nor both
  std::uint64_t bytes_ = 0;  // of them
  bool finishing_ = false;
  bool stopped_ = false;
  State state_;
  std::vector<Range> lacks_;

  // The thread's:
  std::size_t sent_ = 0;          // of items_
  std::uint64_t first_ = 0;       // number of items_.front(), of all that there ever were
  std::uint64_t sequence_ = 0;    // of the message behind which items_.front() belongs
  std::uint64_t records_ = 0;     // that end before what is confirmed
  TimePoint acknowledged_{};      // something was, last
  Duration log_age_{0};           // after which its messages expire; 0: never
  std::uint64_t log_first_ = 0;   // its oldest message
  std::uint64_t first_seen_ = 0;  // of which state_.tail is
  std::thread thread_;
};

}  // namespace pipedup::nats
