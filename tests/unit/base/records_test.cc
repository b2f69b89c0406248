#include "base/records.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace pipedup {
namespace {

constexpr auto kLines = RecordFormat::kLines;
constexpr auto kNul = RecordFormat::kNul;
constexpr auto kRaw = RecordFormat::kRaw;

TEST(Records, AreCountedByTheirDelimiters) {
  EXPECT_EQ(CountRecords(kLines, AsBytes("")), 0U);
  EXPECT_EQ(CountRecords(kLines, AsBytes("one")), 0U);
  EXPECT_EQ(CountRecords(kLines, AsBytes("one\ntwo\nth")), 2U);
  EXPECT_EQ(CountRecords(kLines, AsBytes("\n\n\n")), 3U);
  EXPECT_EQ(CountRecords(kNul, AsBytes({"a\0b\n\0", 5})), 2U);
  EXPECT_EQ(CountRecords(kRaw, AsBytes("a\nb\n")), 0U);
}

TEST(Records, AreCountedAtAnyLengthAndPlace) {
  // The count works in rounds of 255 rows of 64 bytes: lengths around those are tried.
  std::mt19937_64 random(1);
  for (const std::size_t length : {63UL, 64UL, 65UL, 127UL, 128UL, 16319UL, 16320UL, 16321UL,
                                   16384UL, 32640UL, 100'001UL}) {
    std::string text(length, '\n');
    EXPECT_EQ(CountRecords(kLines, AsBytes(text)), length) << "nothing but delimiters";
    for (char& c : text) c = random() % 3 == 0 ? '\n' : 'x';
    for (const std::size_t from : {0UL, 1UL, 7UL, 63UL}) {
      const auto expected = std::count(text.begin() + static_cast<int>(from), text.end(), '\n');
      EXPECT_EQ(CountRecords(kLines, AsBytes(text).subspan(from)), expected);
    }
  }
}

TEST(Records, TheFinishedOnesEndAtTheLastDelimiter) {
  EXPECT_EQ(FinishedLength(kLines, AsBytes("one\ntwo")), 4U);
  EXPECT_EQ(FinishedLength(kLines, AsBytes("one\n")), 4U);
  EXPECT_EQ(FinishedLength(kLines, AsBytes("one")), 0U);
  EXPECT_EQ(FinishedLength(kLines, AsBytes("")), 0U);
  EXPECT_EQ(FinishedLength(kNul, AsBytes({"a\0b\n", 4})), 2U);
  EXPECT_EQ(FinishedLength(kRaw, AsBytes("one")), 3U);
}

TEST(Records, TheFirstFewHaveALength) {
  EXPECT_EQ(LengthOfRecords(kLines, AsBytes("one\ntwo\nth"), 0), 0U);
  EXPECT_EQ(LengthOfRecords(kLines, AsBytes("one\ntwo\nth"), 1), 4U);
  EXPECT_EQ(LengthOfRecords(kLines, AsBytes("one\ntwo\nth"), 2), 8U);
  EXPECT_EQ(LengthOfRecords(kLines, AsBytes("one\ntwo\nth"), 3), 0U) << "there are not so many";
  EXPECT_EQ(LengthOfRecords(kLines, AsBytes(""), 1), 0U);
  EXPECT_EQ(LengthOfRecords(kLines, AsBytes("one\n"), UINT64_MAX), 0U);
  EXPECT_EQ(LengthOfRecords(kRaw, AsBytes("one\n"), 1), 0U);
}

}  // namespace
}  // namespace pipedup
