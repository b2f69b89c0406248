// A journal on disk: publishers come and go, subscribers notice a pause.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "os/build.h"
#include "os/io.h"
#include "support/content.h"
#include "support/programs.h"
#include "support/same.h"

namespace pipedup::test {
namespace {

[[maybe_unused]] constexpr std::size_t kMostRead = kMiB;  // by one read of the source

/// A pipe that outlives the publishers that read it: what one has not read, the next one reads.
class DurableTest : public ::testing::Test {
 protected:
  DurableTest() : pipe_(MakePipe()) {}
  ~DurableTest() override {
    pipe_.first.Reset();
    if (feeder_.joinable()) feeder_.join();
  }

  void Start(Words more = {}) {
    more.insert(more.end(), {"--bind", endpoint_, "--journal", journal_});
    publisher_ = std::make_unique<Publisher>(
        directory_,
        Publisher::Setup{.options = more, .input = Stdio::Descriptor(pipe_.first.get())});
  }
  void Kill() {
    publisher_->Signal(SIGKILL);
    EXPECT_EQ(128 + SIGKILL, publisher_->Wait());
  }
  void Write(std::string_view bytes) {
    ASSERT_EQ(IoStatus::kOk, WriteAll(pipe_.second.get(), AsBytes(bytes)).status);
    produced_ += bytes;
  }
  /// Writes all of it while the test goes on.
  void Feed(std::string bytes) {
    produced_ += bytes;
    feeder_ = std::thread(
        [this, text = std::move(bytes)] { (void)WriteAll(pipe_.second.get(), AsBytes(text)); });
  }
  void End() {
    if (feeder_.joinable()) feeder_.join();
    pipe_.second.Reset();
  }
  std::string JournalBytes() const {
    std::vector<std::string> logs;
    for (const auto& entry : std::filesystem::directory_iterator(journal_)) {
      if (entry.path().extension() == ".log") logs.push_back(entry.path());
    }
    std::sort(logs.begin(), logs.end());
    std::string text;
    for (const std::string& log : logs) text += ReadFile(log);
    return text;
  }
  void ExpectComplete(const Subscriber& subscriber) const {
    EXPECT_EQ("", CheckEquation({.produced = produced_}, subscriber.account()))
        << subscriber.log();
    EXPECT_EQ(produced_.size(), subscriber.delivered().size());
  }

  const TempDir directory_;
  const std::string journal_ = directory_ / "journal";
  const std::string endpoint_ = "tcp://127.0.0.1:" + std::to_string(FreePortPair());
  std::pair<UniqueFd, UniqueFd> pipe_;
  std::string produced_;
  std::unique_ptr<Publisher> publisher_;
  std::thread feeder_;
};

TEST_F(DurableTest, SubscribersOfAllKindsNoticeAPauseWhenThePublisherIsKilled) {
  Start({"--wait-subs", "2"});
  const std::string session = publisher_->session();
  Subscriber network(directory_, endpoint_, {"--from", "start", "--no-attach"});
  Subscriber attached(directory_, endpoint_, {"--from", "start"});
  std::mt19937 random(7);
  Feed(MakeRecords(7, 24 * kMiB));
  for (int round = 1; round <= 6; ++round) {
    const std::size_t some = static_cast<std::size_t>(round) * 3 * kMiB + random() % kMiB;
    ASSERT_TRUE(network.WaitForBytes(some)) << network.log();
    Kill();
    Start();
    EXPECT_EQ(session, publisher_->session());
  }
  // Not before: the goodbye of one that has got everything might die with a publisher.
  End();
  EXPECT_EQ(0, network.Wait()) << network.log();
  EXPECT_EQ(0, attached.Wait()) << attached.log();
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
  const std::string journal = JournalBytes();
  if (IsPortable()) {
    // What is read and not yet written when the process is killed never was in the journal.
    EXPECT_LE(produced_.size() - journal.size(), 6u * kMostRead);
    produced_ = journal;
  }
  EXPECT_TRUE(Same(produced_, journal));
  ExpectComplete(network);
  ExpectComplete(attached);
}

TEST_F(DurableTest, AnEndThatIsToldByANewPublisherIsConfirmedToIt) {
  Start({"--wait-subs", "2"});
  Subscriber network(directory_, endpoint_, {"--from", "start", "--no-attach"});
  Subscriber attached(directory_, endpoint_, {"--from", "start"});
  Write(MakeLines('a', 1000));
  ASSERT_TRUE(network.WaitForBytes(produced_.size())) << network.log();
  ASSERT_TRUE(attached.WaitForBytes(produced_.size())) << attached.log();
  Kill();
  End();
  Start();
  EXPECT_EQ(0, network.Wait()) << network.log();
  EXPECT_EQ(0, attached.Wait()) << attached.log();
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
}

TEST_F(DurableTest, ALateSubscriberReadsWhatEarlierPublishersWrote) {
  const std::string early = MakeLines('a', 30'000);
  Start();
  Write(early);
  ASSERT_TRUE(Eventually([&] { return JournalBytes().size() == early.size(); }));
  Kill();
  Start();
  Subscriber late(directory_, endpoint_, {"--from", "start"});
  ASSERT_TRUE(late.WaitForBytes(early.size()));
  Feed(MakeLines('b', 1000));
  End();
  EXPECT_EQ(0, late.Wait()) << late.log();
  ExpectComplete(late);
}

TEST_F(DurableTest, AStopIsNoEndOfTheStream) {
  Start({"--wait-subs", "1"});
  Subscriber subscriber(directory_, endpoint_, {"--from", "start"});
  Write(MakeLines('a', 100));
  ASSERT_TRUE(subscriber.WaitForBytes(produced_.size()));
  publisher_->Signal(SIGTERM);
  EXPECT_EQ(128 + SIGTERM, publisher_->Wait()) << publisher_->log();
  EXPECT_TRUE(publisher_->said("stopped"));
  EXPECT_FALSE(subscriber.said("end"));
  Start();
  Feed(MakeLines('b', 100));
  End();
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
  ExpectComplete(subscriber);
}

TEST_F(DurableTest, AFollowerReadsOnAfterAnEnd) {
  Start({"--wait-subs", "1"});
  Subscriber follower(directory_, endpoint_, {"--from", "start", "-F"});
  Write(MakeLines('a', 100));
  pipe_.second.Reset();
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
  EXPECT_TRUE(follower.said("end"));
  pipe_ = MakePipe();
  Start();
  Write(MakeLines('b', 100));
  ASSERT_TRUE(follower.WaitForEvent("continues").has_value());
  ASSERT_TRUE(follower.WaitForBytes(produced_.size()));
  follower.Signal(SIGTERM);
  EXPECT_EQ(128 + SIGTERM, follower.Wait());
  EXPECT_TRUE(Same(produced_, follower.delivered()));
  EXPECT_FALSE(follower.said("gap"));
}

TEST_F(DurableTest, ASecondPublisherIsRefusedWithTheFirstOnesPid) {
  Start();
  const Outcome second = RunToEnd(
      {.argv = {PublisherBinary(), "--bind",
                "tcp://127.0.0.1:" + std::to_string(FreePortPair()), "--journal", journal_}});
  EXPECT_EQ(1, second.status);
  ASSERT_FALSE(second.errors.empty());
  EXPECT_NE(std::string::npos,
            second.errors.front().find("(pid " + std::to_string(publisher_->pid()) + ")"))
      << second.errors.front();
}

TEST_F(DurableTest, DamageIsAnExactGapAndNothingHasToBeDeleted) {
  Start({"--retain", "1MiB"});
  Write(MakeRecords(3, 700 * 1024));
  ASSERT_TRUE(Eventually([&] { return JournalBytes().size() == produced_.size(); }));
  Kill();
  std::vector<std::string> indexes;
  for (const auto& entry : std::filesystem::directory_iterator(journal_)) {
    if (entry.path().extension() == ".idx") indexes.push_back(entry.path());
  }
  std::sort(indexes.begin(), indexes.end());
  ASSERT_GT(indexes.size(), 2u);
  WriteFile(indexes[1], "garbage");
  Start({"--wait-subs", "1"});
  Subscriber late(directory_, endpoint_, {"--from", "start"});
  Feed(MakeRecords(4, 1000));
  End();
  EXPECT_EQ(3, late.Wait()) << late.log();
  const std::vector<Json> gaps = late.events("gap");
  ASSERT_EQ(1u, gaps.size()) << late.log();
  EXPECT_EQ("missing or damaged in the journal", gaps[0].at("reason"));
  EXPECT_EQ("", CheckEquation({.produced = produced_}, late.account())) << late.log();
}

TEST_F(DurableTest, WithSlowWaitARestartWaitsForThoseWhoWereThere) {
  Start({"--slow", "wait", "--retain", "1MiB", "--wait-subs", "1"});
  Subscriber subscriber(directory_, endpoint_, {"--from", "start"});
  Feed(MakeRecords(5, 16 * kMiB));
  ASSERT_TRUE(subscriber.WaitForBytes(kMiB));
  subscriber.Signal(SIGSTOP);
  // It reads nothing by then: what it had read and not kept would be gone.
  ASSERT_TRUE(publisher_->WaitForEvent("waiting").has_value()) << publisher_->log();
  Kill();
  Start({"--slow", "wait", "--retain", "1MiB"});
  // It is waited for, though it cannot say a word: retention has not passed it.
  ASSERT_TRUE(publisher_->WaitForEvent("waiting").has_value()) << publisher_->log();
  subscriber.Signal(SIGCONT);
  End();
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
  ExpectComplete(subscriber);
}

TEST_F(DurableTest, WithFsyncAlwaysEverybodyGetsEverything) {
  Start({"--fsync", "always", "--wait-subs", "1"});
  Subscriber subscriber(directory_, endpoint_, {"--from", "start"});
  Feed(MakeRecords(6, 4 * kMiB));
  End();
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
  ExpectComplete(subscriber);
}

}  // namespace
}  // namespace pipedup::test
