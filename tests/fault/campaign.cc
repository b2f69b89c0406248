#include "fault/campaign.h"

#include <atomic>
#include <mutex>
#include <thread>

#include "fault/features.h"

namespace pipedup::test {

std::string Failure::Words() const {
  std::string text = "seed " + std::to_string(seed) + " of " + NameOf(kind) + " fails:\n";
  for (const std::string& violation : result.violations) text += "  " + violation + "\n";
  text += "again: tests/fault/soak --seed " + std::to_string(seed) + " --kind " + NameOf(kind) +
          "\n";
  return text + result.report;
}

std::string Totals::Words() const {
  return std::to_string(runs) + " seeds, " + std::to_string(faults) + " faults (" +
         std::to_string(not_reached) + " not reached), " + std::to_string(with_loss) +
         " with losses, " + std::to_string(failures.size()) + " failed";
}

Totals RunCampaign(const Campaign& campaign) {
  const auto deadline = Clock::now() + campaign.time;
  std::atomic<std::uint64_t> next{campaign.first};
  std::mutex mutex;
  Totals totals;
  const auto work = [&] {
    while (Clock::now() < deadline) {
      const std::uint64_t seed = next++;
      if (seed >= campaign.first + campaign.seeds) return;
      RunResult result = RunSchedule(MakeSchedule(campaign.kind, seed, GetFeatures()));
      const std::lock_guard lock(mutex);
      ++totals.runs;
      totals.faults += result.faults;
      totals.not_reached += result.not_reached;
      totals.with_loss += result.lost ? 1 : 0;
      if (result.violations.empty()) continue;
      totals.failures.push_back({campaign.kind, seed, std::move(result)});
      if (campaign.on_failure) campaign.on_failure(totals.failures.back());
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < campaign.at_a_time; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  return totals;
}

}  // namespace pipedup::test
