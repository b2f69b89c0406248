#include "consume/labeler.h"

#include <gtest/gtest.h>

#include <string>

namespace pipedup {
namespace {

std::string Label(Labeler& labeler, std::string_view text, std::int64_t time_ns = 0) {
  return std::string(AsText(labeler.Label(AsBytes(text), time_ns).bytes));
}

TEST(Labeler, PutsThePrefixBeforeEachRecord) {
  Labeler labeler({true, false}, RecordFormat::kLines);
  labeler.Restart("web", RecordFormat::kLines);
  EXPECT_EQ(Label(labeler, "one\ntwo\n"), "web: one\nweb: two\n");
}

TEST(Labeler, RemembersWhetherARecordIsUnderWay) {
  Labeler labeler({true, false}, RecordFormat::kLines);
  labeler.Restart("web", RecordFormat::kLines);
  EXPECT_EQ(Label(labeler, "on"), "web: on");
  EXPECT_EQ(Label(labeler, "e"), "e");
  EXPECT_EQ(Label(labeler, "\ntwo\nth"), "\nweb: two\nweb: th");
  EXPECT_EQ(Label(labeler, "ree\n"), "ree\n");
  EXPECT_EQ(Label(labeler, "\n"), "web: \n");
}

TEST(Labeler, PutsTheTimeBeforeThePrefix) {
  Labeler labeler({true, true}, RecordFormat::kLines);
  labeler.Restart("web", RecordFormat::kLines);
  EXPECT_EQ(Label(labeler, "one\n", 1'700'000'000'123'456'789),
            "2023-11-14T22:13:20.123456Z web: one\n");
}

TEST(Labeler, OfAnotherSessionBeginsARecord) {
  Labeler labeler({true, false}, RecordFormat::kLines);
  labeler.Restart("web", RecordFormat::kLines);
  EXPECT_EQ(Label(labeler, "on"), "web: on");
  labeler.Restart("db", RecordFormat::kNul);
  EXPECT_EQ(Label(labeler, std::string_view("a\nb\0c", 5)), std::string("db: a\nb\0db: c", 13));
}

TEST(Labeler, OfARawStreamLabelsItsBeginningOnly) {
  Labeler labeler({true, false}, RecordFormat::kRaw);
  labeler.Restart("web", RecordFormat::kRaw);
  EXPECT_EQ(Label(labeler, "a\nb\n"), "web: a\nb\n");
  EXPECT_EQ(Label(labeler, "c\n"), "c\n");
}

TEST(Labeler, OfNothingIsNothing) {
  Labeler labeler({true, true}, RecordFormat::kLines);
  EXPECT_EQ(Label(labeler, ""), "");
}

}  // namespace
}  // namespace pipedup
