#include "cli/progress.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace pipedup::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMiB = 1024 * 1024;

TEST(Progress, TextHasWhatIsCounted) {
  EXPECT_EQ(
      ProgressText({.bytes = 12 * kMiB + kMiB / 2,
                    .records = 45678,
                    .subscribers = 3,
                    .lag = 5 * 1024,
                    .lost = 0},
                   {.bytes = 1.5 * kMiB, .records = 456.7}, 65s),
      "12.5MiB  45678 records  0:01:05  1.5MiB/s  457 records/s  3 subscribers  lag 5KiB  "
      "lost 0B");
}

TEST(Progress, TextLeavesOutWhatIsNot) {
  EXPECT_EQ(ProgressText({.bytes = 10}, {.bytes = 5}, 2s), "10B  0:00:02  5B/s");
}

TEST(Progress, ElapsedTimeHasHoursAndIsNotRoundedUp) {
  EXPECT_EQ(ProgressText({}, {}, 999ms), "0B  0:00:00  0B/s");
  EXPECT_EQ(ProgressText({}, {}, 26h + 3min + 9s), "0B  26:03:09  0B/s");
}

TEST(Progress, FieldsHaveTheSame) {
  const Fields fields =
      ProgressFields({.bytes = 10, .records = 2, .subscribers = 1, .lag = 3, .lost = 4},
                     {.bytes = 5, .records = 1}, 2500ms);
  const auto is = [&](const std::string& name, const Field::second_type& value) {
    return std::ranges::count(fields, Field{name, value}) == 1;
  };
  EXPECT_TRUE(is("bytes", std::uint64_t{10}));
  EXPECT_TRUE(is("records", std::uint64_t{2}));
  EXPECT_TRUE(is("seconds", 2.5));
  EXPECT_TRUE(is("bytes_per_second", 5.0));
  EXPECT_TRUE(is("records_per_second", 1.0));
  EXPECT_TRUE(is("subscribers", std::uint64_t{1}));
  EXPECT_TRUE(is("lag_bytes", std::uint64_t{3}));
  EXPECT_TRUE(is("lost_bytes", std::uint64_t{4}));
  EXPECT_EQ(ProgressFields({}, {}, 0s).size(), 3U);
}

}  // namespace
}  // namespace pipedup::cli
