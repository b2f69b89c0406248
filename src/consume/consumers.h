// Output to programs that this process runs: each is a position in a local journal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consume/consumer.h"
#include "consume/output.h"
#include "consume/position_map.h"
#include "consume/write_notes.h"
#include "journal/directory.h"
#include "journal/journal.h"
#include "net/loop.h"

namespace pipedup {

class ConsumersEvents : public OutputEvents {
 public:
  /// It is `behind` bytes behind and has begun to lose data; how much, OnConsumerGap says when
  /// it goes on or ends. Unlike the others, these two may be called from within Push, and the
  /// second from the destructor.
  virtual void OnConsumerPassed(const std::string& consumer, std::uint64_t behind) = 0;
  virtual void OnConsumerGap(const std::string& consumer, const Gap& gap) = 0;
  /// Started again after `again`, if that is set.
  virtual void OnConsumerEnded(const std::string& consumer, int exit_status,
                               std::optional<Duration> again) = 0;
  virtual void OnConsumerNotStarted(const std::string& why) = 0;
  virtual void OnJournalWarning(const std::string& text) = 0;
};

struct ConsumersOptions {
  struct Command {
    std::string name;  ///< for people
    std::vector<std::string> argv;
  };
  std::vector<Command> commands;  ///< at least one
  Restart restart = Restart::kNever;
  int output = 1;  ///< what becomes their stdout
  /// Told of what is written to them; nullptr: nobody. Of several consumers, what is said to be
  /// taken is what the slowest has, and to be under way what the fastest has beyond that.
  WriteNotes* notes = nullptr;
};

/// Received bytes go into a journal of this process, in memory, and each consumer reads it at
/// its own pace: one that is slow, stopped, dead or restarting does not touch the others.
///
/// The pace of the stream (queued()) is that of the fastest consumer there is. A single one is
/// never passed: it makes the subscriber slow, and what it has not taken stays with the
/// publisher. With several, the last kHoldBytes are held for the slower ones; one that falls
/// further behind is passed, which is said at once, and its loss reported exactly, which is as
/// one gap when that is over. The other choice, to follow the
/// slowest, would let one stopped consumer stop all the others.
///
/// What the publisher is told (mark()) is the position of the slowest. A consumer that leaves
/// early does not count any more, for either.
class Consumers final : public Output {
 public:
  static constexpr std::uint64_t kHoldBytes = 64 * 1024 * 1024;

  /// Makes the journal and starts all consumers. Throws Error if one cannot be run.
  Consumers(EventLoop& loop, ConsumersOptions options, ConsumersEvents& events);

  void Push(SharedBytes bytes, SessionId session, Position from, Position to) override;
  void Finish() override;
  void Abort() override;
  std::uint64_t queued() const override;
  Mark mark() const override { return mark_; }
  bool drained() const override;
  bool open() const override;
  bool done() const override;
  /// The first that is not 0, in the order of the commands.
  int exit_status() const override;
  std::string error() const override { return ""; }
  std::uint64_t written() const override;
  bool runs_programs() const override { return true; }
  void Signal(int number) override;
  void OnEnded(const Ended& ended) override;
  std::uint64_t lost_bytes() const override { return lost_bytes_; }

 private:
  /// Positions of those that have taken everything so far, and go on.
  struct Span {
    Position slowest = 0;
    Position fastest = 0;
    std::size_t count = 0;
  };
  JournalOptions MakeJournalOptions(std::size_t consumers);
  Span Living() const;
  void Add(ConsumerOptions options);
  void OnChange();
  void OnGap(std::size_t index, const std::string& consumer, Position from, Position to);
  void Note();
  void NoteTaken(Position writing_to = 0);
  void ForgetSettled();

  EventLoop& loop_;
  ConsumersEvents& events_;
  WriteNotes* const notes_;
  std::optional<JournalDirectory> directory_;
  Journal journal_;
  PositionMap map_;
  Position settled_ = 0;  // the journal's tail when map_ last forgot
  std::vector<std::vector<LocalRange>>
      told_;  // of each consumer: gaps, near what it may report
  std::uint64_t lost_bytes_ = 0;
  std::uint64_t passed_bytes_ = 0;  // the same, of the journal
  Mark mark_;
  bool quiet_ = true;  // within Push, or being made
  std::vector<std::unique_ptr<Consumer>> consumers_;
};

}  // namespace pipedup
