#include "fault/seat.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "support/proc.h"

namespace pipedup::test {
namespace {

using OutputKind = SubscriberPlan::Output;
using std::to_string;

std::vector<Json> AllEvents(const Program& program) {
  std::vector<Json> found;
  for (const std::string& line : program.lines()) {
    Json event = Json::parse(line, nullptr, false);
    if (!event.is_discarded() && event.is_object() && event.contains("event")) {
      found.push_back(std::move(event));
    }
  }
  return found;
}

std::string CommandLine(pid_t pid) {
  const std::string path = "/proc/" + to_string(pid) + "/cmdline";
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 4096> text{};
  const ssize_t count = ::read(fd.get(), text.data(), text.size());
  return std::string(text.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
}

}  // namespace

Seat::Seat(const Schedule& schedule, const Broken& broken, const Place& place,
           std::size_t index, std::uint16_t publisher_port)
    : schedule_(schedule),
      plan_(schedule.subscribers[index]),
      broken_(broken),
      index_(index),
      directory_(place.OfSubscriber(index)),
      place_(place) {
  if (plan_.proxied) {
    proxy_ = std::make_unique<Proxy>(publisher_port, schedule.seed * 10 + index);
  }
  endpoint_ = proxy_ ? proxy_->endpoint() : "tcp://127.0.0.1:" + to_string(publisher_port);
}

// ---- start ----

std::string Seat::OutputPath(std::size_t output) const {
  const std::size_t life = plan_.cursor ? 0 : lives_.size();
  return directory_ + "/life" + to_string(life) + ".out" + to_string(output);
}

void Seat::OpenOutputs() {
  const bool again = plan_.cursor && !lives_.empty();
  if (plan_.output == OutputKind::kPipe && !again) {
    std::array<int, 2> ends{};
    (void)!::pipe2(ends.data(), O_CLOEXEC);
    read_end_ = UniqueFd(ends[0]);
    write_end_ = UniqueFd(ends[1]);
    ::fcntl(read_end_.get(), F_SETFL, O_NONBLOCK);
    piped_.clear();
  } else if (plan_.output == OutputKind::kFile) {
    // As a shell opens it for >> where it is to go on, for > where it is not.
    const int more = plan_.cursor ? O_APPEND : O_TRUNC;
    write_end_ =
        UniqueFd(::open(OutputPath(0).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | more, 0600));
  }
}

/// Longer than anything that a subscriber has to outlast.
std::string Seat::GiveUp() const {
  if (schedule_.publisher.journal) return "10s";
  const bool dies =
      schedule_.kind == Kind::kKillPublisher || schedule_.kind == Kind::kCrashPoint;
  return dies ? "2s" : "5s";
}

Command Seat::MakeCommand() {
  Command command;
  if (!broken_.wrapper.empty()) command.argv = {"/bin/sh", "-c", broken_.wrapper, "sh"};
  const auto add = [&command](const Words& words) {
    command.argv.insert(command.argv.end(), words.begin(), words.end());
  };
  add({SubscriberBinary(), "-v", "--log-format", "json", "--stats"});
  add({"--name", name(), "--dead-after", "1s"});
  if (!plan_.attach) add({"--no-attach"});
  if (plan_.cursor) add({"--cursor", cursor(), "--from", "start"});
  if (plan_.follow) add({"--follow"});
  if (!plan_.follow) add({"--give-up", GiveUp()});
  if (plan_.restart && plan_.consumers > 0) add({"--restart", "on-failure"});
  const Words keep = {KeepBinary(), OutputPath(0)};
  if (plan_.output == OutputKind::kExec) {
    for (std::size_t i = 0; i < plan_.consumers; ++i) {
      add({"--exec", "exec " + KeepBinary() + " " + OutputPath(i)});
    }
  }
  add({endpoint_});
  if (plan_.output == OutputKind::kConsumer) add({"--", KeepBinary(), OutputPath(0)});

  const std::string rules = broken_.subscriber_rules + (lives_.empty() ? plan_.rules : "");
  command.environment = FileFaults(directory_, rules, {}, place_);
  command.environment["XDG_RUNTIME_DIR"] = place_.runtime();
  if (write_end_) command.output = Stdio::Descriptor(write_end_.get());
  return command;
}

void Seat::Start() {
  OpenOutputs();
  killed_ = cut_short_ = false;
  consumer_killed_.assign(std::max<std::size_t>(plan_.consumers, 1), false);
  program_ = std::make_unique<Program>(MakeCommand());
}

// ---- while it runs ----

void Seat::Drain() {
  if (!read_end_ || !reads_) return;
  std::array<char, 64 * 1024> part;
  // Not more than it can write meanwhile: others wait for their turn.
  for (int i = 0; i < 64; ++i) {
    const ssize_t count = ::read(read_end_.get(), part.data(), part.size());
    if (count <= 0) return;
    piped_.append(part.data(), static_cast<std::size_t>(count));
  }
}

std::string Seat::Delivered(std::size_t output) const {
  return plan_.output == OutputKind::kPipe ? piped_ : ReadFile(OutputPath(output));
}

std::uint64_t Seat::delivered() const {
  return plan_.output == OutputKind::kPipe ? piped_.size() : FileSize(OutputPath(0));
}

bool Seat::AtEnd() const {
  bool at_end = false;
  for (const Json& event : AllEvents(*program_)) {
    if (IsEvent(event, "begin") || IsEvent(event, "continues")) at_end = false;
    if (IsEvent(event, "end")) at_end = true;
  }
  return at_end;
}

void Seat::Kill() {
  killed_ = true;
  program_->Signal(SIGKILL);
}

void Seat::CutShort() {
  cut_short_ = true;
  program_->Signal(SIGCONT);
  program_->Signal(SIGTERM);
}

void Seat::SignalConsumer(std::size_t consumer, int number) {
  if (plan_.consumers == 0) {
    reads_ = number != SIGSTOP;
    return;
  }
  const std::string own = CommandLine(program_->pid());
  for (const Kin& kin : ChildrenOf(program_->pid())) {
    // A copy of the subscriber itself is one that does not run its program yet, or that looks
    // for leaks at its end.
    const std::string line = CommandLine(kin.pid);
    if (line == own || line.find(OutputPath(consumer)) == std::string::npos) continue;
    if (number == SIGKILL) consumer_killed_[consumer] = true;
    ::kill(kin.pid, number);
  }
}

// ---- its end ----

Life Seat::MakeLife() const {
  Life life;
  life.events = AllEvents(*program_);
  life.log = program_->log();
  life.killed = killed_;
  life.cut_short = cut_short_;
  life.cursor_damaged = damaged_;
  life.consumer_killed = consumer_killed_;
  if (plan_.restart) {
    life.another_consumer = std::ranges::count(consumer_killed_, true) > 0;
    life.consumer_killed.assign(consumer_killed_.size(), false);
  }
  for (std::size_t i = 0; i < consumer_killed_.size(); ++i) {
    life.delivered.push_back(Delivered(i));
  }
  return life;
}

void Seat::FinishLife(bool publisher_gone) {
  if (!killed_) {
    // What runs still a moment after it has ended is left behind.
    std::string others;
    if (Eventually([&] { return (others = OthersInGroup(program_->pid())).empty(); },
                   std::chrono::seconds(2)) == false) {
      violations_.push_back("processes are left:" + others);
    }
  }
  const int status = program_->Wait();
  // By a rule about its files: nobody else kills it so.
  if (status == 128 + SIGKILL && !plan_.rules.empty() && lives_.empty()) killed_ = true;
  reads_ = true;
  std::size_t before = SIZE_MAX;
  while (read_end_ && before != piped_.size()) {
    before = piped_.size();
    Drain();
  }
  Life life = MakeLife();
  life.status = status;
  life.publisher_gone = publisher_gone;
  lives_.push_back(std::move(life));
  damaged_ = false;
  program_.reset();
}

std::uint64_t Seat::Reached(const std::string& session) {
  Drain();
  std::vector<Life> all;
  if (plan_.cursor) all = lives_;
  if (program_ != nullptr) all.push_back(MakeLife());
  if (!plan_.cursor && all.size() > 1) all.erase(all.begin(), all.end() - 1);
  return ReachedPosition(all, session);
}

std::string Seat::log() const {
  std::string all;
  for (std::size_t i = 0; i < lives_.size(); ++i) {
    all += "---- subscriber " + to_string(index_) + ", life " + to_string(i) + ", status " +
           to_string(lives_[i].status) + (lives_[i].killed ? " (killed)" : "") + "\n" +
           lives_[i].log;
  }
  if (program_) {
    all += "---- subscriber " + to_string(index_) + ", still running\n" + program_->log();
  }
  return all;
}

}  // namespace pipedup::test
