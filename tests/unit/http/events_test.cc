#include "http/events.h"

#include <gtest/gtest.h>

#include <string>

namespace pipedup::http {
namespace {

constexpr SessionId kSession = 0xaa;
constexpr auto kAt = "@00000000000000aa\n";

std::string Write(EventWriter& writer, std::string_view bytes) {
  std::string out;
  writer.Write(AsBytes(bytes), &out);
  return out;
}

std::string Event(int id, const std::string& data) {
  return "id: " + std::to_string(id) + kAt + "data: " + data + "\n\n";
}

TEST(EventWriter, MakesOneEventOfEachRecordWithThePositionBehindIt) {
  EventWriter writer(kSession, RecordFormat::kLines, 100);
  EXPECT_EQ(Event(104, "one") + Event(105, "") + Event(109, "two"),
            Write(writer, "one\n\ntwo\n"));
}

TEST(EventWriter, HoldsAnUnfinishedRecordUntilItsEndIsThere) {
  EventWriter writer(kSession, RecordFormat::kLines, 0);
  EXPECT_EQ("", Write(writer, "on"));
  EXPECT_EQ(Event(4, "one"), Write(writer, "e\ntw"));
  EXPECT_EQ(6u, writer.position());
  std::string out;
  writer.Flush(&out);
  EXPECT_EQ(Event(6, "tw"), out);
  out.clear();
  writer.Flush(&out);
  EXPECT_EQ("", out);
}

TEST(EventWriter, LetsNoRecordBeAnEventOfItsOwn) {
  EventWriter writer(kSession, RecordFormat::kLines, 0);
  const std::string hostile = "x\rdata: y\r\rid: 9\r\n";
  EXPECT_EQ("id: " + std::to_string(hostile.size()) + kAt +
                "data: x\ndata: data: y\ndata: \ndata: id: 9\n\n",
            Write(writer, hostile));
  EventWriter nul(kSession, RecordFormat::kNul, 0);
  EXPECT_EQ("id: 6" + std::string(kAt) + "data: a\ndata: b\ndata: \n\n",
            Write(nul, std::string("a\r\nb\n\0", 6)));
}

TEST(EventWriter, LeavesOutTheCarriageReturnBeforeALinesEnd) {
  EventWriter writer(kSession, RecordFormat::kLines, 0);
  EXPECT_EQ(Event(5, "one"), Write(writer, "one\r\n"));
}

TEST(EventWriter, CutsALongRecordBetweenCharacters) {
  EventWriter writer(kSession, RecordFormat::kLines, 0);
  std::string record(EventWriter::kMostData - 1, 'a');
  record += "\xc3\xa4 tail\n";
  const std::string out = Write(writer, record);
  EXPECT_EQ(Event(EventWriter::kMostData - 1, std::string(EventWriter::kMostData - 1, 'a')) +
                Event(static_cast<int>(record.size()), "\xc3\xa4 tail"),
            out);
}

TEST(EventWriter, HoldsNoMoreThanOneEventOfARecordWithoutEnd) {
  EventWriter writer(kSession, RecordFormat::kLines, 0);
  std::size_t sent = 0;
  for (int i = 0; i < 100; ++i) sent += Write(writer, std::string(10'000, 'x')).size();
  EXPECT_GT(sent, 1'000'000 - EventWriter::kMostData);
}

TEST(EventWriter, SendsWhatHasNoRecordsAsItComes) {
  EventWriter writer(kSession, RecordFormat::kRaw, 0);
  EXPECT_EQ(Event(2, "ab"), Write(writer, "ab"));
  EXPECT_EQ("id: 5" + std::string(kAt) + "data: c\ndata: d\n\n", Write(writer, "c\nd"));
}

TEST(EventWriter, SaysAGapAndGoesOnBehindIt) {
  EventWriter writer(kSession, RecordFormat::kLines, 0);
  std::string out = Write(writer, "half");
  writer.Gap(100, "retention passed", &out);
  EXPECT_EQ(Event(4, "half") + "event: gap\n" +
                Event(100, R"({"from":4,"to":100,"bytes":96,"reason":"retention passed"})"),
            out);
  EXPECT_EQ(Event(102, "x"), Write(writer, "x\n"));
}

TEST(EventWriter, SaysHowItBeginsAndEnds) {
  EventWriter writer(kSession, RecordFormat::kLines, 7);
  std::string out;
  writer.Session("web1", 5, 9, &out);
  EXPECT_EQ(
      "event: session\n" +
          Event(
              7,
              R"({"stream":"web1","session":"00000000000000aa","position":7,"tail":5,"head":9})"),
      out);
  out.clear();
  writer.End(3, &out);
  writer.End(std::nullopt, &out);
  EXPECT_EQ("event: end\n" + Event(7, R"({"position":7,"status":3})") + "event: end\n" +
                Event(7, R"({"position":7,"status":null})"),
            out);
}

TEST(Utf8, ReplacesWhatIsNone) {
  EXPECT_EQ("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
            ToUtf8("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(bad + "a", ToUtf8("\xff"
                              "a"));
  EXPECT_EQ(bad + bad, ToUtf8("\xc0\xaf"));            // overlong
  EXPECT_EQ(bad + bad + bad, ToUtf8("\xed\xa0\x80"));  // a surrogate
  EXPECT_EQ(bad + bad, ToUtf8("\xe2\x82"));            // cut off
  EXPECT_EQ(bad + bad + bad + bad, ToUtf8("\xf4\x90\x80\x80"));
}

}  // namespace
}  // namespace pipedup::http
