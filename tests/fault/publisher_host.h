// The publisher of a run, over all its lives: feeds it, kills it, starts it again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fault/account.h"
#include "fault/place.h"
#include "fault/schedule.h"
#include "support/programs.h"

namespace pipedup::test {

/// Its producer goes on, after each restart, at the byte after the last one that the journal
/// still has: so that what a session holds is always a beginning of one content.
class PublisherHost {
 public:
  PublisherHost(const Schedule& schedule, const Broken& broken, const Place& place);

  /// Throws std::runtime_error if it does not come to listen.
  void Start();
  /// Writes what is due at `now`, as much as is read.
  void Feed(Clock::time_point now);
  /// The producer has ended.
  void End() { program_->CloseInput(); }

  enum class Death : std::uint8_t { kProcess, kMachine };
  /// After its death, however it came: the next life, or another session. `told`: the highest
  /// position that any subscriber has reached in the session, which must not be lost.
  void StartAgain(Death death, std::uint64_t told, const std::vector<Damage>& damages);

  Program& program() { return *program_; }
  std::uint16_t port() const { return port_; }
  const std::string& session() const { return session_; }
  const Sessions& sessions() const { return sessions_; }
  std::uint64_t produced() const { return sessions_.at(session_).produced; }
  bool all_produced() const;
  /// What it did that it must not, apart from what subscribers notice.
  const std::vector<std::string>& violations() const { return violations_; }
  /// What was done to its files.
  const std::vector<std::string>& damages() const { return damages_; }
  std::string log() const;

 private:
  Command MakeCommand() const;
  void GoOn(const std::string& old_session, bool must_keep, std::uint64_t told, bool damaged);
  void NewSession(const std::string& old_session);

  const Schedule& schedule_;
  const Broken& broken_;
  const Place& place_;
  const std::uint16_t port_ = OwnPortPair();
  std::unique_ptr<Program> program_;
  std::string session_;
  Sessions sessions_;
  std::size_t lives_ = 0;
  std::size_t machines_ = 0;  // that have crashed
  std::uint64_t fed_ = 0;     // bytes since paced_
  Clock::time_point paced_;
  std::vector<std::string> violations_;
  std::vector<std::string> damages_;
  std::vector<std::string> logs_;
};

}  // namespace pipedup::test
