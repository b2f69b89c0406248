// --progress: how far a program is, on one line that is drawn in place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/rate_meter.h"
#include "base/units.h"
#include "os/fd.h"
#include "pipedup/reporter.h"

namespace pipedup::cli {

/// What a program counts; what it does not is left out.
struct ProgressNumbers {
  std::uint64_t bytes = 0;  ///< of this run, as are records
  std::optional<std::uint64_t> records = {};
  std::optional<std::uint64_t> subscribers = {};
  std::optional<std::uint64_t> lag = {};   ///< bytes, of the slowest
  std::optional<std::uint64_t> lost = {};  ///< bytes
};

struct ProgressRates {
  double bytes = 0;  ///< per second
  double records = 0;
};

/// "12.3MiB  4567 records  0:01:05  1.2MiB/s  456 records/s  3 subscribers  lag 5KiB  lost 0B".
/// Pure.
std::string ProgressText(const ProgressNumbers& numbers, const ProgressRates& rates,
                         Duration elapsed);
Fields ProgressFields(const ProgressNumbers& numbers, const ProgressRates& rates,
                      Duration elapsed);

/// Says it four times a second on a terminal (stderr), once a second as an event: with
/// --log-format json, and elsewhere only if it is forced. Never waits for whoever reads
/// stderr: what does not fit is left out. Rates are those of the last second, at the end of
/// all the time.
class Progress {
 public:
  static constexpr auto kEvery = std::chrono::milliseconds(250);

  /// Counts from `now` on. `reporter` must outlive it.
  Progress(Reporter& reporter, bool force, TimePoint now);

  /// To be called every kEvery.
  void Show(TimePoint now, const ProgressNumbers& numbers);
  /// The last time: a line stays where it is.
  void Finish(TimePoint now, const ProgressNumbers& numbers);

 private:
  void Say(const ProgressNumbers& numbers, const ProgressRates& rates, Duration elapsed);

  Reporter& reporter_;
  const ProgressStyle style_;
  const TimePoint began_;
  TimePoint said_;
  UniqueFd terminal_;  // never blocks; none: stderr is no terminal, or another user's
  RateMeter bytes_;
  RateMeter records_;
};

}  // namespace pipedup::cli
