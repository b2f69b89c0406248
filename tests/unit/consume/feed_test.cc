// A feed gives a pipe every byte of a journal from a position on, and never waits for it.
#include "consume/feed.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "os/io.h"
#include "os/signals.h"
#include "unit/journal/journal_test_base.h"

namespace pipedup {
namespace {

class FeedTest : public testing::TestWithParam<bool>, protected JournalTestBase {
 protected:
  FeedTest() {
    IgnoreBrokenPipe();
    JournalOptions options = Options(GetParam());
    options.records = RecordFormat::kRaw;
    options.splice_out = true;
    journal_.emplace(options);
  }

  Feed& Make(Position from = 0) {
    auto [read_end, write_end] = MakePipe();
    reader_ = std::move(read_end);
    feed_ = std::make_unique<Feed>(
        loop_, *journal_, std::move(write_end), from,
        FeedEvents{.on_progress = [this] { ++progress_; },
                   .on_passed = [this](Position at) { passed_.push_back(at); },
                   .on_gap =
                       [this](Position a, Position b) {
                         EXPECT_EQ(ended_, "") << "nothing comes after the last word";
                         gaps_.emplace_back(a, b);
                       },
                   .on_drained = [this] { End("drained"); },
                   .on_closed = [this] { End("closed"); },
                   .on_failed = [this](int) { End("failed"); }});
    return *feed_;
  }
  void End(const std::string& how) {
    ended_ += how;
    loop_.Stop();
  }

  /// Publishes `bytes` bytes that tell their position.
  void Produce(std::size_t bytes) {
    std::string text;
    while (text.size() < bytes) {
      text += std::to_string(all_.size() + text.size()) + (text.size() % 7 == 0 ? '\n' : ' ');
    }
    text.resize(bytes);
    all_ += text;
    journal_->Append(AsBytes(text));
    journal_->PublishAll();
  }

  /// Its reader stands still until retention has passed it, in steps. Where it stands.
  Position BePassed(Feed& feed) {
    for (const Position stop = journal_->tail() + kMiB; journal_->tail() < stop;) {
      Produce(200'000);
      feed.Pump();
    }
    const Position had = feed.passed_at();
    EXPECT_LT(had, feed.position());
    EXPECT_EQ(passed_, std::vector{had});
    EXPECT_TRUE(gaps_.empty()) << "it is not over";
    EXPECT_EQ(feed.position(), journal_->tail());
    return had;
  }

  std::size_t ReadOnce(std::size_t max = 65536) {
    std::string text(max, '\0');
    const IoResult result = ReadSome(reader_.get(), std::as_writable_bytes(std::span(text)));
    if (result.status == IoStatus::kOk) got_.append(text, 0, result.count);
    return result.count;
  }
  /// Runs the loop and reads what comes, to the end of the pipe.
  void ReadToTheEnd() {
    EventLoop::WatchId watch = 0;
    watch = loop_.OnReadable(reader_.get(), [&] {
      if (ReadOnce() > 0) return;
      loop_.Remove(watch);
      loop_.Stop();
    });
    RunLoop();
    if (ended_.empty()) RunLoop();
    if (IsReadable(reader_.get())) {
      while (ReadOnce() > 0) {
      }
    }
  }
  void RunLoop() {
    const auto patience = loop_.After(std::chrono::seconds(30), [this] {
      ADD_FAILURE() << "nothing happened";
      loop_.Stop();
    });
    loop_.Run();
    loop_.Cancel(patience);
  }

  EventLoop loop_;
  std::optional<Journal> journal_;
  UniqueFd reader_;
  std::unique_ptr<Feed> feed_;
  std::string all_;
  std::string got_;
  std::string ended_;
  int progress_ = 0;
  std::vector<Position> passed_;
  std::vector<std::pair<Position, Position>> gaps_;
};

TEST_P(FeedTest, GivesWhatIsThereAtOnce) {
  Feed& feed = Make();
  Produce(100);
  EXPECT_EQ(feed.position(), 0U);
  feed.Pump();
  EXPECT_EQ(feed.position(), 100U);
  EXPECT_EQ(progress_, 1);
  ReadOnce();
  EXPECT_EQ(got_, all_);
}

TEST_P(FeedTest, BeginsWhereItIsTold) {
  Produce(300'000);
  Make(299'990).Finish();
  ReadToTheEnd();
  EXPECT_EQ(got_, all_.substr(299'990));
  EXPECT_EQ(ended_, "drained");
}

TEST_P(FeedTest, EveryByteArrivesThoughThePipeIsSmall) {
  Feed& feed = Make();
  journal_->KeepFrom(0);
  for (std::size_t i = 0; i < 400; ++i) {
    Produce(1 + i * 7919 % 30'000);
    feed.Pump();
    if (i % 3 == 0) ReadOnce(20'000);
    loop_.After(Duration(0), [this] { loop_.Stop(); });
    loop_.Run();
    journal_->KeepFrom(feed.position());
  }
  EXPECT_LT(feed.position(), journal_->head());
  feed.Finish();
  ReadToTheEnd();
  EXPECT_TRUE(Same(got_, all_));
  EXPECT_EQ(ended_, "drained");
  EXPECT_EQ(feed.position(), journal_->head());
  EXPECT_FALSE(feed.open());
  EXPECT_TRUE(gaps_.empty());
}

TEST_P(FeedTest, PositionIsWhatThePipeHasTaken) {
  Feed& feed = Make();
  Produce(700'000);
  feed.Pump();
  EXPECT_GT(feed.position(), 0U);
  EXPECT_LT(feed.position(), 700'000U);
  const Position had = feed.position();
  feed_.reset();
  while (ReadOnce() > 0) {
  }
  EXPECT_TRUE(Same(got_, all_.substr(0, had)));
}

TEST_P(FeedTest, OneCallMovesAtMostAMegabyte) {
  Feed& feed = Make();
  GrowPipe(reader_.get(), 4 * 1024 * 1024);
  journal_->KeepFrom(0);
  Produce(5 * 1024 * 1024);
  feed.Pump();
  EXPECT_LE(feed.position(), 2 * kMiB);
  EXPECT_GT(feed.position(), 0U);
}

TEST_P(FeedTest, GoesOnWithWhatIsPublishedLater) {
  Feed& feed = Make();
  Produce(10);
  feed.Pump();
  loop_.After(std::chrono::milliseconds(20), [&] {
    Produce(10);
    feed.Pump();
    feed.Finish();
  });
  RunLoop();
  ReadOnce();
  EXPECT_EQ(got_, all_);
  EXPECT_EQ(progress_, 2);
  EXPECT_EQ(ended_, "drained");
}

TEST_P(FeedTest, FinishClosesAtOnceWhenAllWasTaken) {
  Feed& feed = Make();
  Produce(10);
  feed.Pump();
  EXPECT_TRUE(feed.open());
  feed.Finish();
  EXPECT_FALSE(feed.open());
  EXPECT_EQ(ended_, "drained");
  feed.Pump();
  feed.Finish();
  EXPECT_EQ(ended_, "drained") << "said once";
  EXPECT_EQ(ReadOnce(), 10U);
  EXPECT_EQ(ReadOnce(), 0U);
}

TEST_P(FeedTest, AnEmptyJournalEndsAtOnce) {
  Make().Finish();
  EXPECT_EQ(ended_, "drained");
  EXPECT_EQ(ReadOnce(), 0U);
}

TEST_P(FeedTest, TellsExactlyWhatRetentionHasPassed) {
  Feed& feed = Make();
  Produce(1000);
  feed.Pump();
  Produce(200'000);
  feed.Pump();
  const Position had = feed.position();
  while (journal_->tail() <= had) Produce(200'000);
  const Position tail = journal_->tail();
  feed.Finish();
  ReadToTheEnd();
  ASSERT_EQ(gaps_.size(), 1U);
  EXPECT_EQ(gaps_[0].first, had);
  EXPECT_EQ(gaps_[0].second, tail);
  EXPECT_TRUE(Same(got_, all_.substr(0, had) + all_.substr(tail)));
}

TEST_P(FeedTest, OneStandstillIsOneGapHoweverOftenRetentionPasses) {
  Feed& feed = Make();
  const Position had = BePassed(feed);
  const Position tail = feed.position();
  feed.Finish();
  ReadToTheEnd();
  EXPECT_EQ(gaps_, (std::vector{std::pair(had, tail)}));
  EXPECT_EQ(passed_.size(), 1U);
  EXPECT_EQ(ended_, "drained");
  EXPECT_TRUE(Same(got_, all_.substr(0, had) + all_.substr(tail)));
}

TEST_P(FeedTest, EachStandstillIsAGapOfItsOwn) {
  Feed& feed = Make();
  const Position had = BePassed(feed);
  const Position tail = feed.position();
  EventLoop::WatchId watch = 0;
  watch = loop_.OnReadable(reader_.get(), [&] {
    ReadOnce();
    if (feed.position() > tail) loop_.Stop();
  });
  RunLoop();
  loop_.Remove(watch);
  EXPECT_EQ(gaps_, (std::vector{std::pair(had, tail)}));
  gaps_.clear();
  passed_.clear();
  const Position again = BePassed(feed);
  feed_.reset();
  EXPECT_EQ(passed_, std::vector{again});
  EXPECT_EQ(gaps_, (std::vector{std::pair(again, journal_->tail())}));
}

TEST_P(FeedTest, AGapThatIsNotOverIsToldByTheDestructor) {
  Feed& feed = Make();
  const Position had = BePassed(feed);
  feed_.reset();
  EXPECT_EQ(gaps_, (std::vector{std::pair(had, journal_->tail())}));
  EXPECT_EQ(ended_, "");
}

TEST_P(FeedTest, AGapThatIsNotOverIsToldBeforeTheReaderHasLeft) {
  Feed& feed = Make();
  const Position had = BePassed(feed);
  reader_.Reset();
  RunLoop();
  EXPECT_EQ(ended_, "closed");
  EXPECT_EQ(gaps_, (std::vector{std::pair(had, journal_->tail())}));
  feed_.reset();
  EXPECT_EQ(gaps_.size(), 1U) << "told once";
}

TEST_P(FeedTest, AFullPipeIsNotTriedAgainBeforeTheLoopSaysThatItHasRoom) {
  Feed& feed = Make();
  Produce(200'000);
  feed.Pump();
  const Position had = feed.position();
  while (IsReadable(reader_.get())) ReadOnce();
  feed.Pump();
  EXPECT_EQ(feed.position(), had) << "a call was made that nobody had asked for";
  feed.Finish();
  ReadToTheEnd();
  EXPECT_TRUE(Same(got_, all_));
}

TEST_P(FeedTest, NoticesAReaderThatLeavesWithBytesToTake) {
  Feed& feed = Make();
  Produce(900'000);
  feed.Pump();
  reader_.Reset();
  const Position had = feed.position();
  RunLoop();
  EXPECT_EQ(ended_, "closed");
  EXPECT_FALSE(feed.open());
  EXPECT_EQ(feed.position(), had);
}

TEST_P(FeedTest, NoticesAReaderThatLeavesAnIdleStream) {
  Make();
  loop_.After(std::chrono::milliseconds(1), [this] { reader_.Reset(); });
  RunLoop();
  EXPECT_EQ(ended_, "closed");
}

TEST_P(FeedTest, MayBeDestroyedByItsLastWord) {
  auto [read_end, write_end] = MakePipe();
  std::unique_ptr<Feed> feed;
  FeedEvents events;
  events.on_closed = [&] {
    feed.reset();
    loop_.Stop();
  };
  feed = std::make_unique<Feed>(loop_, *journal_, std::move(write_end), 0, events);
  read_end.Reset();
  RunLoop();
  EXPECT_EQ(feed, nullptr);
}

TEST_P(FeedTest, AStoppedReaderDoesNotDelayAnother) {
  Feed& stopped = Make();
  auto pipe = MakePipe();
  const UniqueFd other_end = std::move(pipe.first);
  bool drained = false;
  Feed other(loop_, *journal_, std::move(pipe.second), 0,
             FeedEvents{.on_drained = [&] { drained = true; }});
  std::string got;
  loop_.OnReadable(other_end.get(), [&] {
    std::string text(65536, '\0');
    const IoResult result = ReadSome(other_end.get(), std::as_writable_bytes(std::span(text)));
    got.append(text, 0, result.count);
    if (result.status == IoStatus::kEnd) loop_.Stop();
  });
  Produce(900'000);
  stopped.Pump();
  other.Finish();
  RunLoop();
  EXPECT_TRUE(drained);
  EXPECT_TRUE(Same(got, all_));
  EXPECT_LT(stopped.position(), 900'000U);
}

INSTANTIATE_TEST_SUITE_P(, FeedTest, testing::Bool(), [](const auto& in_files) {
  return in_files.param ? "InFiles" : "InPrivateMemory";
});

}  // namespace
}  // namespace pipedup
