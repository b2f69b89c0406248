// Who is asked for a range, and whose word counts.
#include "subscribe/fallback_ranges.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pipedup {
namespace {

using control::Done;
using control::ReadFrom;

class FakeReader final : public AnyRangeReader {
 public:
  explicit FakeReader(RangeReaderEvents& to) : events(to) {}
  bool Ask(std::uint64_t ticket, const ReadFrom& from, std::uint64_t max) override {
    if (full) return false;
    asked.push_back(std::to_string(ticket) + " from " + std::to_string(from.value) + " max " +
                    std::to_string(max));
    return true;
  }
  void ExpectEnd() override { expects = true; }
  bool expects_end() const override { return expects; }

  RangeReaderEvents& events;
  std::vector<std::string> asked;
  bool full = false;
  bool expects = false;
};

class FallbackRangesTest : public testing::Test, public RangeReaderEvents {
 protected:
  void OnRangeBlock(std::uint64_t ticket, const BlockHeader& header, SharedBytes) override {
    told_.push_back(std::to_string(ticket) + " block " + std::to_string(header.position));
  }
  void OnRangeDone(std::uint64_t ticket, const Done* done) override {
    told_.push_back(std::to_string(ticket) + (done == nullptr ? " unanswered"
                                              : done->outcome == Done::Outcome::kGone
                                                  ? " gone to " + std::to_string(done->tail)
                                                  : " done"));
  }
  bool MoreIsNeeded() const override { return false; }

  FallbackRanges::Make Maker(FakeReader** made) {
    return [made](RangeReaderEvents& events) {
      auto reader = std::make_unique<FakeReader>(events);
      *made = reader.get();
      return reader;
    };
  }
  static BlockHeader At(Position position, std::uint32_t length) {
    BlockHeader header;
    header.position = position;
    header.length = length;
    return header;
  }
  static Done Gone(Position tail) {
    Done done;
    done.outcome = Done::Outcome::kGone;
    done.tail = tail;
    return done;
  }

  std::vector<std::string> told_;
  FakeReader* first_ = nullptr;
  FakeReader* second_ = nullptr;
  FallbackRanges ranges_{Maker(&first_), Maker(&second_), *this};
};

using Told = std::vector<std::string>;

TEST_F(FallbackRangesTest, TheSecondIsNotAskedForWhatTheFirstHas) {
  ASSERT_TRUE(ranges_.Ask(7, {ReadFrom::Kind::kPosition, 100}, 50));
  first_->events.OnRangeBlock(7, At(90, 60), {});
  const Done done;
  first_->events.OnRangeDone(7, &done);
  EXPECT_EQ(told_, (Told{"7 block 90", "7 done"}));
  EXPECT_TRUE(second_->asked.empty());
}

TEST_F(FallbackRangesTest, WhatTheFirstDoesNotTellIsAskedOfTheSecond) {
  ASSERT_TRUE(ranges_.Ask(7, {ReadFrom::Kind::kPosition, 100}, 50));
  first_->events.OnRangeBlock(7, At(90, 30), {});
  first_->events.OnRangeDone(7, nullptr);
  EXPECT_EQ(second_->asked, (Told{"7 from 120 max 30"}));
  second_->events.OnRangeBlock(7, At(120, 30), {});
  const Done done;
  second_->events.OnRangeDone(7, &done);
  EXPECT_EQ(told_, (Told{"7 block 90", "7 block 120", "7 done"}));
}

TEST_F(FallbackRangesTest, TheOneThatAnsweredInTheOthersPlaceIsAskedFirstFromThenOn) {
  const Done done;
  const Done gone = Gone(200);
  ASSERT_TRUE(ranges_.Ask(7, {ReadFrom::Kind::kPosition, 100}, 50));
  first_->events.OnRangeDone(7, nullptr);
  second_->events.OnRangeDone(7, &done);
  ASSERT_TRUE(ranges_.Ask(8, {ReadFrom::Kind::kPosition, 200}, 50));
  EXPECT_EQ(second_->asked.back(), "8 from 200 max 50");
  second_->events.OnRangeDone(8, &gone);
  EXPECT_EQ(first_->asked.back(), "8 from 200 max 50");
  first_->events.OnRangeDone(8, &done);
  ASSERT_TRUE(ranges_.Ask(9, {ReadFrom::Kind::kPosition, 300}, 50));
  EXPECT_EQ(second_->asked.back(), "9 from 300 max 50") << "it has answered";
}

TEST_F(FallbackRangesTest, OfTwoWhoDoNotHaveItTheOneThatBeginsFirstIsBelieved) {
  for (const auto& [first, second] : {std::pair{200, 300}, std::pair{300, 200}}) {
    told_.clear();
    ASSERT_TRUE(ranges_.Ask(7, {ReadFrom::Kind::kPosition, 100}, 50));
    const Done from_first = Gone(static_cast<Position>(first));
    first_->events.OnRangeDone(7, &from_first);
    const Done from_second = Gone(static_cast<Position>(second));
    second_->events.OnRangeDone(7, &from_second);
    EXPECT_EQ(told_, (Told{"7 gone to 200"}));
  }
}

TEST_F(FallbackRangesTest, WhereTheSecondDoesNotAnswerTheFirstIsBelieved) {
  ASSERT_TRUE(ranges_.Ask(7, {ReadFrom::Kind::kPosition, 100}, 50));
  const Done gone = Gone(200);
  first_->events.OnRangeDone(7, &gone);
  second_->events.OnRangeDone(7, nullptr);
  EXPECT_EQ(told_, (Told{"7 gone to 200"}));
}

TEST_F(FallbackRangesTest, WhereTheSecondTakesNoMoreTheFirstIsBelieved) {
  second_->full = true;
  ASSERT_TRUE(ranges_.Ask(7, {ReadFrom::Kind::kPosition, 100}, 50));
  first_->events.OnRangeDone(7, nullptr);
  EXPECT_EQ(told_, (Told{"7 unanswered"}));
}

TEST_F(FallbackRangesTest, WhereTheFirstTakesNoMoreNobodyIsAsked) {
  first_->full = true;
  EXPECT_FALSE(ranges_.Ask(7, {ReadFrom::Kind::kPosition, 100}, 50));
  EXPECT_TRUE(second_->asked.empty());
}

}  // namespace
}  // namespace pipedup
