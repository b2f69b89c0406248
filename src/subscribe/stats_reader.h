// Asks an endpoint, round after round, for its streams and their statistics.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/endpoint.h"
#include "net/loop.h"
#include "net/socket.h"
#include "subscribe/question_link.h"
#include "wire/control.h"

namespace pipedup {

struct StatsReaderOptions {
  Endpoint endpoint;
  std::string streams = "*";  ///< those whose names match: see MatchesPattern
  Duration interval{};        ///< from the beginning of a round to that of the next one
  Duration timeout{};         ///< an endpoint that lets a question wait longer is away
};

struct StreamStats {
  control::Stats stats;
  bool ended = false;
};

/// A round is one `list` and, for each stream in turn, one `stats`. It keeps to what a
/// publisher answers a stranger (PROTOCOL.md, "Limits"), so that one of hundreds of streams
/// takes longer. Everything must outlive it. One thread.
class StatsReader {
 public:
  /// Called from the loop when a round is complete.
  using OnRound = std::function<void()>;

  StatsReader(Context& context, EventLoop& loop, StatsReaderOptions options, OnRound on_round);
  ~StatsReader();
  StatsReader(const StatsReader&) = delete;
  StatsReader& operator=(const StatsReader&) = delete;

  const Endpoint& endpoint() const { return link_.endpoint(); }
  /// Complete ones.
  std::size_t rounds() const { return rounds_; }
  /// Of the last complete round, in the order of their names.
  const std::vector<StreamStats>& streams() const { return streams_; }
  /// A question has not been answered in time, and is asked again and again.
  bool away() const;
  /// When it answered last; when this was made, if never.
  TimePoint last_heard() const { return link_.last_heard(); }
  /// Why it does not answer questions, in its words; "" if it does.
  const std::string& refused() const { return refused_; }

 private:
  void BeginRound();
  void Ask(const control::Message& question);
  void AskNow();
  void OnAnswer(const control::Message& answer);
  void OnStreams(const control::Streams& streams);
  void OnStats(const control::Stats& stats);
  void OnError(const control::Error& error);
  void AskNext();
  void EndRound();
  void Tick();

  EventLoop& loop_;
  const StatsReaderOptions options_;
  const OnRound on_round_;
  QuestionLink link_;
  EventLoop::TimerId tick_ = 0;
  EventLoop::TimerId next_ask_ = 0;
  EventLoop::TimerId next_round_ = 0;

  control::Message question_;  // the present one
  bool waiting_ = false;       // for the answer to it
  TimePoint asked_{};          // on this connection
  TimePoint silent_since_{};   // nothing was answered since then, whatever was asked
  TimePoint paced_until_{};    // when all that was asked so far is paid for

  TimePoint round_began_{};
  std::string listed_to_;                      // the last name of the list
  std::size_t listed_ = 0;                     // names in it
  std::vector<control::ListedStream> to_ask_;  // of this round
  std::vector<StreamStats> answered_;          // of those, the first ones
  std::size_t asked_streams_ = 0;
  std::size_t rounds_ = 0;
  std::vector<StreamStats> streams_;
  std::string refused_;
};

}  // namespace pipedup
