// Seeds of every kind of fault: delivered ∪ reported lost = produced, nothing twice, and
// nothing left, after every run.
#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "fault/campaign.h"
#include "fault/features.h"

namespace pipedup::test {
namespace {

constexpr std::size_t kSeeds = 40;
// Less where it is slow: what was run is said.
constexpr auto kTime = std::chrono::seconds(14);
// A run mostly waits.
constexpr std::size_t kAtATime = 6;

std::string NameForTest(Kind kind) {
  std::string name;
  bool upper = true;
  for (const char c : NameOf(kind)) {
    if (c != '-') name += upper ? static_cast<char>(c - 'a' + 'A') : c;
    upper = c == '-';
  }
  return name;
}

class Faults : public ::testing::TestWithParam<std::size_t> {};

TEST_P(Faults, LeaveTheEquationTrue) {
  const auto kind = static_cast<Kind>(GetParam());
  const std::string left_out = LeftOut(GetFeatures());
  if (const std::string why = WhyNot(kind, GetFeatures()); !why.empty()) {
    GTEST_SKIP() << NameOf(kind) << ": not run: " << why;
  }
  const Totals totals = RunCampaign(
      {.kind = kind,
       .seeds = kSeeds,
       .time = kTime,
       .at_a_time = kAtATime,
       .on_failure = [](const Failure& failure) { ADD_FAILURE() << failure.Words(); }});
  std::cout << NameOf(kind) << ": " << totals.Words() << "\n" << left_out << std::endl;
  EXPECT_GT(totals.runs, 0u);
  EXPECT_GT(totals.faults, 0u) << "nothing was tried";
}

INSTANTIATE_TEST_SUITE_P(Kinds, Faults, ::testing::Range(std::size_t{0}, kKinds),
                         [](const auto& run) {
                           return NameForTest(static_cast<Kind>(run.param));
                         });

}  // namespace
}  // namespace pipedup::test
