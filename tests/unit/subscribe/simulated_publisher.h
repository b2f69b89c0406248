// A publisher without sockets: a real journal in private memory, and two channels that lose
// things.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "journal/journal.h"
#include "wire/control.h"

namespace pipedup {

/// What can go wrong in a run, as chances from 0 to 1.
struct Faults {
  double drop_live = 0;      ///< of each live message, head or end
  double damage_live = 0;    ///< of each live block: it arrives as one that did not pass
  double lose_answer = 0;    ///< of each answer but blocks: welcome, done, error
  double forget_member = 0;  ///< of each read: the publisher thinks that the subscriber is dead
};

/// The bytes of one session, and which of them end records.
struct Session {
  SessionId id = 0;
  std::string bytes;
  RecordFormat format = RecordFormat::kLines;
  bool ended = false;

  std::uint64_t RecordsBefore(Position at) const {
    if (format == RecordFormat::kRaw) return 0;
    const char delimiter = format == RecordFormat::kNul ? '\0' : '\n';
    std::uint64_t records = 0;
    for (Position i = counted_to_; i < at; ++i) records += bytes[i] == delimiter;
    if (at >= counted_to_) {
      counted_ += records;
      counted_to_ = at;
      return counted_;
    }
    return static_cast<std::uint64_t>(
        std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at), delimiter));
  }
  bool IsBoundary(Position at) const {
    if (at == 0 || format == RecordFormat::kRaw) return true;
    return bytes[at - 1] == (format == RecordFormat::kNul ? '\0' : '\n');
  }

 private:
  mutable Position counted_to_ = 0;
  mutable std::uint64_t counted_ = 0;
};

/// Answers as src/publish does: ranges a block at a time and in the order of the reads, so that
/// retention may pass in the middle of one.
class SimulatedPublisher {
 public:
  struct LiveMessage {
    BlockHeader header;
    SharedBytes payload;
    bool damaged = false;
  };
  struct ReplayBlock {
    BlockHeader header;
    SharedBytes payload;
  };
  using Answer = std::variant<control::Welcome, control::Done, control::Error, ReplayBlock>;

  SimulatedPublisher(Session& session, std::uint64_t retain_bytes, Faults faults,
                     std::mt19937_64& random, const std::int64_t* wall_ns)
      : session_(session), faults_(faults), random_(random), wall_ns_(wall_ns) {
    JournalOptions options;
    options.session = session.id;
    options.records = session.format;
    options.retain_bytes = retain_bytes;
    options.checksum = false;  // of no interest here, and half of the time
    options.wall_clock = [this] { return *wall_ns_; };
    options.warn = [](const std::string&) {};
    journal_ = std::make_unique<Journal>(options);
    journal_->OnBlock([this](const Block& block) { SendLive(block.header, block.payload); });
  }

  // ---- what the producer does ----

  void Produce(std::string_view bytes, bool all) {
    session_.bytes += bytes;
    Copy(bytes, all);
  }
  /// The same of bytes that the session has already, from another one that publishes it.
  void Copy(std::string_view bytes, bool all) {
    journal_->Append(AsBytes(bytes));
    journal_->PublishFinished();
    if (all) journal_->PublishAll();
  }
  void End() {
    journal_->PublishAll();
    session_.ended = ended_ = true;
    SendHead();
  }
  void SendHead() { SendLive(HeadHeader(), {}); }

  // ---- what arrives from the subscriber ----

  void Subscribed(bool subscribed) { subscribed_ = subscribed; }
  void Hello() {
    member_ = true;
    reads_.clear();
    control::Welcome welcome;
    welcome.stream = "demo";
    welcome.session = session_.id;
    welcome.tail = journal_->tail();
    welcome.head = journal_->head();
    welcome.records = session_.format;
    welcome.now_ns = *wall_ns_;
    welcome.ended = ended_;
    Send(welcome);
  }
  void Read(const control::Read& read) {
    if (Chance(faults_.forget_member)) member_ = false;
    if (!member_) {
      Send(control::Error{"unknown-member", ""});
    } else if (read.session != session_.id) {
      Send(MakeDone(read.request, control::Done::Outcome::kWrongSession, 0));
    } else if (read.max == 0) {
      Send(MakeDone(read.request, control::Done::Outcome::kOk, 0));
    } else if (reads_.size() >= 4) {
      Send(control::Error{"too-many-reads", ""});
    } else {
      reads_.push_back({read, false, 0, read.max});
    }
  }
  /// The connection is gone, with what is on its way.
  void Disconnect() {
    subscribed_ = false;
    reads_.clear();
    live.clear();
    answers.clear();
  }

  /// Sends one block of the oldest read, or its done. False if there is nothing to do.
  bool Serve() {
    if (reads_.empty()) return false;
    Pending& pending = reads_.front();
    if (!pending.started && !Start(pending)) return true;
    const std::uint64_t request = pending.read.request;
    if (pending.next < journal_->tail()) {
      Send(MakeDone(request, control::Done::Outcome::kGone, pending.next));
      reads_.pop_front();
    } else if (pending.left == 0 || pending.next >= journal_->head()) {
      if (ended_ && pending.next >= journal_->head()) {
        answers.push_back(ReplayBlock{HeadHeader(), {}});
      }
      Send(MakeDone(request, control::Done::Outcome::kOk, pending.next));
      reads_.pop_front();
    } else {
      const auto block = journal_->Read(pending.next, static_cast<std::size_t>(pending.left));
      pending.next += block->header.length;
      pending.left -= block->header.length;
      answers.push_back(ReplayBlock{block->header, block->payload});
    }
    return true;
  }

  bool ended() const { return ended_; }
  const Journal& journal() const { return *journal_; }
  void set_faults(const Faults& faults) { faults_ = faults; }

  std::deque<LiveMessage> live;  ///< on the way to the subscriber
  std::deque<Answer> answers;

 private:
  struct Pending {
    control::Read read;
    bool started;
    Position next;
    std::uint64_t left;
  };

  bool Chance(double p) {
    return p > 0 && std::uniform_real_distribution<double>(0, 1)(random_) < p;
  }

  void SendLive(const BlockHeader& header, const SharedBytes& payload) {
    if (!subscribed_ || Chance(faults_.drop_live)) return;
    live.push_back({header, payload, header.length > 0 && Chance(faults_.damage_live)});
  }
  void Send(Answer answer) {
    if (!Chance(faults_.lose_answer)) answers.push_back(std::move(answer));
  }

  BlockHeader HeadHeader() const {
    BlockHeader header;
    header.kind = ended_ ? BlockKind::kEndOfStream : BlockKind::kHead;
    header.session = session_.id;
    header.position = journal_->head();
    header.records_before = journal_->records();
    header.time_ns = *wall_ns_;
    return header;
  }
  control::Done MakeDone(std::uint64_t request, control::Done::Outcome outcome, Position next) {
    return {request, outcome, session_.id, next, journal_->tail(), journal_->head(), ended_};
  }
  bool Start(Pending& pending) {
    const control::ReadFrom& from = pending.read.from;
    switch (from.kind) {
      case control::ReadFrom::Kind::kPosition:
        pending.next = std::min(from.value, journal_->head());
        break;
      case control::ReadFrom::Kind::kLast:
        if (const auto at = journal_->FindLast(from.value)) {
          pending.next = *at;
          break;
        }
        Send(control::Error{"no-records", ""});
        reads_.pop_front();
        return false;
      case control::ReadFrom::Kind::kSince:
        pending.next = journal_->FindSince(static_cast<std::int64_t>(from.value));
        break;
    }
    pending.started = true;
    return true;
  }

  Session& session_;
  Faults faults_;
  std::mt19937_64& random_;
  const std::int64_t* wall_ns_;
  std::unique_ptr<Journal> journal_;
  std::deque<Pending> reads_;
  bool ended_ = false;
  bool subscribed_ = false;
  bool member_ = false;
};

}  // namespace pipedup
