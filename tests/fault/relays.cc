#include "fault/relays.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <thread>
#include <utility>

#include "os/io.h"
#include "support/content.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

constexpr std::size_t kSteps = 8;

class Row {
 public:
  explicit Row(std::uint64_t seed)
      : random_(seed), produced_(MakeRecords(seed, (6 + seed % 12) * kMiB)), pipe_(MakePipe()) {
    for (std::string& endpoint : endpoints_) {
      endpoint = "tcp://127.0.0.1:" + std::to_string(FreePortPair());
    }
    for (std::size_t i = 0; i < programs_.size(); ++i) Start(i);
  }
  ~Row() {
    pipe_.first.Reset();
    programs_ = {};
    if (feeder_.joinable()) feeder_.join();
  }

  RelayRun Run() {
    RelayRun run;
    std::size_t given = 0;
    for (std::size_t step = 0; step < kSteps && run.violation.empty(); ++step) {
      const std::size_t end = produced_.size() * (step + 1) / (kSteps + 1);
      Feed(given, end);
      if (!WaitForOut(Any(given, end))) run.violation = "the subscriber stands still";
      Fault(&run);
      given = end;
    }
    Mend();
    // When the last of it has come all of them are there: one that is not yet would not be told
    // of the end by a relay that has nobody else to tell.
    Feed(given, produced_.size());
    if (run.violation.empty() && !WaitForOut(produced_.size())) {
      run.violation = "not all of it came";
    }
    pipe_.second.Reset();
    if (run.violation.empty()) run.violation = CheckEnds();
    if (!run.violation.empty()) run.report = Report();
    return run;
  }

 private:
  static constexpr std::size_t kSubscriber = 3;

  std::size_t Any(std::size_t from, std::size_t to) {
    return std::uniform_int_distribution<std::size_t>(from, to)(random_);
  }
  std::string out() const { return directory_ / "out"; }
  bool WaitForOut(std::size_t bytes) const {
    return Eventually([&] { return FileSize(out()) >= bytes; });
  }
  void Note(const std::string& what) { notes_ += what + "\n"; }

  /// 0: the publisher; 1 and 2: relays; 3: the subscriber.
  void Start(std::size_t who) {
    if (who == 0) {
      programs_[0] = std::make_unique<Publisher>(
          directory_, Publisher::Setup{.options = {"--bind", endpoints_[0], "--journal",
                                                   directory_ / "journal", "--linger", "1s"},
                                       .input = Stdio::Descriptor(pipe_.first.get())});
    } else if (who == kSubscriber) {
      const UniqueFd file(
          ::open(out().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND, 0600));
      programs_[who] = std::make_unique<Subscriber>(
          endpoints_[2],
          Words{"--cursor", directory_ / "cursor", "--from", "start", "--dead-after", "1s"},
          Stdio::Descriptor(file.get()));
    } else {
      const char* const retain = Any(0, 1) == 0 ? "1MiB" : "64MiB";
      Words options = {"--bind", endpoints_[who], "--retain", retain, "--linger",
                       "5s",     "--dead-after",  "1s"};
      if (Any(0, 1) == 0) {
        const std::string kept = directory_ / ("kept" + std::to_string(who));
        options.insert(options.end(), {"--journal", kept});
      }
      programs_[who] = std::make_unique<Relay>(directory_, endpoints_[who - 1], options);
    }
  }
  void Feed(std::size_t from, std::size_t to) {
    if (feeder_.joinable()) feeder_.join();
    feeder_ = std::thread([this, from, to] {
      (void)WriteAll(pipe_.second.get(),
                     AsBytes(std::string_view(produced_).substr(from, to - from)));
    });
  }
  // How long a fault lasts is the schedule's, like which it is: nothing is waited for.
  void Fault(RelayRun* run) {
    Mend();
    ++run->faults;
    const std::size_t who = Any(0, kSubscriber);
    if (Any(0, 3) == 0) {
      Note("stop " + std::to_string(who));
      programs_[who]->Signal(SIGSTOP);
      stopped_ = who;
      std::this_thread::sleep_for(std::chrono::milliseconds(Any(0, 1500)));
      Mend();  // whoever waits for bytes waits for it as well
      return;
    }
    Kill(who, run);
    const bool two = Any(0, 3) == 0;
    const std::size_t other = (who + Any(1, kSubscriber)) % programs_.size();
    if (two) Kill(other, run);
    std::this_thread::sleep_for(std::chrono::milliseconds(Any(0, 300)));
    if (two) Start(other);
    Start(who);
  }
  void Kill(std::size_t who, RelayRun* run) {
    Note("kill " + std::to_string(who));
    programs_[who]->Signal(SIGKILL);
    const int status = programs_[who]->Wait();
    if (status != 128 + SIGKILL && run->violation.empty()) {
      run->violation =
          "number " + std::to_string(who) + " had ended with " + std::to_string(status);
    }
    logs_ += "--- " + std::to_string(who) + ", killed\n" + programs_[who]->log();
  }
  void Mend() {
    if (const auto who = std::exchange(stopped_, std::nullopt))
      programs_[*who]->Signal(SIGCONT);
  }
  std::string CheckEnds() {
    const int status = programs_[kSubscriber]->Wait();
    if (status != 0) return "the subscriber ended with " + std::to_string(status);
    const std::string delivered = ReadFile(out());
    if (delivered != produced_) {
      const std::size_t same = CommonPrefix(delivered, produced_);
      return std::to_string(delivered.size()) + " bytes came of " +
             std::to_string(produced_.size()) + ", and differ at " + std::to_string(same);
    }
    // Whoever was killed is waited for at the end in vain.
    for (std::size_t who = 0; who < kSubscriber; ++who) {
      const int of = programs_[who]->Wait();
      if (of != 0 && of != 3) {
        return "number " + std::to_string(who) + " ended with " + std::to_string(of);
      }
    }
    return "";
  }
  std::string Report() {
    std::string text = notes_ + logs_;
    for (std::size_t who = 0; who < programs_.size(); ++who) {
      text += "--- " + std::to_string(who) + "\n" + programs_[who]->log();
    }
    return text;
  }

  const TempDir directory_;
  std::mt19937_64 random_;
  const std::string produced_;
  std::pair<UniqueFd, UniqueFd> pipe_;
  std::array<std::string, 3> endpoints_;
  std::array<std::unique_ptr<Program>, 4> programs_;
  std::thread feeder_;
  std::optional<std::size_t> stopped_;
  std::string notes_;
  std::string logs_;
};

}  // namespace

RelayRun RunRelays(std::uint64_t seed) {
  return Row(seed).Run();
}

}  // namespace pipedup::test
