// bench-swarm: many subscribers in one process, each a Receiver as pipedup-sub has one: two
// connections of its own, hello, status, catching up, making the link anew, and the word that
// the end was reached. What they get is checked and thrown away.

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/endpoint.h"
#include "base/text.h"
#include "net/loop.h"
#include "net/socket.h"
#include "os/process.h"
#include "subscribe/receiver.h"
#include "support.h"

namespace pipedup::bench {
namespace {

// Two sockets each, and for a moment four when the link is made anew; a context has 1023.
constexpr std::size_t kSeatsPerLoop = 250;
constexpr auto kLookEvery = std::chrono::milliseconds(20);
constexpr auto kStayAfterEnd =
    std::chrono::milliseconds(500);  // ten times until a status leaves

/// One subscriber. Takes what comes at once: it is never the consumer that is slow.
class Seat final : public ReceiverEvents {
 public:
  Seat(Context& context, EventLoop& loop, ReceiverOptions options, bool checksum) {
    if (checksum) hasher_.emplace();
    receiver_.emplace(context, loop, std::move(options), *this);
  }

  bool live() const { return live_; }
  bool over() const { return ended_ || !failure_.empty(); }
  /// Everything from where it began to the end of the stream.
  bool complete() const { return ended_ && sound() && lost_bytes_ == 0; }
  /// delivered + reported lost = produced, in order, without overlap.
  bool sound() const {
    return contiguous_ && next_ - begin_ == bytes_ + lost_bytes_ && (!ended_ || end_ == next_);
  }
  void Close() { receiver_->Close(); }

  const ModeCounters& modes() { return receiver_->modes().counters(); }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t lost_bytes() const { return lost_bytes_; }
  std::uint64_t begin() const { return begin_; }
  std::uint64_t longest_gap_ns() const { return longest_gap_ns_; }
  std::uint64_t last_ns() const { return last_ns_; }
  const std::string& failure() const { return failure_; }
  std::string Checksum() const { return hasher_ ? hasher_->Hex() : ""; }

 private:
  void OnBegin(const control::Welcome&, Position position) override {
    // It comes a second time if the first byte turns out to be inside a record.
    if (bytes_ + lost_bytes_ > 0) contiguous_ = false;
    begin_ = next_ = position;
  }
  void OnBytes(const BlockHeader&, Position from, SharedBytes bytes) override {
    contiguous_ = contiguous_ && from == next_ && !ended_;
    next_ = from + bytes.size();
    bytes_ += bytes.size();
    if (hasher_) hasher_->Update(bytes.bytes.data(), bytes.size());
    const std::uint64_t now = MonotonicNs();
    if (last_ns_ != 0) longest_gap_ns_ = std::max(longest_gap_ns_, now - last_ns_);
    last_ns_ = now;
  }
  void OnGap(const Gap& gap) override {
    contiguous_ = contiguous_ && gap.from == next_;
    next_ = gap.to;
    lost_bytes_ += gap.to - gap.from;
  }
  void OnSessionChanged(const control::Welcome&, SessionId) override {
    Fail("another session");
  }
  void OnSessionContinues(const control::Welcome&, SessionId, Position) override {}
  void OnMode(control::Mode mode) override {
    if (mode == control::Mode::kLive || mode == control::Mode::kEnded) live_ = true;
  }
  void OnEndOfStream(Position position, std::uint32_t) override {
    ended_ = true;
    end_ = position;
  }
  void OnReceived() override { receiver_->SetProgress(0, next_); }
  void OnLetGo(const std::string&) override {}
  void OnDamaged(const std::string& what) override { Fail("damaged: " + what); }
  void OnNotAttached(const std::string&) override {}
  void OnSilence() override {}
  void OnFail(int, const std::string& text) override { Fail(text); }

  void Fail(const std::string& what) {
    if (failure_.empty()) failure_ = what;
  }

  std::optional<Hasher> hasher_;
  bool live_ = false;
  bool ended_ = false;
  bool contiguous_ = true;
  Position begin_ = 0;
  Position next_ = 0;  // where the next byte belongs
  Position end_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t lost_bytes_ = 0;
  std::uint64_t last_ns_ = 0;
  std::uint64_t longest_gap_ns_ = 0;
  std::string failure_;
  std::optional<Receiver> receiver_;  // last: calls the others
};

struct Settings {
  Endpoint endpoint;
  std::uint64_t subscribers = 0;
  bool checksum = false;
  bool from_start = false;
  std::uint64_t timeout_ns = 0;
};

/// Some of the seats, in a thread of their own.
class Row {
 public:
  Row(const Settings& settings, std::size_t first, std::size_t count)
      : deadline_ns_(MonotonicNs() + settings.timeout_ns) {
    for (std::size_t i = first; i < first + count; ++i) {
      ReceiverOptions options;
      options.endpoint = settings.endpoint;
      options.hello.id = RandomHex(8);
      options.hello.host = HostName();
      options.hello.pid = ProcessId();
      options.hello.name = "swarm-" + std::to_string(i);
      if (settings.from_start) options.modes.from.kind = Beginning::Kind::kStart;
      seats_.push_back(
          std::make_unique<Seat>(context_, loop_, std::move(options), settings.checksum));
    }
    look_ = loop_.Every(kLookEvery, [this] { Look(); });
  }

  void Start() {
    thread_ = std::thread([this] { loop_.Run(); });
  }
  void Join() { thread_.join(); }
  bool ready() const { return ready_.load(); }
  std::vector<std::unique_ptr<Seat>>& seats() { return seats_; }

 private:
  void Look() {
    const auto all = [this](auto test) {
      return std::all_of(seats_.begin(), seats_.end(), test);
    };
    if (!ready_) ready_ = all([](const auto& seat) { return seat->live() || seat->over(); });
    if (all([](const auto& seat) { return seat->over(); })) {
      loop_.Cancel(look_);
      loop_.After(kStayAfterEnd, [this] { Leave(); });
    } else if (StopRequested() || MonotonicNs() > deadline_ns_) {
      Leave();
    }
  }
  void Leave() {
    for (const auto& seat : seats_) seat->Close();
    loop_.Stop();
  }

  const std::uint64_t deadline_ns_;
  Context context_;
  EventLoop loop_;
  EventLoop::TimerId look_ = 0;
  std::atomic<bool> ready_{false};
  std::vector<std::unique_ptr<Seat>> seats_;
  std::thread thread_;
};

double CpuSeconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// Sums over the seats, and the worst of them.
class Findings {
 public:
  void Add(Seat& seat) {
    ++subscribers_;
    complete_ += seat.complete();
    sound_ += seat.sound();
    over_ += seat.over();
    bytes_ += seat.bytes();
    lost_ += seat.lost_bytes();
    gaps_ += seat.modes().gaps;
    blocks_ += seat.modes().blocks;
    catch_ups_ += seat.modes().catch_ups;
    live_gaps_ += seat.modes().live_gaps;
    duplicates_ += seat.modes().duplicate_bytes;
    remakes_ += seat.modes().remakes;
    fewest_ = std::min(fewest_, seat.bytes());
    longest_gap_ns_ = std::max(longest_gap_ns_, seat.longest_gap_ns());
    last_ns_ = std::max(last_ns_, seat.last_ns());
    if (!seat.failure().empty() && failure_.empty()) failure_ = seat.failure();
    if (subscribers_ == 1) checksum_ = seat.Checksum();
    if (checksum_ != seat.Checksum()) checksum_ = "not all the same";
  }

  Report Make() const {
    Report report;
    report.Add("subscribers", subscribers_);
    report.Add("complete", complete_);
    report.Add("sound", sound_);
    report.Add("ended", over_);
    report.Add("bytes", bytes_);
    report.Add("fewest_bytes", fewest_);
    report.Add("lost_bytes", lost_);
    report.Add("gaps", gaps_);
    report.Add("blocks", blocks_);
    report.Add("live_gaps", live_gaps_);
    report.Add("catch_ups", catch_ups_);
    report.Add("duplicate_bytes", duplicates_);
    report.Add("remakes", remakes_);
    report.Add("longest_gap_ms", static_cast<double>(longest_gap_ns_) / 1e6);
    report.Add("last_ns", last_ns_);
    report.Add("cpu_s", CpuSeconds());
    report.Add("xxh3", checksum_);
    report.Add("failure", failure_);
    return report;
  }
  bool good() const { return complete_ == subscribers_ && sound_ == subscribers_; }

 private:
  std::uint64_t subscribers_ = 0;
  std::uint64_t complete_ = 0;
  std::uint64_t sound_ = 0;
  std::uint64_t over_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t fewest_ = UINT64_MAX;
  std::uint64_t lost_ = 0;
  std::uint64_t gaps_ = 0;
  std::uint64_t blocks_ = 0;
  std::uint64_t live_gaps_ = 0;
  std::uint64_t catch_ups_ = 0;
  std::uint64_t duplicates_ = 0;
  std::uint64_t remakes_ = 0;
  std::uint64_t longest_gap_ns_ = 0;
  std::uint64_t last_ns_ = 0;
  std::string checksum_;
  std::string failure_;
};

Settings ReadSettings(const Options& options) {
  Settings settings;
  std::string why;
  const auto endpoint = ParseEndpoint(options.Text("connect"), &why);
  if (!endpoint) Die("--connect: " + why);
  settings.endpoint = *endpoint;
  settings.subscribers = options.Number("subscribers", 0);
  if (settings.subscribers == 0) Die("give --subscribers");
  settings.checksum = options.Has("checksum");
  settings.from_start = options.Has("from-start");
  settings.timeout_ns = options.DurationNs("timeout", 300'000'000'000);
  return settings;
}

int Main(int argc, char** argv) {
  const Options options(argc, argv, {"connect", "subscribers", "report", "ready", "timeout"},
                        {"checksum", "from-start"});
  const Settings settings = ReadSettings(options);
  CatchSignals();
  RaiseDescriptorLimit();
  KeepFreedBlocksInHeap();

  std::vector<std::unique_ptr<Row>> rows;
  for (std::size_t first = 0; first < settings.subscribers; first += kSeatsPerLoop) {
    rows.push_back(std::make_unique<Row>(
        settings, first, std::min<std::size_t>(kSeatsPerLoop, settings.subscribers - first)));
  }
  for (const auto& row : rows) row->Start();
  const auto all_ready = [&rows] {
    return std::all_of(rows.begin(), rows.end(), [](const auto& row) { return row->ready(); });
  };
  const std::uint64_t deadline = MonotonicNs() + settings.timeout_ns;
  while (!all_ready() && !StopRequested() && MonotonicNs() < deadline) {
    std::this_thread::sleep_for(kLookEvery);
  }
  if (all_ready() && options.Has("ready")) std::ofstream(options.Text("ready")) << "ready\n";
  for (const auto& row : rows) row->Join();

  Findings findings;
  for (const auto& row : rows) {
    for (const auto& seat : row->seats()) findings.Add(*seat);
  }
  const Report report = findings.Make();
  options.Has("report") ? report.Save(options.Text("report")) : report.Print();
  return findings.good() ? 0 : 1;
}

}  // namespace
}  // namespace pipedup::bench

int main(int argc, char** argv) {
  return pipedup::bench::Main(argc, argv);
}
