#include "cli/progress.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "os/io.h"
#include "os/terminal.h"

namespace pipedup::cli {
namespace {

constexpr auto kWindow = std::chrono::seconds(1);
constexpr auto kEventEvery = std::chrono::seconds(1);

std::string ElapsedText(Duration elapsed) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(elapsed).count();
  std::array<char, 48> text{};
  std::snprintf(
      text.data(), text.size(), "%lld:%02lld:%02lld", static_cast<long long>(seconds / 3600),
      static_cast<long long>(seconds / 60 % 60), static_cast<long long>(seconds % 60));
  return text.data();
}

std::uint64_t Rounded(double rate) {
  return static_cast<std::uint64_t>(std::llround(rate));
}

double Seconds(Duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

std::string ProgressText(const ProgressNumbers& numbers, const ProgressRates& rates,
                         Duration elapsed) {
  std::string text = FormatSize(numbers.bytes);
  if (numbers.records) text += "  " + std::to_string(*numbers.records) + " records";
  text += "  " + ElapsedText(elapsed) + "  " + FormatSize(Rounded(rates.bytes)) + "/s";
  if (numbers.records) text += "  " + std::to_string(Rounded(rates.records)) + " records/s";
  if (numbers.subscribers) text += "  " + std::to_string(*numbers.subscribers) + " subscribers";
  if (numbers.lag) text += "  lag " + FormatSize(*numbers.lag);
  if (numbers.lost) text += "  lost " + FormatSize(*numbers.lost);
  return text;
}

Fields ProgressFields(const ProgressNumbers& numbers, const ProgressRates& rates,
                      Duration elapsed) {
  Fields fields = {{"bytes", numbers.bytes},
                   {"seconds", Seconds(elapsed)},
                   {"bytes_per_second", rates.bytes}};
  if (numbers.records) {
    fields.emplace_back("records", *numbers.records);
    fields.emplace_back("records_per_second", rates.records);
  }
  if (numbers.subscribers) fields.emplace_back("subscribers", *numbers.subscribers);
  if (numbers.lag) fields.emplace_back("lag_bytes", *numbers.lag);
  if (numbers.lost) fields.emplace_back("lost_bytes", *numbers.lost);
  return fields;
}

Progress::Progress(Reporter& reporter, bool force, TimePoint now)
    : reporter_(reporter),
      style_(reporter.progress_style(force)),
      began_(now),
      said_(now),
      terminal_(ReopenTerminal(kStderr)),
      bytes_(kWindow),
      records_(kWindow) {
  bytes_.Add(now, 0);
  records_.Add(now, 0);
}

void Progress::Show(TimePoint now, const ProgressNumbers& numbers) {
  bytes_.Add(now, numbers.bytes);
  records_.Add(now, numbers.records.value_or(0));
  if (style_ == ProgressStyle::kEvents && now - said_ < kEventEvery) return;
  said_ = now;
  Say(numbers, {bytes_.PerSecond().value_or(0), records_.PerSecond().value_or(0)},
      now - began_);
}

void Progress::Finish(TimePoint now, const ProgressNumbers& numbers) {
  const double seconds = std::max(Seconds(now - began_), 1e-3);
  Say(numbers,
      {static_cast<double>(numbers.bytes) / seconds,
       static_cast<double>(numbers.records.value_or(0)) / seconds},
      now - began_);
  reporter_.EndProgress();
}

void Progress::Say(const ProgressNumbers& numbers, const ProgressRates& rates,
                   Duration elapsed) {
  if (style_ == ProgressStyle::kNone) return;
  const int fd = terminal_ ? terminal_.get() : kStderr;
  std::string text = ProgressText(numbers, rates, elapsed);
  if (style_ == ProgressStyle::kEvents) {
    return reporter_.ReportProgress(text, ProgressFields(numbers, rates, elapsed), fd);
  }
  // One that is longer than the terminal is wide could not be drawn over. It is all ASCII.
  const std::size_t columns = SizeOfTerminal(kStderr).columns;
  if (text.size() >= columns) text.resize(columns - 1);
  reporter_.ShowProgress(text, fd);
}

}  // namespace pipedup::cli
