// Recovery by itself: what a second one finds if the process is killed right after the first.
#include "journal/recovery.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "journal_test_base.h"

namespace pipedup {
namespace {

constexpr SessionId kOld = 42;
constexpr SessionId kNew = 43;

class RecoveryTest : public testing::Test, protected JournalTestBase {
 protected:
  void Put(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  std::string Path(Position begin, const char* suffix) {
    return SegmentPath(directory_.path(), begin, suffix);
  }
  void PutLabel(Position used, SyncMode sync = SyncMode::kNever) {
    JournalLabel label;
    label.session = kOld;
    label.segment_bytes = kSegment;
    label.durable = true;
    label.stream = "s";
    label.boot = "boot-1";
    label.sync = sync;
    label.used = used;
    ASSERT_EQ(WriteJournalLabel(directory_.path(), label, Readers::kNobody), 0);
  }
  /// After a crash of the machine, or with `boot` "boot-1" of the process.
  std::optional<Recovered> RecoverHere(const std::string& boot = "boot-2") {
    RecoveryOptions options;
    options.directory = directory_.path();
    options.new_session = kNew;
    options.boot = boot;
    options.stream = "s";
    options.now_ns = now_ns_;
    options.warn = [this](const std::string& text) { warnings_.push_back(text); };
    return Recover(options);
  }
  static std::string Entry(Position at, const std::string& bytes, std::int64_t time_ns = 0) {
    BlockHeader header;
    header.session = kOld;
    header.position = at;
    header.length = static_cast<std::uint32_t>(bytes.size());
    header.time_ns = time_ns;
    header.checksum = Checksum(AsBytes(bytes));
    return std::string(AsText(EncodeHeader(header)));
  }
};

TEST_F(RecoveryTest, WithoutASegmentTheLabelTellsHowFarThePositionsHaveCome) {
  PutLabel(500);
  const auto found = RecoverHere();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->head, 500U);
  EXPECT_EQ(found->label.session, kNew);
  EXPECT_EQ(found->label.past.back().end, 500U);
}

TEST_F(RecoveryTest, ASegmentOfWhichNothingIsLeftIsNotForgotten) {
  PutLabel(0, SyncMode::kAlways);
  Put(Path(1000, kLogSuffix), "torn");
  for (int time = 0; time < 2; ++time) {
    const auto found = RecoverHere();
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->segments.empty());
    EXPECT_EQ(found->head, 1000U) << time;
    EXPECT_EQ(found->label.session, kOld);
  }
}

TEST_F(RecoveryTest, ALabelThatHadToBeGuessedIsReadableAfterwards) {
  Put(directory_.path() + "/journal", "garbage");
  Put(Path(0, kLogSuffix), "one\n");
  Put(Path(0, kIndexSuffix), Entry(0, "one\n"));
  ASSERT_TRUE(RecoverHere());
  std::string why;
  const auto label = ReadJournalLabel(directory_.path(), &why);
  ASSERT_TRUE(label) << why;
  EXPECT_TRUE(label->durable);
  EXPECT_EQ(label->stream, "s");
  EXPECT_EQ(label->used, 4U);
  EXPECT_EQ(label->past.back().session, kOld);
}

TEST_F(RecoveryTest, AnIndexWithoutItsBytesIsNotInTheWayOfANewJournal) {
  Put(Path(0, kIndexSuffix), Entry(0, "one\n"));
  EXPECT_FALSE(RecoverHere());
  EXPECT_FALSE(std::filesystem::exists(Path(0, kIndexSuffix)));
}

TEST_F(RecoveryTest, PositionsBeforeASegmentThatWasBegunAreNotUsedAgain) {
  PutLabel(0);
  Put(Path(0, kLogSuffix), "one\n");  // the second line is lost, and its entry as well
  Put(Path(0, kIndexSuffix), Entry(0, "one\n"));
  Put(Path(8, kLogSuffix), "");
  Put(Path(8, kIndexSuffix), "");
  for (int time = 0; time < 2; ++time) {
    const auto found = RecoverHere("boot-1");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->label.session, kOld);
    EXPECT_EQ(std::max(found->head, found->label.used), 8U) << time;
  }
}

TEST_F(RecoveryTest, AnEntryWithoutBytesIsNone) {
  PutLabel(0);
  Put(Path(0, kLogSuffix), "");
  Put(Path(0, kIndexSuffix), Entry(0, ""));
  const auto found = RecoverHere();
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->segments.empty()) << "it would be in the way of the next one";
}

TEST_F(RecoveryTest, TimesThatNoClockHasDoNoHarm) {
  PutLabel(0);
  Put(Path(0, kLogSuffix), "one\ntwo\n");
  Put(Path(0, kIndexSuffix), Entry(0, "one\n", INT64_MIN) + Entry(4, "two\n", INT64_MAX));
  JournalOptions options = Options(true);
  options.retain_age = std::chrono::hours(1);
  options.durable = JournalOptions::Durable{"s", SyncMode::kNever, Duration(0), "boot-1"};
  Journal journal(options);
  EXPECT_EQ(TextOf(journal.Read(0, SIZE_MAX).value()), "one\n");
  EXPECT_EQ(TextOf(journal.Read(4, SIZE_MAX).value()), "two\n");
  journal.DropExpired();
}

TEST_F(RecoveryTest, AnEntryThatIsNoneEndsTheIndexAfterACrash) {
  PutLabel(0);
  Put(Path(0, kLogSuffix), "one\ntwo\n");
  Put(Path(0, kIndexSuffix),
      Entry(0, "one\n") + std::string(kHeaderBytes, 'x') + Entry(4, "two\n"));
  for (int time = 0; time < 2; ++time) {
    const auto found = RecoverHere();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->head, 4U) << time;
  }
}

}  // namespace
}  // namespace pipedup
