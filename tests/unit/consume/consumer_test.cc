// A consumer is fed, and when it is started again it goes on at the very byte.
#include "consume/consumer.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "os/signals.h"
#include "unit/journal/journal_test_base.h"

namespace pipedup {
namespace {

class ConsumerTest : public testing::Test, protected JournalTestBase {
 protected:
  ConsumerTest() : signals_({SIGCHLD}) {
    IgnoreBrokenPipe();
    JournalOptions options = Options(true);
    options.records = RecordFormat::kRaw;
    options.splice_out = true;
    journal_.emplace(options);
    loop_.OnReadable(signals_.fd(), [this] {
      while (signals_.Next().number != 0) {
      }
      for (Ended ended = ReapOne(); ended.pid != -1; ended = ReapOne()) {
        EXPECT_TRUE(consumer_->OnEnded(ended)) << ended.pid;
      }
    });
  }

  /// Its stdout comes out of Output().
  Consumer& Make(const std::string& script, Restart restart) {
    ConsumerOptions options{.name = "test", .argv = {"/bin/sh", "-c", script}};
    options.restart = restart;
    options.output = pipe_.second.get();
    ConsumerEvents events;
    events.on_change = [this] {
      if (!consumer_->running()) loop_.Stop();
    };
    events.on_gap = [this](Position from, Position to) { gaps_.emplace_back(from, to); };
    events.on_ended = [this](int status, std::optional<Duration> again) {
      ends_.emplace_back(status, again);
    };
    GrowPipe(pipe_.second.get(), 1024 * 1024);
    consumer_ = std::make_unique<Consumer>(loop_, *journal_, options, 0, events);
    consumer_->Start();
    return *consumer_;
  }
  void Produce(const std::string& text) {
    journal_->Append(AsBytes(text));
    journal_->PublishAll();
    consumer_->Pump();
  }
  void RunToTheEnd() {
    const auto patience = loop_.After(std::chrono::seconds(30), [this] {
      ADD_FAILURE() << "nothing happened";
      loop_.Stop();
    });
    if (consumer_->running()) loop_.Run();
    loop_.Cancel(patience);
  }
  std::string Output() {
    std::string text(1024 * 1024, '\0');
    std::size_t used = 0;
    while (IsReadable(pipe_.first.get())) {
      const IoResult result =
          ReadSome(pipe_.first.get(), std::as_writable_bytes(std::span(text)).subspan(used));
      if (result.status != IoStatus::kOk) break;
      used += result.count;
    }
    text.resize(used);
    return text;
  }

  SignalQueue signals_;
  EventLoop loop_;
  std::optional<Journal> journal_;
  std::pair<UniqueFd, UniqueFd> pipe_ = MakePipe();
  std::unique_ptr<Consumer> consumer_;
  std::vector<std::pair<int, std::optional<Duration>>> ends_;
  std::vector<std::pair<Position, Position>> gaps_;
};

TEST_F(ConsumerTest, GetsTheStreamAndItsEnd) {
  Consumer& consumer = Make("cat; exit 4", Restart::kNever);
  Produce("one\n");
  Produce("two\n");
  consumer.Finish();
  RunToTheEnd();
  EXPECT_EQ(Output(), "one\ntwo\n");
  EXPECT_EQ(consumer.exit_status(), 4);
  EXPECT_TRUE(consumer.drained());
  EXPECT_FALSE(consumer.takes());
}

TEST_F(ConsumerTest, OneThatLeavesEarlyIsOver) {
  Consumer& consumer = Make("head -c 4", Restart::kNever);
  Produce("one\ntwo\n");
  RunToTheEnd();
  EXPECT_EQ(Output(), "one\n");
  EXPECT_EQ(consumer.exit_status(), 0);
  EXPECT_FALSE(consumer.takes());
  EXPECT_FALSE(consumer.drained());
}

TEST_F(ConsumerTest, OneThatClosesItsStdinTakesNothingButRunsOn) {
  Consumer& consumer = Make("exec <&-; echo closed; exec sleep 100", Restart::kNever);
  const auto look = loop_.Every(std::chrono::milliseconds(1), [&] {
    if (!consumer.takes()) loop_.Stop();
  });
  RunToTheEnd();
  loop_.Cancel(look);
  EXPECT_FALSE(consumer.takes());
  consumer.Signal(SIGKILL);
  RunToTheEnd();
  EXPECT_EQ(consumer.exit_status(), 137);
}

TEST_F(ConsumerTest, IsStartedAgainAtTheFirstByteThatWasNotRead) {
  // Each one reads exactly 5 bytes and fails; the last finds fewer.
  Consumer& consumer = Make("dd bs=1 count=5 2>/dev/null; exit 9", Restart::kOnFailure);
  Produce("0123456789abcdefgh");
  consumer.Finish();
  RunToTheEnd();
  EXPECT_EQ(Output(), "0123456789abcdefgh");
  ASSERT_EQ(ends_.size(), 4U);
  EXPECT_EQ(ends_[0].second, Duration(std::chrono::milliseconds(100)));
  EXPECT_EQ(ends_[1].second, Duration(std::chrono::milliseconds(200)));
  EXPECT_EQ(ends_[2].second, Duration(std::chrono::milliseconds(400)));
  EXPECT_EQ(ends_[3].second, std::nullopt) << "nothing is left for another one";
  EXPECT_EQ(consumer.exit_status(), 9);
}

TEST_F(ConsumerTest, WhatASurvivingChildOfItHasReadIsNotGivenTwice) {
  // The shell dies, the reader behind it lives on with the same pipe and reads what comes.
  Consumer& consumer =
      Make("if test -e " + directory_.path() + "/again; then cat; exit 0; fi; : > " +
               directory_.path() + "/again; exec 3<&0; cat <&3 & kill -KILL $$",
           Restart::kOnFailure);
  std::string all;
  for (int i = 0; i < 2000; ++i) all += std::to_string(i) + "\n";
  Produce(all);
  consumer.Finish();
  RunToTheEnd();
  std::string got;
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  while (got.size() < all.size() && Clock::now() < deadline) got += Output();
  EXPECT_EQ(got.size(), all.size());
}

TEST_F(ConsumerTest, IsNotStartedAgainOnceItWasDropped) {
  Consumer& consumer = Make("exec sleep 100", Restart::kAlways);
  consumer.Drop();
  consumer.Signal(SIGTERM);
  RunToTheEnd();
  EXPECT_EQ(consumer.exit_status(), 143);
  ASSERT_EQ(ends_.size(), 1U);
  EXPECT_EQ(ends_[0].second, std::nullopt);
}

TEST_F(ConsumerTest, ThatCannotBeRunIsAnError) {
  ConsumerOptions options{.name = "none", .argv = {"/no/such/program"}};
  Consumer consumer(loop_, *journal_, options, 0, {});
  try {
    consumer.Start();
    FAIL() << "it was started";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_status(), kExitNotFound);
  }
}

}  // namespace
}  // namespace pipedup
