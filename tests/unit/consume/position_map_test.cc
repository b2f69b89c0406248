// What local bytes are in the stream: across gaps, sessions and labels.
#include "consume/position_map.h"

#include <gtest/gtest.h>

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
  const auto ranges = map.Of(50, 250);
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
  const auto ranges = map.Of(40, 61);
  ASSERT_EQ(ranges.size(), 1U);
  EXPECT_EQ(ranges[0].from, 10U);
  EXPECT_EQ(ranges[0].to, 30U);
}

TEST(PositionMap, ForgetsWhatIsNotAskedForAnyMore) {
  PositionMap map;
  map.Add(100, 7, 0, 100);
  map.Add(100, 8, 0, 100);
  map.Forget(150);
  ExpectMark(map, 50, 0, 0);
  ExpectMark(map, 150, 8, 50);
  map.Forget(1000);
  ExpectMark(map, 200, 8, 100);
}

}  // namespace
}  // namespace pipedup
