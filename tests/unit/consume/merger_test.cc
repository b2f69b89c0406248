#include "consume/merger.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

namespace pipedup {
namespace {

SharedBytes Shared(const std::string& text) {
  auto owned = std::make_shared<std::string>(text);
  const ByteSpan view = AsBytes(*owned);
  return {std::move(owned), view};
}

class MergerTest : public testing::Test {
 protected:
  MergerTest() : merger_([this](MergePart part) { Take(std::move(part)); }, 8) {}

  void Push(std::size_t stream, const std::string& text) {
    if (at_.size() <= stream) at_.resize(stream + 1, 0);
    merger_.Push(stream, {}, at_[stream], Shared(text));
    at_[stream] += text.size();
  }
  void Take(MergePart part) {
    if (taken_.size() <= part.stream) taken_.resize(part.stream + 1);
    EXPECT_EQ(part.from, taken_[part.stream].size()) << "in order, without a hole";
    taken_[part.stream] += AsText(part.bytes.bytes);
    out_ += part.before;
    out_ += AsText(part.bytes.bytes);
  }

  Merger merger_;
  std::vector<Position> at_;
  std::vector<std::string> taken_;
  std::string out_;
};

TEST_F(MergerTest, OneAloneIsPassedOnAsItComes) {
  merger_.Add();
  Push(0, "a");
  EXPECT_EQ(out_, "a");
  Push(0, "b\nc");
  EXPECT_EQ(out_, "ab\nc");
  merger_.EndRecord(0);
  EXPECT_EQ(out_, "ab\nc");
}

TEST_F(MergerTest, OnlyWholeRecordsAreInterleaved) {
  merger_.Add();
  merger_.Add();
  Push(0, "a1");
  Push(1, "b1\nb");
  EXPECT_EQ(out_, "b1\n");
  EXPECT_EQ(merger_.held(0), 2U);
  EXPECT_EQ(merger_.first_held(1), 3U);
  Push(0, "1\n");
  Push(1, "2\n");
  EXPECT_EQ(out_, "b1\na11\nb2\n");
  EXPECT_EQ(merger_.held(0) + merger_.held(1), 0U);
}

TEST_F(MergerTest, WhatWasBegunAloneIsFinishedFirst) {
  merger_.Add();
  Push(0, "a");
  merger_.Add();
  Push(1, "b\n");
  EXPECT_EQ(out_, "a");
  Push(0, "a\na");
  EXPECT_EQ(out_, "aa\nb\n") << "and from then on it is held";
}

TEST_F(MergerTest, ALongRecordTakesTheOutputUntilItEnds) {
  merger_.Add();
  merger_.Add();
  Push(0, "123456789");
  Push(1, "b\n");
  Push(0, "0");
  EXPECT_EQ(out_, "1234567890");
  Push(0, "\n1");
  EXPECT_EQ(out_, "1234567890\nb\n");
}

TEST_F(MergerTest, TwoLongRecordsComeOneAfterTheOther) {
  merger_.Add();
  merger_.Add();
  Push(0, "aaaaaaaaa");
  Push(1, "bbbbbbbbb");
  Push(1, "b");
  Push(0, "\n");
  EXPECT_EQ(out_, "aaaaaaaaa\nbbbbbbbbbb");
  Push(0, "a\n");
  Push(1, "\n");
  EXPECT_EQ(out_, "aaaaaaaaa\nbbbbbbbbbb\na\n");
}

TEST_F(MergerTest, AnUnfinishedLastRecordIsWrittenAndEndedForTheOthers) {
  merger_.Add();
  merger_.Add();
  Push(0, "a");
  Push(1, "b\n");
  merger_.EndRecord(0);
  EXPECT_EQ(out_, "b\na") << "nothing is added behind the very last record";
  Push(1, "b\n");
  EXPECT_EQ(out_, "b\na\nb\n");
}

TEST_F(MergerTest, TheUnfinishedRecordOfTheOneThatHasTheOutputIsEndedToo) {
  merger_.Add();
  merger_.Add();
  Push(0, "123456789");
  Push(1, "b\n");
  merger_.EndRecord(0);
  EXPECT_EQ(out_, "123456789\nb\n");
}

TEST_F(MergerTest, AnUnfinishedRecordWaitsForTheOneThatHasTheOutput) {
  merger_.Add();
  merger_.Add();
  Push(0, "123456789");
  Push(1, "b");
  merger_.EndRecord(1);
  EXPECT_EQ(out_, "123456789");
  Push(0, "\n");
  EXPECT_EQ(out_, "123456789\nb");
}

TEST_F(MergerTest, RecordsOfEachAreItsOwn) {
  merger_.Add();
  merger_.Add();
  merger_.SetFormat(0, RecordFormat::kNul);
  merger_.SetFormat(1, RecordFormat::kRaw);
  Push(0, "a\nb");
  Push(1, "x");
  EXPECT_EQ(out_, "x");
  Push(0, std::string("\0", 1));
  EXPECT_EQ(out_, std::string("xa\nb\0", 5));
}

// By seed: whatever comes in whatever pieces, each stream is in the output byte for byte, and
// no line is of two streams.
TEST_F(MergerTest, EachStreamIsThereAndNoRecordIsTorn) {
  std::mt19937 random(1);
  constexpr std::size_t kStreams = 3;
  std::vector<std::string> pushed(kStreams);
  for (std::size_t i = 0; i < kStreams; ++i) merger_.Add();
  for (int step = 0; step < 20'000; ++step) {
    const std::size_t stream = random() % kStreams;
    std::string text;
    for (auto left = 1 + random() % 6; left > 0; --left) {
      text += random() % 4 == 0 ? '\n' : static_cast<char>('a' + stream);
    }
    pushed[stream] += text;
    Push(stream, text);
  }
  for (std::size_t i = 0; i < kStreams; ++i) {
    pushed[i] += '\n';
    Push(i, "\n");
  }
  for (std::size_t i = 0; i < kStreams; ++i) EXPECT_TRUE(pushed[i] == taken_[i]) << i;
  std::size_t begin = 0;
  for (std::size_t end = out_.find('\n'); end != std::string::npos;
       end = out_.find('\n', begin)) {
    for (std::size_t at = begin + 1; at < end; ++at) ASSERT_EQ(out_[begin], out_[at]) << at;
    begin = end + 1;
  }
  EXPECT_EQ(begin, out_.size());
}

}  // namespace
}  // namespace pipedup
