// Over 500 lines: one fixture, run for both kinds of journal.
// Append, publish, read, find, retain: in files and in private memory.
#include "journal/journal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "journal_test_base.h"
#include "os/build.h"
#include "os/io.h"

namespace pipedup {
namespace {

class JournalTest : public testing::TestWithParam<bool>, protected JournalTestBase {
 protected:
  Journal& Make() { return Make(Options(GetParam())); }
  Journal& Make(const JournalOptions& options) {
    journal_ = std::make_unique<Journal>(options);
    journal_->OnBlock([this](const Block& block) {
      published_.push_back(block.header);
      published_text_ += TextOf(block);
    });
    return *journal_;
  }
  void Put(const std::string& text) {
    all_ += text;
    journal_->Append(AsBytes(text));
  }
  void Publish(const std::string& text) {
    Put(text);
    journal_->PublishAll();
  }
  /// Whole lines of 1 KiB until at least `bytes` more are published.
  void Fill(std::uint64_t bytes) {
    for (std::uint64_t done = 0; done < bytes; done += 16 * kKiB) {
      std::string lines;
      for (int i = 0; i < 16; ++i) lines += Line(kKiB, static_cast<char>('a' + i));
      Publish(lines);
    }
  }

  std::unique_ptr<Journal> journal_;
  std::string all_;
  std::vector<BlockHeader> published_;
  std::string published_text_;
};

INSTANTIATE_TEST_SUITE_P(, JournalTest, testing::Bool(), [](const auto& which) {
  return std::string(which.param ? "InFiles" : "InMemory");
});

TEST_P(JournalTest, IsEmptyAtFirst) {
  Make();
  EXPECT_EQ(journal_->tail(), 0U);
  EXPECT_EQ(journal_->head(), 0U);
  EXPECT_EQ(journal_->unpublished(), 0U);
  EXPECT_FALSE(journal_->PublishFinished());
  journal_->PublishAll();
  EXPECT_TRUE(published_.empty());
  EXPECT_FALSE(journal_->Read(0, 100));
  EXPECT_EQ(journal_->CostSince(0), 0U);
  EXPECT_EQ(journal_->FindSince(0), 0U);
  EXPECT_EQ(journal_->FindLast(0), Position{0});
}

TEST_P(JournalTest, TheUnfinishedTailIsNotVisible) {
  Make();
  Put("one\ntwo\nthr");
  EXPECT_TRUE(journal_->PublishFinished());
  EXPECT_EQ(journal_->head(), 8U);
  EXPECT_EQ(journal_->unpublished(), 3U);
  EXPECT_EQ(TextOf(*journal_->Read(0, 100)), "one\ntwo\n");
  EXPECT_FALSE(journal_->Read(8, 100));
  EXPECT_FALSE(journal_->PublishFinished()) << "no record has ended since";
  Put("ee\nfo");
  EXPECT_TRUE(journal_->PublishFinished());
  EXPECT_EQ(journal_->head(), 14U);
  journal_->PublishAll();
  EXPECT_EQ(published_text_, "one\ntwo\nthree\nfo");
}

TEST_P(JournalTest, TheUnfinishedTailIsNotMoved) {
  Make();
  Put("one\ntw");
  journal_->PublishFinished();
  const auto first = journal_->Read(0, 100);
  Put("o\n");
  journal_->PublishFinished();
  const auto second = journal_->Read(4, 100);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->payload.bytes.data() + 4, second->payload.bytes.data());
}

TEST_P(JournalTest, EveryPositionCanBeReadWithTheRightHeader) {
  Make();
  Publish("one\ntwo\n");
  now_ns_ += 1'000'000'000;
  Publish("thr");
  now_ns_ += 1'000'000'000;
  Publish("ee\n\nfour\nfi");
  for (Position at = 0; at < journal_->head(); ++at) {
    for (std::size_t max = 1; max <= journal_->head() - at; ++max) {
      const auto block = journal_->Read(at, max);
      ASSERT_TRUE(block) << at;
      Check(*journal_, *block, at, all_);
      EXPECT_LE(block->header.length, max);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_FALSE(journal_->Read(journal_->head(), 1));
  EXPECT_FALSE(journal_->Read(journal_->head() + 1, 1));
  EXPECT_FALSE(journal_->Read(0, 0));
}

TEST_P(JournalTest, NeighboursOfTheSameMomentAreJoinedAndOthersNot) {
  Make();
  Publish("one\n");
  now_ns_ += 10'000'000;
  Publish("two\n");
  now_ns_ += 1;
  Publish("three\n");
  EXPECT_EQ(TextOf(*journal_->Read(0, 1000)), "one\ntwo\n");
  EXPECT_EQ(TextOf(*journal_->Read(8, 1000)), "three\n");
  EXPECT_EQ(TextOf(*journal_->Read(2, 1000)), "e\ntwo\n");
}

TEST_P(JournalTest, AReadIsAtMost256KiBUnlessItIsAWholeBlock) {
  auto options = Options(GetParam());
  options.retain_bytes = 64 * kMiB;
  Make(options);
  for (int i = 0; i < 4; ++i) Put(std::string(200 * kKiB, 'x'));
  Put("\n");
  journal_->PublishAll();
  EXPECT_EQ(journal_->Read(0, SIZE_MAX)->header.length, 800 * kKiB + 1);
  EXPECT_EQ(journal_->Read(0, 800 * kKiB)->header.length, 256 * kKiB);
  EXPECT_EQ(journal_->Read(1, SIZE_MAX)->header.length, 256 * kKiB);
  EXPECT_TRUE(Same(ReadAll(*journal_, 0, all_), all_));
}

TEST_P(JournalTest, ABlockIsAtMostOneMebibyte) {
  auto options = Options(GetParam());
  options.retain_bytes = 64 * kMiB;
  Make(options);
  Publish(std::string(3 * kMiB, 'x') + "\n");
  for (const BlockHeader& header : published_) EXPECT_LE(header.length, kMaxBlockBytes);
  EXPECT_GE(published_.size(), 4U);
  EXPECT_TRUE(Same(published_text_, all_));
}

TEST_P(JournalTest, ARecordOfManyMebibytesArrivesWhole) {
  auto options = Options(GetParam());
  options.retain_bytes = 64 * kMiB;
  Make(options);
  for (int i = 0; i < 40; ++i) {
    Put(std::string(256 * kKiB, static_cast<char>('a' + i % 26)));
    journal_->PublishFinished();
  }
  Publish("\n");
  EXPECT_TRUE(Same(published_text_, all_));
  EXPECT_EQ(journal_->records(), 1U);
  EXPECT_TRUE(published_.front().begins_record);
  EXPECT_FALSE(published_.front().ends_record);
  EXPECT_FALSE(published_.back().begins_record);
  EXPECT_TRUE(published_.back().ends_record);
  EXPECT_TRUE(Same(ReadAll(*journal_, 0, all_), all_));
}

TEST_P(JournalTest, PublishedBlocksFollowEachOtherAndTellTheirRecords) {
  Make();
  Fill(3 * kMiB);
  Position at = 0;
  std::uint64_t records = 0;
  for (const BlockHeader& header : published_) {
    EXPECT_EQ(header.position, at);
    EXPECT_EQ(header.records_before, records);
    at = header.end();
    records += header.records;
  }
  EXPECT_EQ(at, journal_->head());
  EXPECT_EQ(records, journal_->records());
  EXPECT_TRUE(Same(published_text_, all_));
}

TEST_P(JournalTest, TheClockMayRunBackwardsButBlockTimesDoNot) {
  Make();
  Publish("one\n");
  now_ns_ -= 5'000'000'000;
  Publish("two\n");
  EXPECT_EQ(published_[1].time_ns, published_[0].time_ns);
  EXPECT_EQ(journal_->last_time_ns(), published_[0].time_ns);
}

TEST_P(JournalTest, WithoutChecksumsBlocksSaySo) {
  auto options = Options(GetParam());
  options.checksum = false;
  Make(options);
  Publish("one\ntwo\n");
  EXPECT_FALSE(published_[0].checksummed);
  Check(*journal_, *journal_->Read(2, 3), 2, all_);
}

TEST_P(JournalTest, ARawStreamHasNoRecordsAndIsAlwaysFinished) {
  auto options = Options(GetParam());
  options.records = RecordFormat::kRaw;
  Make(options);
  Put("a\nb");
  EXPECT_TRUE(journal_->PublishFinished());
  EXPECT_EQ(journal_->head(), 3U);
  EXPECT_EQ(journal_->records(), 0U);
  EXPECT_EQ(journal_->FindLast(1), std::nullopt);
  EXPECT_EQ(journal_->FindLast(0), std::nullopt);
}

TEST_P(JournalTest, NulRecordsEndWithNul) {
  auto options = Options(GetParam());
  options.records = RecordFormat::kNul;
  Make(options);
  Put(std::string("a\nb\0c\n", 6));
  EXPECT_TRUE(journal_->PublishFinished());
  EXPECT_EQ(journal_->head(), 4U);
  EXPECT_EQ(journal_->records(), 1U);
}

// ---- append ----

TEST_P(JournalTest, TakesWhatAPipeHolds) {
  Make();
  auto [read_end, write_end] = MakePipe();
  ASSERT_EQ(WriteAll(write_end.get(), AsBytes("one\ntwo\n")).status, IoStatus::kOk);
  AppendResult result = journal_->AppendFrom(read_end.get(), true, 3);
  EXPECT_EQ(result.status, AppendStatus::kAppended);
  EXPECT_EQ(result.count, 3U);
  result = journal_->AppendFrom(read_end.get(), true, 100);
  EXPECT_EQ(result.count, 5U);
  // Without splice it is read, as memory is, and a read would block.
  if (GetParam() && !IsPortable()) {
    EXPECT_EQ(journal_->AppendFrom(read_end.get(), true, 100).status,
              AppendStatus::kWouldBlock);
  }
  write_end.Reset();
  EXPECT_EQ(journal_->AppendFrom(read_end.get(), true, 100).status, AppendStatus::kEnd);
  journal_->PublishAll();
  EXPECT_EQ(published_text_, "one\ntwo\n");
}

TEST_P(JournalTest, TakesAFileThatIsNoPipe) {
  Make();
  const std::string path = directory_.path() + "/input";
  int error = 0;
  const UniqueFd file = CreateFile(path, &error);
  ASSERT_EQ(WriteAt(file.get(), AsBytes("one\ntwo"), 0).status, IoStatus::kOk);
  EXPECT_EQ(journal_->AppendFrom(file.get(), false, 100).count, 7U);
  EXPECT_EQ(journal_->AppendFrom(file.get(), false, 100).status, AppendStatus::kEnd);
  journal_->PublishAll();
  EXPECT_EQ(published_text_, "one\ntwo");
}

TEST_P(JournalTest, AReadThatFailsSaysWhy) {
  Make();
  const AppendResult result = journal_->AppendFrom(-1, false, 100);
  EXPECT_EQ(result.status, AppendStatus::kFailed);
  EXPECT_EQ(result.error, EBADF);
}

TEST_P(JournalTest, TakesAPipeThatHoldsMoreThanASegment) {
  Make();
  auto [read_end, write_end] = MakePipe();
  for (int i = 0; i < 40; ++i) {
    const std::string text = std::string(60'000, static_cast<char>('a' + i % 26)) + "\n";
    ASSERT_EQ(WriteAll(write_end.get(), AsBytes(text)).status, IoStatus::kOk);
    all_ += text;
    for (std::size_t taken = 0; taken < text.size();) {
      const AppendResult result = journal_->AppendFrom(read_end.get(), true, kSegment);
      ASSERT_EQ(result.status, AppendStatus::kAppended);
      taken += result.count;
      journal_->PublishFinished();
    }
  }
  EXPECT_TRUE(Same(published_text_, all_));
}

// ---- segments and retention ----

TEST_P(JournalTest, BlocksNeverSpanSegments) {
  if (!GetParam()) GTEST_SKIP() << "segments show by their files only";
  Make();
  Fill(kMiB);
  for (const auto& file : std::filesystem::directory_iterator(directory_.path())) {
    if (file.path().extension() != ".log") continue;
    const Position begin = std::stoull(file.path().stem().string());
    bool starts_here = begin == 0;
    for (const BlockHeader& header : published_) {
      EXPECT_FALSE(header.position < begin && begin < header.end()) << begin;
      starts_here = starts_here || header.position == begin;
    }
    EXPECT_TRUE(starts_here) << begin;
  }
}

TEST_P(JournalTest, SegmentsAreTheStreamsBytes) {
  if (!GetParam()) GTEST_SKIP() << "of files only";
  Make();
  Fill(600 * kKiB);
  std::vector<std::string> names;
  for (const std::string& name : ListDirectory(directory_.path())) {
    if (name.ends_with(".log")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  std::string text;
  std::string why;
  for (const std::string& name : names)
    text += *ReadTextFile(directory_.path() + "/" + name, &why);
  EXPECT_TRUE(Same(text, all_));
}

TEST_P(JournalTest, PeekGivesEveryByteAndTheFileThatHoldsIt) {
  JournalOptions options = Options(GetParam());
  options.splice_out = true;
  Make(options);
  Fill(600 * kKiB);
  Put("unfinished");
  std::string text;
  std::string from_files;
  while (const auto piece = journal_->Peek(text.size(), 100 * kKiB)) {
    text += AsText(piece->bytes);
    EXPECT_EQ(piece->file >= 0, GetParam());
    if (piece->file < 0) continue;
    std::string part(piece->size(), ' ');
    ASSERT_EQ(::pread(piece->file, part.data(), part.size(), static_cast<off_t>(piece->offset)),
              static_cast<ssize_t>(part.size()));
    from_files += part;
  }
  EXPECT_EQ(text.size(), journal_->head());
  EXPECT_TRUE(Same(text, all_.substr(0, text.size())));
  EXPECT_TRUE(!GetParam() || Same(from_files, text));
}

TEST_P(JournalTest, KeepsAtLeastWhatIsToBeRetainedAndLittleMore) {
  Make();
  for (int i = 0; i < 200; ++i) {
    Fill(32 * kKiB);
    const std::uint64_t cost = journal_->CostSince(journal_->tail());
    EXPECT_GE(cost, std::min<std::uint64_t>(all_.size(), kMiB));
    EXPECT_LE(cost, kMiB + 2 * kSegment);
  }
  EXPECT_EQ(journal_->counters().dropped_bytes, journal_->tail());
  EXPECT_TRUE(Same(ReadAll(*journal_, journal_->tail(), all_), all_.substr(journal_->tail())));
}

TEST_P(JournalTest, WhatIsNoLongerKeptCannotBeRead) {
  Make();
  Fill(4 * kMiB);
  ASSERT_GT(journal_->tail(), 0U);
  EXPECT_FALSE(journal_->Read(0, 100));
  EXPECT_FALSE(journal_->Read(journal_->tail() - 1, 100));
  EXPECT_TRUE(journal_->Read(journal_->tail(), 100));
}

TEST_P(JournalTest, KeepsWhatItIsToldToKeepWhateverTheBounds) {
  Make();
  journal_->KeepFrom(0);
  Fill(3 * kMiB);
  EXPECT_EQ(journal_->tail(), 0U);
  EXPECT_TRUE(Same(ReadAll(*journal_, 0, all_), all_));
  journal_->KeepFrom(2 * kMiB);
  Fill(kMiB);
  EXPECT_GT(journal_->tail(), 0U);
  EXPECT_LE(journal_->tail(), 2 * kMiB);
  journal_->KeepFrom(UINT64_MAX);
  Fill(kMiB);
  EXPECT_GT(journal_->tail(), 2 * kMiB);
}

TEST_P(JournalTest, DropsWhatIsOlderThanItMayBecome) {
  auto options = Options(GetParam());
  options.retain_age = std::chrono::seconds(60);
  Make(options);
  Publish("one\n");
  now_ns_ += 30'000'000'000;
  journal_->DropExpired();
  Publish("two\n");
  EXPECT_EQ(journal_->tail(), 0U);
  now_ns_ += 31'000'000'000;
  journal_->DropExpired();
  EXPECT_EQ(journal_->tail(), 4U) << "one is 61 s old, two 31 s";
  EXPECT_EQ(ReadAll(*journal_, 4, all_), "two\n");
  now_ns_ += 61'000'000'000;
  journal_->DropExpired();
  EXPECT_EQ(journal_->tail(), journal_->head());
  EXPECT_EQ(journal_->head(), 8U);
  Publish("three\n");
  EXPECT_EQ(ReadAll(*journal_, 8, all_), "three\n");
}

TEST_P(JournalTest, AgeDropsNothingThatIsToBeKept) {
  auto options = Options(GetParam());
  options.retain_age = std::chrono::seconds(60);
  Make(options);
  journal_->KeepFrom(0);
  Publish("one\n");
  now_ns_ += 200'000'000'000;
  journal_->DropExpired();
  journal_->DropExpired();
  EXPECT_EQ(journal_->tail(), 0U);
}

TEST_P(JournalTest, AnUnfinishedRecordSurvivesTheDroppingOfOldOnes) {
  auto options = Options(GetParam());
  options.retain_age = std::chrono::seconds(60);
  Make(options);
  Publish("one\n");
  Put("tw");
  now_ns_ += 200'000'000'000;
  journal_->DropExpired();
  Put("o\n");
  journal_->PublishFinished();
  EXPECT_EQ(published_text_, "one\ntwo\n");
}

TEST_P(JournalTest, CostCountsBytesAndIndex) {
  Make();
  Publish("one\n");
  Publish("two\n");
  EXPECT_EQ(journal_->CostSince(0), 8U + 2 * kHeaderBytes);
  EXPECT_EQ(journal_->CostSince(4), 4U + kHeaderBytes);
  EXPECT_EQ(journal_->CostSince(6), 2U + kHeaderBytes);
  EXPECT_EQ(journal_->CostSince(8), 0U);
  EXPECT_EQ(journal_->CostSince(1000), 0U);
}

TEST_P(JournalTest, CostBeforeTheTailIsThatOfAllThatIsKept) {
  Make();
  Fill(4 * kMiB);
  const std::uint64_t kept = journal_->CostSince(journal_->tail());
  EXPECT_EQ(journal_->CostSince(0), kept + journal_->tail())
      << "bytes that are gone count as the lag that they are";
}

TEST_P(JournalTest, ManyTinyBlocksFillTheIndexBeforeTheData) {
  Make();
  for (int i = 0; i < 30'000; ++i) Publish(i % 2 == 0 ? "\n" : "a\n");
  EXPECT_EQ(published_.size(), 30'000U);
  EXPECT_TRUE(Same(published_text_, all_));
  EXPECT_GT(journal_->tail(), 0U) << "the index counts";
  EXPECT_LE(journal_->CostSince(journal_->tail()), kMiB + 2 * kSegment);
  EXPECT_TRUE(Same(ReadAll(*journal_, journal_->tail(), all_), all_.substr(journal_->tail())));
}

TEST_P(JournalTest, BytesThatAReaderHoldsStayRightAfterTheyWereDropped) {
  Make();
  Fill(64 * kKiB);
  std::optional<Block> held = journal_->Read(0, 64 * kKiB);
  const std::string before = TextOf(*held);
  EXPECT_EQ(journal_->pinned_bytes(), 0U);
  Fill(4 * kMiB);
  ASSERT_GT(journal_->tail(), 64 * kKiB);
  EXPECT_GE(journal_->pinned_bytes(), 64 * kKiB);
  EXPECT_LE(journal_->pinned_bytes(), kSegment + kSegment);
  EXPECT_EQ(TextOf(*held), before);
  held.reset();
  EXPECT_EQ(journal_->pinned_bytes(), 0U);
}

TEST_P(JournalTest, BytesThatAReaderHoldsOutliveTheJournal) {
  Make();
  Publish("one\n");
  const std::optional<Block> held = journal_->Read(0, 100);
  journal_.reset();
  EXPECT_EQ(TextOf(*held), "one\n");
}

TEST_P(JournalTest, LeavesNoFilesBehind) {
  Make();
  Fill(2 * kMiB);
  journal_.reset();
  EXPECT_EQ(ListDirectory(directory_.path()), std::vector<std::string>{});
}

// ---- find ----

TEST_P(JournalTest, FindsWhereTheLastRecordsBegin) {
  Make();
  Publish("one\ntwo\n");
  Publish("thr");
  Publish("ee\nfo");
  EXPECT_EQ(journal_->FindLast(0), Position{14}) << "where the unfinished record begins";
  EXPECT_EQ(journal_->FindLast(1), Position{8});
  EXPECT_EQ(journal_->FindLast(2), Position{4});
  EXPECT_EQ(journal_->FindLast(3), Position{0});
  EXPECT_EQ(journal_->FindLast(4), Position{0});
  EXPECT_EQ(journal_->FindLast(UINT64_MAX), Position{0});
  Publish("ur\n");
  EXPECT_EQ(journal_->FindLast(0), journal_->head());
}

TEST_P(JournalTest, FindsTheLastRecordsOverManySegmentsAndBeginsAtTheTailIfFewerAreKept) {
  Make();
  Fill(4 * kMiB);
  const std::uint64_t kept = (journal_->head() - journal_->tail()) / kKiB;
  for (const std::uint64_t count :
       {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{500}, kept - 1}) {
    EXPECT_EQ(journal_->FindLast(count), journal_->head() - count * kKiB) << count;
  }
  for (const std::uint64_t count : {kept, kept + 1, 100 * kept}) {
    EXPECT_EQ(journal_->FindLast(count), journal_->tail()) << count;
  }
}

TEST_P(JournalTest, FindsTheFirstBlockSinceATime) {
  Make();
  const std::int64_t start = now_ns_;
  std::vector<Position> at;
  for (int i = 0; i < 100; ++i) {
    now_ns_ = start + i * 1000;
    at.push_back(journal_->head());
    Publish(Line(8 * kKiB));
  }
  EXPECT_EQ(journal_->FindSince(0), journal_->tail());
  EXPECT_EQ(journal_->FindSince(start + 99'000), at[99]);
  EXPECT_EQ(journal_->FindSince(start + 98'001), at[99]);
  EXPECT_EQ(journal_->FindSince(start + 50'000), at[50]);
  EXPECT_EQ(journal_->FindSince(start + 99'001), journal_->head());
  EXPECT_EQ(journal_->FindSince(INT64_MAX), journal_->head());
}

TEST_P(JournalTest, TellsWhenAPositionWasPublished) {
  Make();
  const std::int64_t start = now_ns_;
  EXPECT_EQ(journal_->TimeAt(0), 0);
  Publish("one\n");
  now_ns_ += 1000;
  Publish("two\n");
  EXPECT_EQ(journal_->TimeAt(0), start);
  EXPECT_EQ(journal_->TimeAt(3), start);
  EXPECT_EQ(journal_->TimeAt(4), start + 1000);
  EXPECT_EQ(journal_->TimeAt(8), start + 1000);
  EXPECT_EQ(journal_->TimeAt(UINT64_MAX), start + 1000);
}

}  // namespace
}  // namespace pipedup
