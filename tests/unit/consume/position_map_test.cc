// What local bytes are in the stream: across gaps, sessions and labels.
#include "consume/position_map.h"

#include <gtest/gtest.h>

#include <array>

namespace pipedup {
namespace {

void ExpectMark(const PositionMap& map, Position local, SessionId session, Position position) {
  const PositionMap::Mark mark = map.At(local);
  EXPECT_EQ(mark.session, session) << "at " << local;
  EXPECT_EQ(mark.position, position) << "at " << local;
}

TEST(PositionMap, KnowsNothingBeforeTheFirstByte) {
  const PositionMap map;
  ExpectMark(map, 0, 0, 0);
}

TEST(PositionMap, CountsOnThroughPiecesWithoutASeam) {
  PositionMap map;
  map.Add(100, 7, 5000, 5100);
  map.Add(50, 7, 5100, 5150);
  EXPECT_EQ(map.end(), 150U);
  ExpectMark(map, 0, 7, 5000);
  ExpectMark(map, 120, 7, 5120);
  ExpectMark(map, 150, 7, 5150);
}

TEST(PositionMap, BehindAGapOfTheStreamItIsAlreadyAcross) {
  PositionMap map;
  map.Add(100, 7, 0, 100);
  map.Add(100, 7, 400, 500);
  ExpectMark(map, 99, 7, 99);
  ExpectMark(map, 100, 7, 400);
  ExpectMark(map, 200, 7, 500);
}

TEST(PositionMap, AnotherSessionBeginsWithItsFirstByte) {
  PositionMap map;
  map.Add(100, 7, 0, 100);
  map.Add(10, 8, 0, 10);
  ExpectMark(map, 99, 7, 99);
  ExpectMark(map, 100, 8, 0);
  ExpectMark(map, 105, 8, 5);
}

TEST(PositionMap, InsideALabelledPieceOnlyItsBeginningWasTaken) {
  PositionMap map;
  map.Add(30, 7, 0, 10);
  map.Add(30, 7, 10, 20);
  ExpectMark(map, 29, 7, 0);
  ExpectMark(map, 30, 7, 10);
  ExpectMark(map, 59, 7, 10);
  ExpectMark(map, 60, 7, 20);
}

TEST(PositionMap, ARangeIsToldOncePerPartOfTheStream) {
  PositionMap map;
  map.Add(100, 7, 0, 100);
  map.Add(100, 7, 400, 500);
  map.Add(100, 8, 0, 100);
  const auto ranges = map.Of({50, 250});
  ASSERT_EQ(ranges.size(), 3U);
  EXPECT_EQ(ranges[0].from, 50U);
  EXPECT_EQ(ranges[0].to, 100U);
  EXPECT_EQ(ranges[1].from, 400U);
  EXPECT_EQ(ranges[1].to, 500U);
  EXPECT_EQ(ranges[2].session, 8U);
  EXPECT_EQ(ranges[2].from, 0U);
  EXPECT_EQ(ranges[2].to, 50U);
}

TEST(PositionMap, ALabelledPieceIsLostAsAWhole) {
  PositionMap map;
  map.Add(30, 7, 0, 10);
  map.Add(30, 7, 10, 20);
  map.Add(30, 7, 20, 30);
  const auto ranges = map.Of({40, 61});
  ASSERT_EQ(ranges.size(), 1U);
  EXPECT_EQ(ranges[0].from, 10U);
  EXPECT_EQ(ranges[0].to, 30U);
}

TEST(PositionMap, AWholeRangeEndsWhereLabelledPiecesDo) {
  PositionMap map;
  map.Add(30, 7, 0, 10);
  map.Add(30, 7, 10, 20);
  map.Add(30, 7, 20, 50);
  const LocalRange across = map.Whole({40, 61});
  EXPECT_EQ(across.from, 30U);
  EXPECT_EQ(across.to, 61U) << "without labels every byte is on its own";
  const LocalRange inside = map.Whole({31, 32});
  EXPECT_EQ(inside.from, 30U);
  EXPECT_EQ(inside.to, 60U);
  const LocalRange whole = map.Whole({30, 60});
  EXPECT_EQ(whole.from, 30U);
  EXPECT_EQ(whole.to, 60U);
}

TEST(PositionMap, ForgetsWhatIsNotAskedForAnyMore) {
  PositionMap map;
  map.Add(100, 7, 0, 100);
  map.Add(100, 8, 0, 100);
  map.Keep(std::array{LocalRange{150}});
  ExpectMark(map, 50, 0, 0);
  ExpectMark(map, 150, 8, 50);
  map.Keep(std::array{LocalRange{1000}});
  ExpectMark(map, 200, 8, 100);
}

TEST(PositionMap, KeepsEveryPieceOfWhatIsAskedForAndTheSumOfTheRest) {
  PositionMap map;
  for (Position at = 0; at < 1000; ++at) map.Add(30, 7, at * 10, at * 10 + 10);
  map.Keep(std::array{LocalRange{300, 360}, LocalRange{29'000}});
  EXPECT_EQ(map.pieces(), 2 + 1 + 34U);
  ExpectMark(map, 290, 0, 0);
  ExpectMark(map, 300, 7, 100);
  ExpectMark(map, 330, 7, 110);
  ExpectMark(map, 29'000, 7, 9660);
  // A gap that begins and ends in what was asked for is told as exactly as before.
  const auto gap = map.Of({331, 29'005});
  ASSERT_EQ(gap.size(), 1U);
  EXPECT_EQ(gap[0].from, 110U);
  EXPECT_EQ(gap[0].to, 9670U);
}

TEST(PositionMap, ARangeThatGrowsForAYearTakesNoMoreRoom) {
  PositionMap map;
  Position at = 0;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 100; ++i, at += 10) map.Add(30, 7, at, at + 10);
    map.Keep(std::array{LocalRange{0, 61}, LocalRange{map.end() - 300}});
    EXPECT_LE(map.pieces(), 3 + 1 + 11U);
  }
  const auto gap = map.Of({60, map.end()});
  ASSERT_EQ(gap.size(), 1U);
  EXPECT_EQ(gap[0].from, 20U);
  EXPECT_EQ(gap[0].to, at);
}

TEST(PositionMap, WhatIsNoNeighbourInTheStreamStaysApart) {
  PositionMap map;
  map.Add(100, 7, 0, 100);
  map.Add(30, 7, 100, 110);
  map.Add(30, 7, 500, 510);
  map.Add(30, 8, 510, 520);
  map.Add(100, 8, 520, 620);
  map.Add(10, 8, 620, 630);
  map.Keep(std::array{LocalRange{0, 1}, LocalRange{map.end()}});
  const auto ranges = map.Of({0, map.end()});
  ASSERT_EQ(ranges.size(), 3U);
  EXPECT_EQ(ranges[0].to, 110U);
  EXPECT_EQ(ranges[1].from, 500U);
  EXPECT_EQ(ranges[1].to, 510U);
  EXPECT_EQ(ranges[2].from, 510U);
  EXPECT_EQ(ranges[2].to, 630U);
}

}  // namespace
}  // namespace pipedup
