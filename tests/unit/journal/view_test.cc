// A journal, seen from another thread.
#include "journal/view.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "base/sanitizer.h"
#include "journal/view_reader.h"
#include "journal_test_base.h"
#include "support/no_descriptors.h"

namespace pipedup {
namespace {

class ViewTest : public JournalTestBase, public ::testing::TestWithParam<bool> {
 protected:
  void Publish(Journal& journal, const std::string& bytes) {
    all_ += bytes;
    journal.Append(AsBytes(bytes));
    journal.PublishAll();
  }
  /// Everything from `at` on that can be read now.
  std::string ReadOn(ViewReader& reader, Position at, std::size_t max = 10'000) {
    std::string text;
    for (auto found = reader.Read(at, max); found.bytes.size() > 0;
         found = reader.Read(at, max)) {
      text += AsText(found.bytes.bytes);
      at += found.bytes.size();
    }
    return text;
  }
  /// As somebody else does.
  void Cut(Position begin, std::uint64_t bytes) {
    std::string name = std::to_string(begin);
    name.insert(0, 20 - name.size(), '0');
    EXPECT_EQ(0, TruncateFile(directory_.path() + "/" + name + ".log", bytes)) << name;
  }
  std::string all_;
};

INSTANTIATE_TEST_SUITE_P(Where, ViewTest, ::testing::Values(true, false),
                         [](const auto& run) { return run.param ? "InFiles" : "InMemory"; });

TEST_P(ViewTest, ShowsWhatIsPublishedAndNothingElse) {
  Journal journal(Options(GetParam()));
  int more = 0;
  const auto view = JournalView::Of(journal, [&] { ++more; });
  ViewReader reader(view);
  EXPECT_EQ(0u, reader.Read(0, 100).bytes.size());
  journal.Append(AsBytes("one\ntwo"));
  ASSERT_TRUE(journal.PublishFinished());
  EXPECT_EQ("one\n", ReadOn(reader, 0));
  EXPECT_EQ(1, more);
  journal.PublishAll();
  EXPECT_EQ("o", ReadOn(reader, 6));
  EXPECT_EQ(7u, view->head());
}

TEST_P(ViewTest, ShowsEveryByteOfEverySegment) {
  Journal journal(Options(GetParam()));
  const auto view = JournalView::Of(journal, [] {});
  ViewReader reader(view);
  for (int i = 0; i < 700; ++i) Publish(journal, Line(1000, static_cast<char>('a' + i % 26)));
  EXPECT_GT(view->segments()->size(), 2u);
  EXPECT_EQ(all_, ReadOn(reader, 0));
  EXPECT_EQ(all_.substr(300'001), ReadOn(reader, 300'001));
}

TEST_P(ViewTest, SaysWhereItGoesOnBehindWhatRetentionHasDropped) {
  Journal journal(Options(GetParam()));
  const auto view = JournalView::Of(journal, [] {});
  ViewReader reader(view);
  for (int i = 0; i < 3000; ++i) Publish(journal, Line(1000));
  ASSERT_GT(journal.tail(), 0u);
  EXPECT_EQ(journal.tail(), view->tail());
  EXPECT_EQ(journal.tail(), reader.Read(5, 100).gap_to);
  EXPECT_EQ(all_.substr(journal.tail()), ReadOn(reader, journal.tail()));
}

TEST_P(ViewTest, HoldsNothingOfWhatWasDropped) {
  Journal journal(Options(GetParam()));
  const auto view = JournalView::Of(journal, [] {});
  ViewReader reader(view);
  for (int i = 0; i < 3000; ++i) {
    Publish(journal, Line(1000));
    (void)reader.Read(all_.size() - 1000, 1000);
  }
  EXPECT_EQ(0u, journal.pinned_bytes());
}

TEST_P(ViewTest, FindsTheLastRecordsAsTheJournalDoes) {
  Journal journal(Options(GetParam()));
  const auto view = JournalView::Of(journal, [] {});
  ViewReader reader(view);
  EXPECT_EQ(0u, reader.FindLast(3));
  for (int i = 0; i < 2000; ++i) {
    Publish(journal, Line(1 + static_cast<std::size_t>(i * 7919) % 1500));
  }
  Publish(journal, "unfinished");
  for (const std::uint64_t count :
       {0U, 1U, 2U, 10U, 300U, 600U, 900U, 1200U, 1999U, 2000U, 5000U}) {
    EXPECT_EQ(journal.FindLast(count), reader.FindLast(count)) << count;
  }
}

TEST_P(ViewTest, BeginsWithARecordThoughTheFirstOneIsCut) {
  Journal journal(Options(GetParam()));
  const auto view = JournalView::Of(journal, [] {});
  ViewReader reader(view);
  for (int i = 0; i < 6; ++i) Publish(journal, Line(400'000));
  ASSERT_NE(0u, journal.tail() % 400'000) << "the tail is inside of a record";
  EXPECT_EQ((journal.tail() / 400'000 + 1) * 400'000, reader.FindStart());
}

TEST_P(ViewTest, ShowsAGapWhereARelayHasSkippedSomething) {
  Journal journal(Options(GetParam()));
  const auto view = JournalView::Of(journal, [] {});
  ViewReader reader(view);
  Publish(journal, "one\n");
  journal.Skip(100, 7, "lost");
  view->Refresh(journal);
  EXPECT_EQ(100u, reader.Read(4, 100).gap_to);
  EXPECT_EQ("one\n", ReadOn(reader, 0));
  BlockHeader header;
  header.position = 100;
  header.length = 4;
  header.records = 1;
  header.records_before = 7;
  header.checksummed = false;
  journal.AppendBlock(header, 100, AsBytes("two\n"));
  EXPECT_EQ(100u, reader.Read(4, 100).gap_to);
  EXPECT_EQ("two\n", ReadOn(reader, 100));
}

TEST_P(ViewTest, ShowsNothingAnyMoreWhenItIsClosed) {
  Journal journal(Options(GetParam()));
  const auto view = JournalView::Of(journal, [] {});
  ViewReader reader(view);
  Publish(journal, "one\n");
  view->Close();
  const ViewReader::Found found = reader.Read(0, 100);
  EXPECT_EQ(0u, found.bytes.size());
  EXPECT_FALSE(found.gap_to);
}

TEST_P(ViewTest, AnotherThreadReadsEveryByteOrIsToldOfAGapWhileItGrows) {
  Journal journal(Options(GetParam()));
  const auto view = JournalView::Of(journal, [] {});
  constexpr std::size_t kLine = 1000;
  constexpr std::size_t kLines = 20'000;
  std::atomic<bool> ended{false};
  std::size_t wrong = 0;
  Position accounted = 0;
  std::thread other([&] {
    ViewReader reader(view);
    while (true) {
      const bool last = ended.load();
      const ViewReader::Found found = reader.Read(accounted, 7000);
      if (found.gap_to) accounted = *found.gap_to;
      for (const std::byte byte : found.bytes.bytes) {
        const std::size_t at = accounted++;
        const char expected =
            at % kLine == kLine - 1 ? '\n' : static_cast<char>('a' + at / kLine % 26);
        if (static_cast<char>(byte) != expected) ++wrong;
      }
      if (last && !found.gap_to && found.bytes.size() == 0) return;
    }
  });
  for (std::size_t i = 0; i < kLines; ++i) {
    journal.Append(AsBytes(Line(kLine, static_cast<char>('a' + i % 26))));
    journal.PublishAll();
  }
  ended.store(true);
  other.join();
  EXPECT_EQ(0u, wrong);
  EXPECT_EQ(kLine * kLines, accounted);
}

TEST_P(ViewTest, ShowsWhatIsOnDiskWithALookAtItsChecksums) {
  if (!GetParam()) return;
  JournalOptions options = Options(true);
  options.durable = JournalOptions::Durable{.stream = "s", .boot = "boot"};
  {
    Journal journal(options);
    for (int i = 0; i < 600; ++i) Publish(journal, Line(1000, static_cast<char>('a' + i % 26)));
  }
  options.session = 43;
  Journal journal(options);
  const auto view = JournalView::Of(journal, [] {});
  ViewReader reader(view);
  EXPECT_EQ(all_, ReadOn(reader, 0));
  for (int i = 0; i < 400; ++i) Publish(journal, Line(1000, static_cast<char>('A' + i % 26)));
  EXPECT_EQ(all_.substr(1000), ReadOn(reader, 1000));
  for (const std::uint64_t count : {1U, 300U, 500U, 800U, 1000U}) {
    EXPECT_EQ(journal.FindLast(count), reader.FindLast(count)) << count;
  }
  // Of a block that is damaged nothing is shown, and what is behind it is.
  const std::string log = directory_.path() + "/00000000000000000000.log";
  int error = 0;
  const UniqueFd fd = OpenToAppend(log, &error);
  ASSERT_TRUE(fd);
  ASSERT_EQ(IoStatus::kOk, WriteAt(fd.get(), AsBytes("!"), 5500).status);
  ViewReader fresh(view);
  const ViewReader::Found damaged = fresh.Read(5000, 100);
  EXPECT_EQ(0u, damaged.bytes.size());
  EXPECT_EQ(6000u, damaged.gap_to);
  EXPECT_EQ(all_.substr(6000), ReadOn(fresh, 6000));
}

TEST_P(ViewTest, FindsTheFirstRecordWithoutALookAtTheLongOneBeforeIt) {
  Journal journal(Options(GetParam()));
  const auto view = JournalView::Of(journal, [] {});
  ViewReader reader(view);
  for (int i = 0; i < 20; ++i) Publish(journal, std::string(100'000, 'x'));
  ASSERT_GT(journal.tail(), 0u);
  EXPECT_EQ(view->head(), reader.FindStart()) << "no record begins there";
  Publish(journal, "\n");
  const Position start = journal.head();
  for (int i = 0; i < 200; ++i) Publish(journal, Line(1000));
  ASSERT_GT(start, journal.tail());
  // Whoever looked would be ended.
  const auto segments = view->segments();
  for (std::size_t i = 0; GetParam() && (*segments)[i + 1].begin < start; ++i) {
    Cut((*segments)[i].begin, 0);
  }
  EXPECT_EQ(start, reader.FindStart());
  EXPECT_EQ(start, reader.FindLast(1000));
  EXPECT_EQ(journal.head() - 1000, reader.FindLast(1));
}

TEST_P(ViewTest, AFileThatSomebodyHasCutIsAGapAndNotTheEndOfThisProcess) {
  if (!GetParam()) return;
  Journal journal(Options(true));
  const auto view = JournalView::Of(journal, [] {});
  ViewReader reader(view);
  for (int i = 0; i < 700; ++i) Publish(journal, Line(1000));
  const auto segments = view->segments();
  ASSERT_GT(segments->size(), 2u);
  const ViewedSegment& first = segments->front();
  const ViewedSegment& last = segments->back();
  Cut(first.begin, 8192);
  Cut(last.begin, 0);
  EXPECT_EQ(1000u, reader.Read(first.begin, 1000).bytes.size());
  EXPECT_EQ(first.end, reader.Read(first.begin + 8000, 1000).gap_to);
  EXPECT_EQ(view->head(), reader.Read(last.begin, 1000).gap_to);
  EXPECT_EQ(view->head(), reader.FindLast(1)) << "nothing is known of what is before";
}

TEST_P(ViewTest, WithoutADescriptorWhatIsOnDiskIsOutOfReachAndNotGone) {
  if (!GetParam()) return;
  if (kSanitized) GTEST_SKIP() << "a sanitizer itself needs descriptors, to look at memory";
  JournalOptions options = Options(true);
  options.durable = JournalOptions::Durable{.stream = "s", .boot = "boot"};
  {
    Journal journal(options);
    for (int i = 0; i < 600; ++i) Publish(journal, Line(1000));
  }
  Journal journal(options);
  const auto view = JournalView::Of(journal, [] {});
  ViewReader reader(view);
  {
    const NoDescriptors none;
    const ViewReader::Found found = reader.Read(0, 100);
    EXPECT_TRUE(found.out_of_reach);
    EXPECT_FALSE(found.gap_to);
    EXPECT_EQ(std::nullopt, reader.FindStart());
    EXPECT_EQ(std::nullopt, reader.FindLast(100));
    EXPECT_EQ(std::nullopt, reader.FindLast(1000));
  }
  EXPECT_EQ(0u, reader.FindStart());
  EXPECT_EQ(500'000u, reader.FindLast(100));
  EXPECT_EQ(all_, ReadOn(reader, 0));
  ViewReader other(view);
  ASSERT_EQ(100u, other.Read(0, 100).bytes.size());
  const NoDescriptors none;  // the index is known by now, and the file is open
  EXPECT_EQ(100u, other.Read(0, 100).bytes.size());
  EXPECT_TRUE(other.Read(599'000, 100).out_of_reach);
}

}  // namespace
}  // namespace pipedup
