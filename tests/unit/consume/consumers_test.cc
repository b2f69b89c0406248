// What several consumers have lost is told in positions of the stream, exactly, also what one
// that was passed has left unread.
#include "consume/consumers.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "os/signals.h"
#include "unit/journal/journal_test_base.h"

namespace pipedup {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::size_t kPiece = 50'000;  // no segment ends with one
constexpr std::uint64_t kEnoughToPass = Consumers::kHoldBytes + 10 * kMiB;

/// Byte `at` of what is pushed: every eight tell where they are.
char LocalByte(Position at) {
  return static_cast<char>((at / 8) >> (at % 8 * 8));
}

std::string LocalBytes(Position at, std::size_t count) {
  std::string text(count, '\0');
  for (char& byte : text) byte = LocalByte(at++);
  return text;
}

/// Pieces are labelled, or a new session begins early; the parameter says which.
class ConsumersTest : public testing::TestWithParam<bool>, private ConsumersEvents {
 protected:
  ConsumersTest() : signals_({SIGCHLD}) {
    IgnoreBrokenPipe();
    loop_.OnReadable(signals_.fd(), [this] {
      while (signals_.Next().number != 0) {
      }
      for (Ended ended = ReapOne(); ended.pid != -1; ended = ReapOne())
        consumers_->OnEnded(ended);
    });
  }

  /// One that takes everything, and one that first runs `script`, and when it is started again
  /// copies what it gets to the file "copy".
  void Start(const std::string& script) {
    const std::string begin = "cd " + directory_.path() + "; [ -e pid ] && exec cat > copy; ";
    ConsumersOptions options;
    options.restart = Restart::kOnFailure;
    options.commands = {{"slow", {"/bin/sh", "-c", begin + "echo $$ > pid; " + script}},
                        {"fast", {"/bin/sh", "-c", "exec cat > /dev/null"}}};
    consumers_ =
        std::make_unique<Consumers>(loop_, options, static_cast<ConsumersEvents&>(*this));
  }
  void RunUntil(const std::function<bool()>& is_true) {
    const auto look = loop_.Every(std::chrono::milliseconds(1), [&] {
      if (is_true()) loop_.Stop();
    });
    const auto patience = loop_.After(std::chrono::seconds(30), [this] {
      ADD_FAILURE() << "nothing happened";
      loop_.Stop();
    });
    loop_.Run();
    loop_.Cancel(patience);
    loop_.Cancel(look);
  }
  void Push(std::uint64_t bytes) {
    for (const Position stop = local_ + bytes; local_ < stop;) {
      const auto text = std::make_shared<std::string>(LocalBytes(local_, kPiece));
      local_ += kPiece;
      if (!labelled() && session_ == 7 && local_ > 4 * kMiB) {
        session_ = 8;
        stream_ = 0;
      }
      const Position from = stream_;
      stream_ += labelled() ? kPiece - 123 : kPiece;
      consumers_->Push({text, AsBytes(*text)}, session_, from, stream_);
      if (consumers_->queued() > kMiB) {
        RunUntil([this] { return consumers_->queued() == 0; });
      }
    }
  }
  void KillSlow() {
    const std::string pid = Read("pid");
    ASSERT_FALSE(pid.empty());
    ASSERT_EQ(0, ::kill(static_cast<pid_t>(std::atoi(pid.c_str())), SIGKILL));
    RunUntil([this] { return restarts_ == 1; });
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(directory_.path() + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static bool labelled() { return GetParam(); }

  /// That is one range of each session, in order, with nothing told twice.
  std::vector<Gap> LostOfTheStream() {
    std::ranges::sort(gaps_, {},
                      [](const Gap& gap) { return std::tuple(gap.session, gap.from); });
    std::vector<Gap> lost;
    std::uint64_t sum = 0;
    for (const Gap& gap : gaps_) {
      sum += gap.bytes();
      if (!lost.empty() && lost.back().session == gap.session && lost.back().to == gap.from) {
        lost.back().to = gap.to;
      } else {
        lost.push_back(gap);
      }
    }
    EXPECT_EQ(sum, consumers_->lost_bytes());
    return lost;
  }
  /// Lost is everything from local byte `from` on up to what the file "copy" begins with.
  void ExpectLostBetween(Position from) {
    consumers_->Finish();
    RunUntil([this] { return consumers_->done(); });
    const std::string copy = Read("copy");
    ASSERT_LT(copy.size(), local_);
    const Position to = local_ - copy.size();
    EXPECT_TRUE(Same(copy, LocalBytes(to, copy.size())));
    const std::vector<Gap> lost = LostOfTheStream();
    if (labelled()) {
      ASSERT_EQ(lost.size(), 1U);
      // Pieces count as wholes.
      EXPECT_EQ(lost[0].from, from / kPiece * (kPiece - 123));
      EXPECT_EQ(lost[0].to, (to + kPiece - 1) / kPiece * (kPiece - 123));
      return;
    }
    const Position change = 4 * kMiB / kPiece * kPiece;  // the last that was in session 7
    ASSERT_EQ(lost.size(), 2U);
    EXPECT_EQ(lost[0].session, 7U);
    EXPECT_EQ(lost[0].from, from);
    EXPECT_EQ(lost[0].to, change);
    EXPECT_EQ(lost[1].session, 8U);
    EXPECT_EQ(lost[1].from, 0U);
    EXPECT_EQ(lost[1].to, to - change);
  }

  TemporaryDirectory directory_;
  SignalQueue signals_;
  EventLoop loop_;
  Position local_ = 0;
  Position stream_ = 0;
  SessionId session_ = 7;
  int passed_ = 0;
  int restarts_ = 0;
  std::vector<Gap> gaps_;
  std::unique_ptr<Consumers> consumers_;  // last: tells of gaps while it is destroyed

 private:
  void OnOutput() override {}
  void OnConsumerPassed(const std::string& consumer, std::uint64_t behind) override {
    EXPECT_EQ(consumer, "slow");
    EXPECT_GE(behind, Consumers::kHoldBytes);
    ++passed_;
  }
  void OnConsumerGap(const std::string& consumer, const Gap& gap) override {
    EXPECT_EQ(consumer, "slow");
    gaps_.push_back(gap);
  }
  void OnConsumerEnded(const std::string&, int, std::optional<Duration> again) override {
    if (again) ++restarts_;
  }
  void OnConsumerNotStarted(const std::string& why) override { ADD_FAILURE() << why; }
  void OnJournalWarning(const std::string&) override {}
};

TEST_P(ConsumersTest, OneThatIsPassedAndDiesHasLostWhatItsPipeHeldToo) {
  Start("exec sleep 1000");
  Push(kEnoughToPass);
  EXPECT_EQ(passed_, 1);
  EXPECT_TRUE(gaps_.empty()) << "it is not over";
  KillSlow();
  ExpectLostBetween(0);
}

TEST_P(ConsumersTest, OneThatIsPassedTwiceAndDiesHasLostWhatItsPipeHeldBetweenToo) {
  Start(
      "until [ -e go ]; do sleep 0.01; done; "
      "dd bs=30000 count=1 iflag=fullblock of=first 2>/dev/null; exec sleep 1000");
  Push(kEnoughToPass);
  EXPECT_EQ(passed_, 1);
  std::ofstream(directory_.path() + "/go") << "\n";
  RunUntil([this] { return !gaps_.empty(); });
  Push(kEnoughToPass);
  EXPECT_EQ(passed_, 2);
  EXPECT_TRUE(Same(Read("first"), LocalBytes(0, 30'000)));
  KillSlow();
  ExpectLostBetween(30'000);
}

TEST_P(ConsumersTest, AnEndTellsTheGapThatIsNotOver) {
  Start("exec sleep 1000");
  Push(kEnoughToPass);
  EXPECT_TRUE(gaps_.empty());
  consumers_->Abort();
  EXPECT_FALSE(gaps_.empty());
  std::uint64_t sum = 0;
  for (const Gap& gap : gaps_) sum += gap.bytes();
  EXPECT_EQ(sum, consumers_->lost_bytes());
  EXPECT_GT(sum, kMiB);
  consumers_->Signal(SIGKILL);
  RunUntil([this] { return consumers_->done(); });
}

INSTANTIATE_TEST_SUITE_P(, ConsumersTest, testing::Bool(), [](const auto& labelled) {
  return labelled.param ? "Labelled" : "AcrossSessions";
});

}  // namespace
}  // namespace pipedup
