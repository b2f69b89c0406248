// Seeds of faults in a row of relays: nothing is lost, nothing comes twice.
#include "fault/relays.h"

#include <gtest/gtest.h>

#include <iostream>

#include "os/build.h"
#include "support/wait.h"

namespace pipedup::test {
namespace {

constexpr std::uint64_t kSeeds = 12;
constexpr auto kTime = std::chrono::seconds(30);  // what was run is said

TEST(RelayFaults, LeaveEveryByteInItsPlaceOnce) {
  if (IsPortable()) {
    GTEST_SKIP()
        << "what a publisher has read and not written goes with it in the portable build";
  }
  const auto deadline = Clock::now() + kTime;
  std::uint64_t seed = 1;
  for (; seed <= kSeeds && Clock::now() < deadline; ++seed) {
    const RelayRun run = RunRelays(seed);
    EXPECT_EQ("", run.violation) << "again: tests/fault/soak --relays --seed " << seed << "\n"
                                 << run.report;
    EXPECT_GT(run.faults, 0u) << "nothing was tried";
  }
  std::cout << seed - 1 << " seeds" << std::endl;
}

}  // namespace
}  // namespace pipedup::test
