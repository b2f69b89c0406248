// bench-source: the producer of every run. Writes access-log lines of about 120 bytes that cost
// next to nothing to make: a 1 MiB pattern of lines is built once, and each further MiB only
// gets a new round number in each line. No line occurs twice, so that the checksum at a sink
// tells loss, reordering and duplication from a faithful copy.

#include <errno.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "support.h"

namespace pipedup::bench {
namespace {

constexpr std::size_t kPatternBytes = std::size_t{1} << 20;
constexpr std::size_t kLongestLine = 160;
constexpr std::size_t kRoundDigits = 8;
constexpr std::size_t kStampBytes = 20;  // 19 digits and a space

/// Exactly kPatternBytes of whole lines, each ending in "ROUND-LINE\n".
class Pattern {
 public:
  Pattern() {
    while (bytes_.size() + 2 * kLongestLine < kPatternBytes) AppendLine(0);
    const Pattern before = *this;  // the last line is made twice: to see its length, and padded
    AppendLine(0);
    const std::size_t missing = kPatternBytes - bytes_.size();
    *this = before;
    AppendLine(missing);
    if (bytes_.size() != kPatternBytes) Die("the pattern has the wrong size");
  }

  void SetRound(std::uint64_t round) {
    std::array<char, kRoundDigits> digits{};
    for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) {
      *digit = static_cast<char>('0' + round % 10);
      round /= 10;
    }
    for (const std::size_t offset : rounds_) {
      std::memcpy(bytes_.data() + offset, digits.data(), digits.size());
    }
  }

  std::span<const char> bytes() const { return bytes_; }
  /// Offset behind each line's newline.
  const std::vector<std::size_t>& ends() const { return ends_; }

 private:
  std::uint64_t Below(std::uint64_t bound) { return random_() % bound; }

  std::string Padded(std::uint64_t value, std::size_t width) {
    std::string text = std::to_string(value);
    return std::string(width - std::min(width, text.size()), '0') + text;
  }

  void AppendLine(std::size_t padding) {
    static constexpr std::array<const char*, 4> kMethods{"GET", "GET", "POST", "HEAD"};
    static constexpr std::array<const char*, 5> kPaths{"/", "/shop/item/", "/api/v2/orders/",
                                                       "/img/", "/search?q="};
    static constexpr std::array<const char*, 4> kStatus{"200", "200", "304", "404"};
    static constexpr std::array<const char*, 3> kAgents{"curl/7.88.1", "Mozilla/5.0 (X11)",
                                                        "okhttp/4.12"};
    std::string line =
        "203.0." + std::to_string(Below(256)) + "." + std::to_string(Below(256)) +
        " - - [12/Mar/2024:" + Padded(Below(24), 2) + ":" + Padded(Below(60), 2) + ":" +
        Padded(Below(60), 2) + " +0000] \"" + kMethods[Below(4)] + " " + kPaths[Below(5)] +
        std::to_string(Below(1000000)) + " HTTP/1.1\" " + kStatus[Below(4)] + " " +
        std::to_string(Below(100000)) + " \"-\" \"" + kAgents[Below(3)] +
        std::string(padding, '.') + "\" ";
    rounds_.push_back(bytes_.size() + line.size());
    line += std::string(kRoundDigits, '0') + "-" + Padded(ends_.size(), 5) + "\n";
    bytes_.insert(bytes_.end(), line.begin(), line.end());
    ends_.push_back(bytes_.size());
  }

  std::mt19937_64 random_{
      20240312};  // NOLINT(bugprone-random-generator-seed): the same each run
  std::vector<char> bytes_;
  std::vector<std::size_t> rounds_;
  std::vector<std::size_t> ends_;
};

struct Settings {
  std::uint64_t bytes = 0;  ///< to write in all; 0: no bound
  std::uint64_t lines = 0;  ///< to write in all; 0: no bound
  std::size_t write_bytes = kPatternBytes;
  bool by_line = false;
  bool stamp = false;
  bool dry_run = false;
  double bytes_per_second = 0;  ///< 0: as fast as possible
  double lines_per_second = 0;
};

class Source {
 public:
  Source(const Settings& settings, bool checksum) : settings_(settings) {
    if (checksum) hasher_.emplace();
  }

  void Run() {
    first_write_ns_ = last_write_ns_ = MonotonicNs();
    for (std::uint64_t round = 0; !Done(); ++round) {
      pattern_.SetRound(round);
      if (settings_.by_line) {
        WriteLines();
      } else {
        WritePieces();
      }
    }
  }

  void Save(const std::string& path) const {
    Report report;
    report.Add("bytes", bytes_);
    report.Add("lines", lines_);
    report.Add("first_write_ns", first_write_ns_);
    report.Add("end_ns", last_write_ns_);
    report.Add("seconds", static_cast<double>(last_write_ns_ - first_write_ns_) / 1e9);
    report.Add("longest_write_ms", static_cast<double>(longest_write_ns_) / 1e6);
    if (hasher_) report.Add("xxh3", hasher_->Hex());
    report.Add("ended", ended_);
    report.Save(path);
  }

  bool complete() const { return ended_ == "complete"; }

 private:
  bool Done() const {
    return !complete() || (settings_.bytes != 0 && bytes_ >= settings_.bytes) ||
           (settings_.lines != 0 && lines_ >= settings_.lines);
  }

  void WritePieces() {
    std::size_t line = 0;
    for (std::size_t offset = 0; offset < kPatternBytes && !Done();) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(
          {settings_.write_bytes, kPatternBytes - offset,
           settings_.bytes != 0 ? settings_.bytes - bytes_ : UINT64_MAX}));
      Pace();
      Write(pattern_.bytes().subspan(offset, size));
      offset += size;
      for (; line < pattern_.ends().size() && pattern_.ends()[line] <= offset; ++line) ++lines_;
    }
  }

  void WriteLines() {
    std::size_t start = 0;
    for (const std::size_t end : pattern_.ends()) {
      if (Done()) return;
      Pace();
      const std::span<const char> line = pattern_.bytes().subspan(start, end - start);
      if (settings_.stamp) {
        Write(Stamped(line));
      } else if (settings_.bytes != 0) {
        Write(line.first(static_cast<std::size_t>(
            std::min<std::uint64_t>(line.size(), settings_.bytes - bytes_))));
      } else {
        Write(line);
      }
      ++lines_;
      start = end;
    }
  }

  std::span<const char> Stamped(std::span<const char> line) {
    stamped_.resize(kStampBytes + line.size());
    std::uint64_t now = MonotonicNs();
    stamped_[kStampBytes - 1] = ' ';
    for (std::size_t i = kStampBytes - 1; i-- > 0; now /= 10) {
      stamped_[i] = static_cast<char>('0' + now % 10);
    }
    std::copy(line.begin(), line.end(), stamped_.begin() + kStampBytes);
    return stamped_;
  }

  bool paced() const {
    return settings_.bytes_per_second > 0 || settings_.lines_per_second > 0;
  }

  /// Sleeps until the next write is due. A source that was held up catches up at full speed.
  void Pace() {
    if (!paced()) return;
    const double seconds = settings_.lines_per_second > 0
                               ? static_cast<double>(lines_) / settings_.lines_per_second
                               : static_cast<double>(bytes_) / settings_.bytes_per_second;
    const std::uint64_t due = first_write_ns_ + static_cast<std::uint64_t>(seconds * 1e9);
    timespec when{};
    when.tv_sec = static_cast<time_t>(due / 1000000000U);
    when.tv_nsec = static_cast<long>(due % 1000000000U);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr) == EINTR) {
      if (StopRequested()) return;
    }
    last_write_ns_ = MonotonicNs();
  }

  void Write(std::span<const char> data) {
    if (hasher_) hasher_->Update(data.data(), data.size());
    if (settings_.dry_run) {
      bytes_ += data.size();
      return;
    }
    while (!data.empty()) {
      const ssize_t written = write(STDOUT_FILENO, data.data(), data.size());
      const int error = errno;
      // One clock reading per write: at a line per write a second one would cost 5 %. What it
      // adds to the time of a write is the making of the data, microseconds.
      const std::uint64_t now = MonotonicNs();
      longest_write_ns_ = std::max(longest_write_ns_, now - last_write_ns_);
      last_write_ns_ = now;
      if (written < 0 && error == EINTR && !StopRequested()) continue;
      if (written < 0) {
        ended_ = error == EINTR ? "signal" : strerror(error);
        return;
      }
      bytes_ += static_cast<std::uint64_t>(written);
      data = data.subspan(static_cast<std::size_t>(written));
      if (StopRequested()) {
        ended_ = "signal";
        return;
      }
    }
  }

  Settings settings_;
  Pattern pattern_;
  std::optional<Hasher> hasher_;
  std::vector<char> stamped_;
  std::uint64_t bytes_ = 0;
  std::uint64_t lines_ = 0;
  std::uint64_t first_write_ns_ = 0;
  std::uint64_t last_write_ns_ = 0;
  std::uint64_t longest_write_ns_ = 0;
  std::string ended_ = "complete";
};

int Main(int argc, char** argv) {
  const Options options(argc, argv,
                        {"bytes", "lines", "write", "rate", "lines-per-second", "report"},
                        {"stamp", "no-checksum", "dry-run"});
  Settings settings;
  settings.bytes = options.Size("bytes", 0);
  settings.lines = options.Number("lines", 0);
  settings.stamp = options.Has("stamp");
  settings.dry_run = options.Has("dry-run");
  settings.bytes_per_second = static_cast<double>(options.Size("rate", 0));
  settings.lines_per_second = static_cast<double>(options.Number("lines-per-second", 0));
  settings.by_line = settings.stamp || settings.lines_per_second > 0 || settings.lines != 0 ||
                     options.Text("write") == "line";
  if (!settings.by_line) settings.write_bytes = options.Size("write", kPatternBytes);
  if (settings.write_bytes == 0 || settings.write_bytes > kPatternBytes) {
    Die("--write: give 1 B to 1 MiB, or 'line'");
  }
  if (settings.bytes == 0 && settings.lines == 0) Die("give --bytes or --lines");

  CatchSignals();
  prctl(PR_SET_TIMERSLACK, 1);  // the default of 50 us would bunch lines at 10,000 a second
  Source source(settings, !options.Has("no-checksum"));
  source.Run();
  close(STDOUT_FILENO);
  source.Save(options.Text("report"));
  return source.complete() ? 0 : 1;
}

}  // namespace
}  // namespace pipedup::bench

int main(int argc, char** argv) {
  return pipedup::bench::Main(argc, argv);
}
