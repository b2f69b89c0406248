#include "fault/publisher_host.h"

#include <algorithm>
#include <stdexcept>

#include "base/sanitizer.h"
#include "fault/machine.h"
#include "support/content.h"

namespace pipedup::test {
namespace {

using std::to_string;

constexpr std::size_t kPaceBytes = 16 * 1024;
// Programs that are watched by a sanitizer need several times as long to come to their end.
constexpr const char* kLinger = kSanitized ? "15s" : "3s";

}  // namespace

PublisherHost::PublisherHost(const Schedule& schedule, const Broken& broken, const Place& place)
    : schedule_(schedule), broken_(broken), place_(place) {}

Command PublisherHost::MakeCommand() const {
  const PublisherPlan& plan = schedule_.publisher;
  Command command;
  command.argv = {PublisherBinary(), "-v", "--log-format", "json"};
  const auto add = [&command](const Words& words) {
    command.argv.insert(command.argv.end(), words.begin(), words.end());
  };
  add({"--bind", "tcp://127.0.0.1:" + to_string(port_)});
  add({"--slow", plan.wait ? "wait" : "drop"});
  add({"--retain", to_string(plan.retain_mib) + "MiB"});
  add({"--records", plan.delimiter == '\0' ? "nul" : "lines"});
  add({"--wait-subs", to_string(schedule_.subscribers.size()), "--wait-timeout", "4s"});
  // Whoever begins anew leaves somebody behind who is waited for until then.
  add({"--linger", kLinger, "--stall-limit",
       schedule_.SomebodyBeginsAnew() ? "1500ms" : "30s"});
  if (plan.journal) add({"--journal", place_.journal(), "--fsync", plan.fsync});
  if (!plan.checksum || broken_.no_checksum) add({"--no-checksum"});

  std::string rules = broken_.publisher_rules;
  Variables more;
  if (lives_ == 0) {
    rules += plan.rules;
    if (plan.space) more["FAULT_SPACE"] = to_string(*plan.space);
  }
  if (schedule_.kind == Kind::kPowerLoss) {
    more["FAULT_SHADOW"] = place_.shadow();
    more["FAULT_BOOT_ID"] = "00000000-0000-0000-0000-00000000000" + to_string(machines_);
  }
  command.environment =
      FileFaults(plan.journal ? place_.journal() : place_.runtime(), rules, more, place_);
  command.environment["XDG_RUNTIME_DIR"] = place_.runtime();
  command.input = Stdio::Pipe();
  return command;
}

void PublisherHost::Start() {
  program_ = std::make_unique<Program>(MakeCommand());
  ++lives_;
  const auto listening = program_->WaitForEvent("listening");
  if (!listening) {
    throw std::runtime_error("the publisher does not listen, status " +
                             to_string(program_->Wait()));
  }
  const std::string old_session = session_;
  session_ = listening->at("session");
  if (!sessions_.contains(session_)) NewSession(old_session);
  paced_ = Clock::now();
  fed_ = 0;
}

/// What comes of a session is told from its number. Where its positions go on from those of an
/// old one, so do its bytes.
void PublisherHost::NewSession(const std::string& old_session) {
  const std::size_t number = sessions_.size();
  const std::size_t bytes = number == 0 ? schedule_.bytes : schedule_.bytes / 2 + 1000;
  Session made;
  if (number > 0 && schedule_.publisher.journal) {
    made.content = sessions_.at(old_session).content.substr(0, JournalHead(place_.journal()));
    made.produced = made.content.size();
  }
  made.content +=
      MakeRecords(schedule_.seed * 100 + number, bytes, schedule_.publisher.delimiter);
  sessions_[session_] = std::move(made);
}

void PublisherHost::Feed(Clock::time_point now) {
  Session& session = sessions_.at(session_);
  const std::uint64_t left = session.content.size() - session.produced;
  std::uint64_t due = left;
  if (schedule_.rate > 0) {
    const double seconds = std::chrono::duration<double>(now - paced_).count();
    const auto allowed =
        static_cast<std::uint64_t>(static_cast<double>(schedule_.rate) * seconds);
    due = std::min(left, allowed > fed_ ? allowed - fed_ : 0);
    // What could not be written in time is not made up for.
    if (due > schedule_.rate / 20 + kPaceBytes) {
      due = schedule_.rate / 20 + kPaceBytes;
      fed_ = allowed - due;
    }
  }
  if (due == 0) return;
  const std::string_view bytes =
      std::string_view(session.content).substr(session.produced, due);
  const std::size_t written = program_->WriteWhatFits(bytes);
  session.produced += written;
  fed_ += written;
}

bool PublisherHost::all_produced() const {
  const Session& session = sessions_.at(session_);
  return session.produced == session.content.size();
}

void PublisherHost::StartAgain(Death death, std::uint64_t told,
                               const std::vector<Damage>& damages) {
  logs_.push_back(program_->log());
  const std::string old_session = session_;
  program_.reset();
  const bool journal = schedule_.publisher.journal;
  if (death == Death::kMachine) {
    ++machines_;
    RestoreFromShadow(place_.journal(), place_.shadow());
  }
  if (broken_.lost_tail > 0) LoseTail(place_.journal(), broken_.lost_tail);
  bool damaged = false;
  for (const Damage& damage : damages) {
    if (const auto done = Inflict(damage, place_.journal())) {
      damages_.push_back(*done);
      damaged = true;
    }
  }
  Start();
  // What it said to be in memory only, or not to be safe, may be gone.
  const bool disk_failed = logs_.back().find("the live stream goes on") != std::string::npos;
  const bool must_keep =
      !disk_failed && (death == Death::kProcess || schedule_.publisher.fsync == "always");
  if (journal) GoOn(old_session, must_keep, told, damaged);
}

void PublisherHost::GoOn(const std::string& old_session, bool must_keep, std::uint64_t told,
                         bool damaged) {
  const std::uint64_t head = JournalHead(place_.journal());
  Session& session = sessions_.at(session_);
  if (session_ != old_session) {
    if (must_keep && !damaged) {
      violations_.push_back("session " + old_session + " did not go on; " + session_ +
                            " began");
    }
    return;
  }
  if (head > session.produced) {
    violations_.push_back("the journal has " + to_string(head) + " bytes, more than the " +
                          to_string(session.produced) + " that were produced");
    return;
  }
  if (head < told && must_keep && !damaged) {
    violations_.push_back("the journal goes on at " + to_string(head) +
                          ", and subscribers had been given bytes up to " + to_string(told));
  }
  session.produced = head;
  const std::uint64_t tail = JournalTail(place_.journal());
  const std::string bytes = JournalBytes(place_.journal());
  if (!damaged && damages_.empty() && session.content.substr(tail, head - tail) != bytes) {
    violations_.push_back("cat *.log is not the stream from " + to_string(tail) + " to " +
                          to_string(head) + ": " + to_string(bytes.size()) + " bytes");
  }
}

std::string PublisherHost::log() const {
  std::string all;
  for (std::size_t i = 0; i < logs_.size(); ++i) {
    all += "---- publisher, life " + to_string(i) + "\n" + logs_[i];
  }
  return all + "---- publisher, last life\n" + (program_ ? program_->log() : "");
}

}  // namespace pipedup::test
