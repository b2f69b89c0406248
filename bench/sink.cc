// bench-sink: the consumer of every run. Reads 256 KiB at a time, checksums everything and says
// at the end what came, and when.

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "support.h"

namespace pipedup::bench {
namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10;

/// Takes the stamp at the beginning of each line and keeps how long ago it was.
class Latencies {
 public:
  void Take(std::span<const char> data, std::uint64_t now) {
    while (!data.empty()) {
      if (!stamp_done_) {
        const char c = data.front();
        if (c >= '0' && c <= '9') {
          stamp_ = stamp_ * 10 + static_cast<std::uint64_t>(c - '0');
          data = data.subspan(1);
          continue;
        }
        stamp_done_ = true;
        const std::uint64_t ns = now > stamp_ ? now - stamp_ : 0;
        values_ns_.push_back(
            static_cast<std::uint32_t>(std::min<std::uint64_t>(ns, UINT32_MAX)));
      }
      const void* newline = std::memchr(data.data(), '\n', data.size());
      if (newline == nullptr) return;
      data = data.subspan(
          static_cast<std::size_t>(static_cast<const char*>(newline) - data.data()) + 1);
      stamp_done_ = false;
      stamp_ = 0;
    }
  }

  /// All values in the order of arrival, 32-bit nanoseconds in host order.
  void Dump(const std::string& path) const {
    FILE* file = fopen(path.c_str(), "we");
    if (file == nullptr) Die("cannot create " + path, errno);
    fwrite(values_ns_.data(), sizeof(values_ns_.front()), values_ns_.size(), file);
    if (fclose(file) != 0) Die("cannot write " + path, errno);
  }

  void AddTo(Report& report) {
    std::sort(values_ns_.begin(), values_ns_.end());
    report.Add("latency_p50_us", At(0.50));
    report.Add("latency_p90_us", At(0.90));
    report.Add("latency_p99_us", At(0.99));
    report.Add("latency_max_us", At(1.00));
  }

 private:
  double At(double share) const {
    if (values_ns_.empty()) return 0;
    const auto index = static_cast<std::size_t>(share * static_cast<double>(values_ns_.size()));
    return values_ns_[std::min(index, values_ns_.size() - 1)] / 1e3;
  }

  bool stamp_done_ = false;
  std::uint64_t stamp_ = 0;
  std::vector<std::uint32_t> values_ns_;
};

void Pause(std::uint64_t ns) {
  timespec rest{};
  rest.tv_sec = static_cast<time_t>(ns / 1000000000U);
  rest.tv_nsec = static_cast<long>(ns % 1000000000U);
  while (nanosleep(&rest, &rest) != 0 && errno == EINTR && !StopRequested()) {
  }
}

int Main(int argc, char** argv) {
  const Options options(argc, argv, {"report", "stop-after", "stop-for", "latencies"},
                        {"lines", "stamp"});
  const bool stamp = options.Has("stamp");
  const bool count_lines = options.Has("lines") || stamp;
  const std::uint64_t stop_after = options.Size("stop-after", UINT64_MAX);
  const std::uint64_t stop_for_ns = options.DurationNs("stop-for", 0);
  CatchSignals();

  Hasher hasher;
  Latencies latencies;
  std::vector<char> buffer(kReadBytes);
  std::string ended = "end of stream";
  std::uint64_t bytes = 0;
  std::uint64_t lines = 0;
  std::uint64_t first_ns = 0;
  std::uint64_t last_ns = 0;
  std::uint64_t longest_gap_ns = 0;
  bool paused = false;
  for (;;) {
    if (!paused && bytes >= stop_after) {
      paused = true;
      Pause(stop_for_ns);
    }
    const ssize_t got = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR && !StopRequested()) continue;
    if (got < 0 && errno != EINTR) Die("read", errno);
    if (got < 0) ended = "signal";
    if (got <= 0) break;
    const std::uint64_t now = MonotonicNs();
    if (first_ns == 0) {
      first_ns = now;
    } else {
      longest_gap_ns = std::max(longest_gap_ns, now - last_ns);
    }
    last_ns = now;
    const std::span<const char> data(buffer.data(), static_cast<std::size_t>(got));
    bytes += data.size();
    if (stamp) latencies.Take(data, now);
    if (count_lines) {
      lines += static_cast<std::uint64_t>(std::count(data.begin(), data.end(), '\n'));
    }
    hasher.Update(data.data(), data.size());
  }

  Report report;
  report.Add("bytes", bytes);
  report.Add("xxh3", hasher.Hex());
  if (count_lines) report.Add("lines", lines);
  report.Add("first_ns", first_ns);
  report.Add("last_ns", last_ns);
  report.Add("end_ns", MonotonicNs());
  report.Add("longest_gap_ms", static_cast<double>(longest_gap_ns) / 1e6);
  report.Add("ended", ended);
  if (options.Has("latencies")) latencies.Dump(options.Text("latencies"));
  if (stamp) latencies.AddTo(report);
  report.Save(options.Text("report"));
  return 0;
}

}  // namespace
}  // namespace pipedup::bench

int main(int argc, char** argv) {
  return pipedup::bench::Main(argc, argv);
}
