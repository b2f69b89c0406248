// A journal that is filled with what another one has published.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/checksum.h"
#include "journal/journal.h"
#include "journal_test_base.h"

namespace pipedup {
namespace {

class JournalCopyTest : public testing::TestWithParam<bool>, protected JournalTestBase {
 protected:
  JournalOptions OptionsOfCopy() {
    JournalOptions options = Options(GetParam());
    if (!options.directory.empty()) {
      options.directory += "/copy";
      std::filesystem::create_directory(options.directory);
    }
    options.wall_clock = [] { return std::int64_t{1}; };  // only the headers' times count
    return options;
  }
  Journal& Make(JournalOptions options) {
    copy_ = std::make_unique<Journal>(std::move(options));
    copy_->OnBlock([this](const Block& block) {
      published_.push_back(block.header);
      published_text_ += TextOf(block);
    });
    return *copy_;
  }
  static BlockHeader HeaderOf(Position position, const std::string& text,
                              std::uint64_t records_before) {
    BlockHeader header;
    header.session = 7;
    header.position = position;
    header.length = static_cast<std::uint32_t>(text.size());
    header.begins_record = header.ends_record = true;
    header.records = static_cast<std::uint32_t>(std::count(text.begin(), text.end(), '\n'));
    header.records_before = records_before;
    header.time_ns = 1000 + static_cast<std::int64_t>(position);
    header.checksum = Checksum(AsBytes(text));
    return header;
  }
  void Add(Position position, const std::string& text, std::uint64_t records_before) {
    copy_->AppendBlock(HeaderOf(position, text, records_before), position, AsBytes(text));
  }

  std::unique_ptr<Journal> copy_;
  std::vector<BlockHeader> published_;
  std::string published_text_;
};

INSTANTIATE_TEST_SUITE_P(, JournalCopyTest, testing::Bool(), [](const auto& which) {
  return std::string(which.param ? "InFiles" : "InMemory");
});

TEST_P(JournalCopyTest, HasTheSameBlocks) {
  Journal original(Options(GetParam()));
  Make(OptionsOfCopy());
  std::vector<BlockHeader> headers;
  original.OnBlock([&](const Block& block) {
    headers.push_back(block.header);
    copy_->AppendBlock(block.header, block.header.position, block.payload.bytes);
  });
  std::string all;
  for (int i = 0; i < 300; ++i) {
    const std::string text = Line(1 + static_cast<std::size_t>(i) * 97, 'x');
    all += text;
    now_ns_ += 1000;
    original.Append(AsBytes(text));
    if (i % 3 == 0) original.PublishAll();
    if (i % 50 == 0) original.Append(AsBytes(std::string("unfinished")));
    if (i % 50 == 0) all += "unfinished";
  }
  original.PublishAll();
  for (BlockHeader& header : headers) header.session = copy_->session();
  EXPECT_EQ(published_, headers);
  EXPECT_EQ(published_text_, all);
  EXPECT_EQ(copy_->head(), original.head());
  EXPECT_EQ(copy_->records(), original.records());
  EXPECT_EQ(copy_->FindLast(10), original.FindLast(10));
  const std::int64_t since = headers[headers.size() - 5].time_ns;
  EXPECT_EQ(copy_->FindSince(since), original.FindSince(since));
}

TEST_P(JournalCopyTest, BeginsWhereItIsTold) {
  Make(OptionsOfCopy());
  copy_->Skip(1000, 30, "");
  EXPECT_EQ(copy_->tail(), 1000U);
  EXPECT_EQ(copy_->head(), 1000U);
  EXPECT_EQ(copy_->records(), 30U);
  // Nothing is in it yet, and whoever has come early may ask.
  EXPECT_EQ(copy_->FindLast(0), 1000U);
  EXPECT_EQ(copy_->FindLast(10), 1000U);
  EXPECT_EQ(copy_->FindSince(1), 1000U);
  EXPECT_EQ(copy_->CostSince(400), 600U);
  EXPECT_EQ(copy_->NextSound(400), 1000U);
  Add(1000, "one\ntwo\n", 31);
  EXPECT_EQ(copy_->tail(), 1000U);
  EXPECT_EQ(copy_->head(), 1008U);
  EXPECT_EQ(copy_->records(), 33U) << "the block knows";
  EXPECT_EQ(copy_->WhyMissing(500), "");
  EXPECT_FALSE(copy_->Read(999, 10));
  EXPECT_EQ(TextOf(*copy_->Read(1000, 100)), "one\ntwo\n");
}

TEST_P(JournalCopyTest, APartOfABlockCountsWhatIsInIt) {
  Make(OptionsOfCopy());
  const std::string text = "one\ntwo\nthree\n";
  const BlockHeader header = HeaderOf(100, text, 10);
  copy_->Skip(108, 0, "");
  copy_->AppendBlock(header, 108, AsBytes(text).subspan(8));
  ASSERT_EQ(published_.size(), 1U);
  EXPECT_EQ(published_[0].position, 108U);
  EXPECT_EQ(published_[0].records_before, 12U);
  EXPECT_EQ(published_[0].records, 1U);
  EXPECT_TRUE(published_[0].begins_record);
  EXPECT_EQ(published_[0].time_ns, header.time_ns);
  EXPECT_EQ(published_[0].checksum, Checksum(AsBytes(std::string("three\n"))));
}

TEST_P(JournalCopyTest, WhatIsMissingIsSkippedWithItsReason) {
  Make(OptionsOfCopy());
  Add(0, "one\n", 0);
  copy_->Skip(100, 20, "retention passed");
  EXPECT_EQ(copy_->head(), 100U);
  Add(100, "two\n", 21);
  EXPECT_EQ(copy_->tail(), 0U);
  EXPECT_EQ(copy_->head(), 104U);
  EXPECT_EQ(copy_->records(), 22U);
  EXPECT_FALSE(copy_->Read(4, 100));
  EXPECT_FALSE(copy_->Read(99, 100));
  EXPECT_EQ(copy_->NextSound(4), 100U);
  EXPECT_EQ(copy_->WhyMissing(4), "retention passed");
  EXPECT_EQ(copy_->WhyMissing(99), "retention passed");
  EXPECT_EQ(copy_->WhyMissing(100), "");
  EXPECT_EQ(TextOf(*copy_->Read(0, 200)), "one\n");
  EXPECT_EQ(TextOf(*copy_->Read(100, 200)), "two\n");
}

TEST_P(JournalCopyTest, OfAReasonNothingStaysBehindRetention) {
  Make(OptionsOfCopy());
  Position at = 0;
  std::uint64_t records = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string text = Line(16 * kKiB, 'x');
    Add(at, text, records++);
    at += text.size();
    if (i == 0) {
      copy_->Skip(at + 10, records, "lost");
      at += 10;
    }
  }
  ASSERT_GT(copy_->tail(), at - copy_->head() + 20 * kKiB);
  copy_->Skip(at + 10, records, "lost again");
  EXPECT_EQ(copy_->WhyMissing(16 * kKiB), "");
  EXPECT_EQ(copy_->WhyMissing(at), "lost again");
}

TEST_P(JournalCopyTest, ABlockThatNoSegmentHoldsIsCut) {
  Make(OptionsOfCopy());  // segments of 256 KiB
  std::string text;
  while (text.size() < 1000 * kKiB) text += Line(kKiB, 'y');
  Add(0, "first\n", 0);
  Add(6, text, 1);
  EXPECT_EQ(published_text_, "first\n" + text);
  EXPECT_EQ(copy_->records(), 1 + text.size() / kKiB);
  for (std::size_t i = 1; i < published_.size(); ++i) {
    EXPECT_EQ(published_[i].position, published_[i - 1].end());
    EXPECT_EQ(published_[i].time_ns, 1006) << "of the block that it is a part of";
  }
}

}  // namespace
}  // namespace pipedup
