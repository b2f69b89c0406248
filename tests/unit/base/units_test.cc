#include "base/units.h"

#include <gtest/gtest.h>

namespace pipedup {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Units, ReadsSizes) {
  EXPECT_EQ(ParseSize("0"), 0U);
  EXPECT_EQ(ParseSize("4096"), 4096U);
  EXPECT_EQ(ParseSize("123B"), 123U);
  EXPECT_EQ(ParseSize("64KiB"), 65536U);
  EXPECT_EQ(ParseSize("64K"), 65536U);
  EXPECT_EQ(ParseSize("1MB"), 1'000'000U);
  EXPECT_EQ(ParseSize("1kB"), 1000U);
  EXPECT_EQ(ParseSize("1.5GiB"), 1'610'612'736U);
  EXPECT_EQ(ParseSize("2G"), 2'147'483'648U);
  EXPECT_EQ(ParseSize("1TiB"), 1'099'511'627'776U);
  EXPECT_EQ(ParseSize("1TB"), 1'000'000'000'000U);
}

TEST(Units, ReadsSizesInAnyCase) {
  EXPECT_EQ(ParseSize("64kib"), 65536U);
  EXPECT_EQ(ParseSize("64KIB"), 65536U);
  EXPECT_EQ(ParseSize("64MiB"), ParseSize("64mib"));
}

TEST(Units, KeepsAll64BitsOfAPlainNumber) {
  EXPECT_EQ(ParseSize("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(ParseSize("9007199254740993"), 9007199254740993U);
}

TEST(Units, KeepsAllBitsOfANumberWithAUnit) {
  EXPECT_EQ(ParseSize("9007199254740993B"), 9007199254740993U);
}

TEST(Units, RefusesSizesThatDoNotFit) {
  EXPECT_FALSE(ParseSize("18446744073709551616"));
  EXPECT_FALSE(ParseSize("99999999TiB"));
  EXPECT_FALSE(ParseSize("99999999999999999999999999999999999999B"));
}

TEST(Units, RefusesWhatIsNoSize) {
  for (const char* text : {"", " ", "-1", "+1", "1 KiB", " 1", "1 ", "KiB", "1KiBs", "1XB",
                           "1..5K", "0x10", "1e3", "inf", "nan", ".", "1,5K", "12s"}) {
    EXPECT_FALSE(ParseSize(text)) << "'" << text << "'";
  }
}

TEST(Units, ReadsDurations) {
  EXPECT_EQ(ParseDuration("250ms"), milliseconds(250));
  EXPECT_EQ(ParseDuration("5s"), seconds(5));
  EXPECT_EQ(ParseDuration("5"), seconds(5));
  EXPECT_EQ(ParseDuration("0"), seconds(0));
  EXPECT_EQ(ParseDuration("1.5h"), std::chrono::minutes(90));
  EXPECT_EQ(ParseDuration("2m"), std::chrono::minutes(2));
  EXPECT_EQ(ParseDuration("3d"), std::chrono::hours(72));
  EXPECT_EQ(ParseDuration("10us"), std::chrono::microseconds(10));
  EXPECT_EQ(ParseDuration("7ns"), std::chrono::nanoseconds(7));
  EXPECT_EQ(ParseDuration("1m30s"), seconds(90));
  EXPECT_EQ(ParseDuration("1h30m15s"), seconds(5415));
  EXPECT_EQ(ParseDuration("1M30S"), seconds(90));
}

TEST(Units, RefusesWhatIsNoDuration) {
  for (const char* text : {"", " ", "-1s", "s", "ms", "1x", "5 s", "1s ", "1m 30s", "1e3s",
                           "inf", "1.2.3s", ".", "--", "300y"}) {
    EXPECT_FALSE(ParseDuration(text)) << "'" << text << "'";
  }
}

TEST(Units, RefusesDurationsThatDoNotFit) {
  EXPECT_FALSE(ParseDuration("300000d"));
  EXPECT_FALSE(ParseDuration("99999999999999999999s"));
  EXPECT_FALSE(ParseDuration("100000d100000d"));
  EXPECT_TRUE(ParseDuration("100000d"));
}

TEST(Units, WritesSizes) {
  EXPECT_EQ(FormatSize(0), "0B");
  EXPECT_EQ(FormatSize(123), "123B");
  EXPECT_EQ(FormatSize(1024), "1KiB");
  EXPECT_EQ(FormatSize(64 * 1024 * 1024), "64MiB");
  EXPECT_EQ(FormatSize(1'610'612'736), "1.5GiB");
  EXPECT_EQ(FormatSize(1'000'000), "976.6KiB");
}

TEST(Units, WritesDurations) {
  EXPECT_EQ(FormatDuration(seconds(0)), "0s");
  EXPECT_EQ(FormatDuration(milliseconds(250)), "250ms");
  EXPECT_EQ(FormatDuration(seconds(5)), "5s");
  EXPECT_EQ(FormatDuration(milliseconds(1500)), "1.5s");
  EXPECT_EQ(FormatDuration(seconds(60)), "1m");
  EXPECT_EQ(FormatDuration(seconds(90)), "1m30s");
  EXPECT_EQ(FormatDuration(std::chrono::microseconds(10)), "10us");
}

TEST(Units, WritesDurationsThatCanBeReadAgain) {
  for (const Duration duration :
       {Duration(1), Duration(999), Duration(milliseconds(1)), Duration(milliseconds(999)),
        Duration(seconds(59)), Duration(seconds(61)), Duration(std::chrono::hours(100)),
        Duration(milliseconds(61'500))}) {
    EXPECT_EQ(ParseDuration(FormatDuration(duration)), duration) << FormatDuration(duration);
  }
}

TEST(Units, WritesTimes) {
  EXPECT_EQ(FormatTime(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(FormatTime(1'700'000'000'123'456'789), "2023-11-14T22:13:20.123456Z");
  EXPECT_EQ(FormatTime(-1), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(FormatTime(INT64_MAX).substr(0, 4), "2262");
  EXPECT_EQ(FormatTime(INT64_MIN).substr(0, 4), "1677");
}

}  // namespace
}  // namespace pipedup
