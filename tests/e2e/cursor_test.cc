// --cursor: killed at any point, a subscriber goes on without loss, and without a byte twice
// where its output is a file.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>

#include "cursor_test_base.h"
#include "support/content.h"
#include "support/cursors.h"
#include "support/same.h"

namespace pipedup::test {
namespace {

TEST_F(CursorTest, KilledAtAnyPointAFileIsExact) {
  Publish();
  KillOften([this] { return Start(); }, MakeRecords(1, 24 * kMiB));
  EXPECT_TRUE(Same(produced_, ReadFile(out())));
}

TEST_F(CursorTest, KilledAtAnyPointAFileOfLinesIsExact) {
  // Many small writes, behind what somebody else has written.
  WriteFile(out(), "a line of before\n");
  Publish();
  KillOften([this] { return Start(); }, MakeLines('a', 20'000));
  EXPECT_TRUE("a line of before\n" + produced_ == ReadFile(out()));
}

TEST_F(CursorTest, KilledAtAnyPointAFileWithLabelsIsExact) {
  Publish({"-s", "demo"});
  KillOften([this] { return Start({"--prefix"}); }, MakeLines('a', 100'000));
  std::string expected;
  for (std::size_t at = 0; at < produced_.size();) {
    const std::size_t end = produced_.find('\n', at) + 1;
    expected += "demo: " + produced_.substr(at, end - at);
    at = end;
  }
  const std::string written = ReadFile(out());
  EXPECT_TRUE(expected == written) << CommonPrefix(expected, written);
}

TEST_F(CursorTest, AFileThatIsEmptiedEachTimeHoldsAllInTheEnd) {
  // As a shell's `>` does it: what the file does not hold any more is fetched again.
  Publish();
  Produce(MakeRecords(2, 4 * kMiB));
  for (const std::size_t wanted : {1 * kMiB, 3 * kMiB, 2 * kMiB}) {
    auto subscriber = Start({}, O_TRUNC);
    ASSERT_TRUE(WaitForOut(wanted)) << subscriber->log();
    Kill(*subscriber);
  }
  End();
  auto last = Start({}, O_TRUNC);
  ASSERT_EQ(0, last->Wait()) << last->log();
  EXPECT_TRUE(last->said("repeated")) << last->log();
  EXPECT_TRUE(Same(produced_, ReadFile(out())));
}

TEST_F(CursorTest, AFileThatWasCutGoesOnAtItsEnd) {
  Publish();
  WriteFile(out(), "12345");
  Produce(MakeRecords(3, 4 * kMiB));
  auto first = Start();
  ASSERT_TRUE(WaitForOut(3 * kMiB));
  Kill(*first);
  ASSERT_EQ(0, ::truncate(out().c_str(), 100'005));
  End();
  auto second = Start({}, 0);  // at the beginning of the file, without O_APPEND
  ASSERT_EQ(0, second->Wait()) << second->log();
  const auto said = second->WaitForEvent("repeated");
  ASSERT_TRUE(said) << second->log();
  EXPECT_EQ(100'000u, said->at("from"));
  EXPECT_TRUE("12345" + produced_ == ReadFile(out()));
}

TEST_F(CursorTest, AnotherFileGoesOnWhereTheOldOneEnds) {
  Publish({"--wait-subs", "1"});
  Produce(MakeLines('a', 1000));
  auto first = Start();
  ASSERT_TRUE(WaitForOut(produced_.size()));
  Kill(*first);
  ASSERT_EQ(0, ::rename(out().c_str(), (directory_ / "out.1").c_str()));
  Produce(MakeLines('b', 1000));
  End();
  auto second = Start();
  ASSERT_EQ(0, second->Wait()) << second->log();
  EXPECT_TRUE(Same(produced_, ReadFile(directory_ / "out.1") + ReadFile(out())));
}

TEST_F(CursorTest, KilledAtAnyPointAPipeGetsAllAndTwiceOnlyWhatIsSaid) {
  Publish();
  const std::string bytes = MakeRecords(4, 16 * kMiB);
  std::mt19937 random(815);
  std::size_t at = 0;  // position of the next byte that comes out of the pipe
  std::size_t given = 0;
  constexpr int kKills = 20;
  for (int i = 0; i <= kKills; ++i) {
    const std::size_t give = bytes.size() * static_cast<std::size_t>(i + 1) / (kKills + 1);
    Produce(std::string_view(bytes).substr(given, give - given));
    if (i == kKills) End();
    given = give;
    auto subscriber = StartInto(Stdio::Pipe());
    const auto begin = subscriber->WaitForEvent("begin");
    ASSERT_TRUE(begin) << subscriber->log();
    const std::size_t begins = begin->at("position");
    ExpectGoesOn(*subscriber, begins, at);
    std::string taken;
    if (i < kKills) {
      taken = subscriber->Read(
          std::uniform_int_distribution<std::size_t>(0, give - begins)(random));
      Kill(*subscriber);
    }
    taken += subscriber->ReadAll();
    if (i == kKills) {
      ASSERT_EQ(0, subscriber->Wait()) << subscriber->log();
    }
    at = begins + taken.size();
    ASSERT_TRUE(std::string_view(bytes).substr(begins, taken.size()) == taken);
  }
  EXPECT_EQ(bytes.size(), at);
}

TEST_F(CursorTest, AWriteThatNobodyKnowsOfIsRepeatedAndSaid) {
  Publish({"--wait-subs", "1"});
  Produce(MakeLines('a', 10));
  auto first = StartInto(Stdio::Pipe());
  EXPECT_EQ(produced_, first->Read(produced_.size()));
  Kill(*first);
  ASSERT_TRUE(LeaveWriteOpen(cursor(), 20, 60));
  End();
  auto second = StartInto(Stdio::Pipe());
  EXPECT_TRUE(Same(produced_.substr(20), second->ReadAll()));
  ASSERT_EQ(0, second->Wait()) << second->log();
  const auto said = second->WaitForEvent("repeated");
  ASSERT_TRUE(said) << second->log();
  EXPECT_EQ("warning", said->at("level"));
  EXPECT_EQ(20u, said->at("from"));
  EXPECT_EQ(60u, said->at("to"));
}

TEST_F(CursorTest, KilledLikeItsPublisherItGoesOnInTheSameJournal) {
  const Words durable = {"--journal", directory_ / "journal"};
  const std::string bytes = MakeRecords(10, 6 * kMiB);
  std::size_t given = 0;
  std::unique_ptr<Subscriber> subscriber;
  for (const std::size_t give : {kMiB, 2 * kMiB, 4 * kMiB, 6 * kMiB}) {
    Publish(durable);
    subscriber = Start();
    ASSERT_TRUE(publisher_->Write(std::string_view(bytes).substr(given, give - given)));
    given = give;
    ASSERT_TRUE(WaitForOut(give)) << subscriber->log();
    if (give == bytes.size()) break;
    Kill(*subscriber);
    EXPECT_FALSE(subscriber->said("session-gone")) << subscriber->log();
    publisher_->Signal(SIGKILL);
    ASSERT_EQ(128 + SIGKILL, publisher_->Wait());
  }
  End();
  EXPECT_EQ(0, subscriber->Wait()) << subscriber->log();
  EXPECT_TRUE(Same(bytes, ReadFile(out())));
}

TEST_F(CursorTest, AtTheEndThePublisherWaitsForOneThatWasKilled) {
  Publish();
  const std::string bytes = MakeRecords(11, 40 * kMiB);
  Produce(bytes);
  auto first = StartInto(Stdio::Pipe());
  std::string taken = first->Read(20 * kMiB);  // more is under way
  Kill(*first);
  taken += first->ReadAll();
  End();
  auto second = StartInto(Stdio::Pipe());
  const auto begin = second->WaitForEvent("begin");
  ASSERT_TRUE(begin) << second->log();
  ExpectGoesOn(*second, begin->at("position"), taken.size());
  taken.resize(begin->at("position").get<std::size_t>());
  taken += second->ReadAll();
  EXPECT_EQ(0, second->Wait()) << second->log();
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
  EXPECT_TRUE(bytes == taken);
}

TEST_F(CursorTest, WhatAReaderThatLeavesHasNotReadIsForTheNext) {
  Publish();
  const std::string bytes = MakeRecords(9, 4 * kMiB);
  Produce(bytes);
  std::string taken;
  for (const std::size_t part : {std::size_t{1000}, std::size_t{300'000}, std::size_t{77}}) {
    auto subscriber = StartInto(Stdio::Pipe());
    taken += subscriber->Read(part);
    subscriber->TakeOutput();  // and closes it
    EXPECT_EQ(141, subscriber->Wait()) << subscriber->log();
  }
  auto last = StartInto(Stdio::Pipe());
  ASSERT_TRUE(last->WaitForEvent("begin"));
  End();
  taken += last->ReadAll();
  EXPECT_EQ(0, last->Wait()) << last->log();
  EXPECT_TRUE(bytes == taken) << CommonPrefix(bytes, taken);
}

TEST_F(CursorTest, WhatRetentionPassedMeanwhileIsAnExactGap) {
  Publish({"--retain", "1MiB"});
  Subscriber witness(directory_, endpoint_, {"--from", "start"});
  Produce(MakeRecords(5, kMiB));
  auto first = Start();
  ASSERT_TRUE(WaitForOut(produced_.size()));
  Kill(*first);
  for (std::uint64_t i = 0; i < 10; ++i) {
    Produce(MakeRecords(6 + i, kMiB));
    ASSERT_TRUE(witness.WaitForBytes(produced_.size()));
  }
  auto second = Start();
  ASSERT_TRUE(second->WaitForEvent("begin"));
  End();
  ASSERT_EQ(3, second->Wait()) << second->log();
  const std::string written = ReadFile(out());
  EXPECT_TRUE(produced_.substr(0, kMiB) == written.substr(0, kMiB));
  const Account account = second->account(written.substr(kMiB));
  ASSERT_EQ(1u, account.gaps.size()) << second->log();
  EXPECT_EQ(kMiB, account.gaps[0].from);
  EXPECT_EQ(kMiB, account.begin);
  EXPECT_EQ("", CheckEquation({.produced = produced_}, account)) << second->log();
}

TEST_F(CursorTest, AFileWithAGapInItIsNotTakenForTheStream) {
  Publish({"--retain", "1MiB"});
  Subscriber witness(directory_, endpoint_, {"--from", "start"});
  Produce("first\n");
  auto first = Start();
  ASSERT_TRUE(WaitForOut(6));
  Kill(*first);
  for (std::uint64_t i = 0; i < 10; ++i) {
    Produce(MakeRecords(6 + i, kMiB));
    ASSERT_TRUE(witness.WaitForBytes(produced_.size()));
  }
  auto second = Start();
  ASSERT_TRUE(second->WaitForEvent("gap")) << second->log();
  const std::size_t begins = second->events("gap")[0].at("to");
  ASSERT_TRUE(WaitForOut(6 + produced_.size() - begins));
  Kill(*second);
  ASSERT_EQ(0, ::truncate(out().c_str(), 1006));
  End();
  auto third = Start();
  ASSERT_EQ(0, third->Wait()) << third->log();
  EXPECT_TRUE("first\n" + produced_.substr(begins) == ReadFile(out()));
}

TEST_F(CursorTest, ASessionThatIsGoneIsSaidAndFromDecides) {
  Publish({"--wait-subs", "1"});
  const std::string old_session = publisher_->session();
  ASSERT_TRUE(publisher_->Write("old\n"));
  auto first = Start();
  ASSERT_TRUE(WaitForOut(4));
  Kill(*first);
  publisher_->Signal(SIGKILL);
  ASSERT_EQ(128 + SIGKILL, publisher_->Wait());
  Publish({"--wait-subs", "1"});
  ASSERT_TRUE(publisher_->Write("new\n"));
  auto second = Start();
  ASSERT_TRUE(WaitForOut(8)) << second->log();
  const auto said = second->WaitForEvent("session-gone");
  ASSERT_TRUE(said) << second->log();
  EXPECT_EQ("warning", said->at("level"));
  EXPECT_EQ(old_session, said->at("old_session"));
  EXPECT_EQ(publisher_->session(), said->at("session"));
  Kill(*second);
  ASSERT_TRUE(publisher_->WriteAndEnd("and more\n"));
  auto third = Start();
  EXPECT_EQ(0, third->Wait()) << third->log();
  EXPECT_FALSE(third->said("session-gone"));
  EXPECT_EQ("old\nnew\nand more\n", ReadFile(out()));
}

TEST_F(CursorTest, ASessionThatIsGoneIsALoss) {
  Publish({"--wait-subs", "1"});
  ASSERT_TRUE(publisher_->Write("old\n"));
  auto first = Start();
  ASSERT_TRUE(WaitForOut(4));
  Kill(*first);
  publisher_->Signal(SIGKILL);
  ASSERT_EQ(128 + SIGKILL, publisher_->Wait());
  Publish({"--wait-subs", "1"});
  ASSERT_TRUE(publisher_->WriteAndEnd("new\n"));
  auto second = Start();
  EXPECT_EQ(3, second->Wait()) << second->log();
}

TEST_F(CursorTest, ASessionThatHadEndedIsFollowedByTheNext) {
  for (const char* part : {"one\n", "two\n"}) {
    Publish({"--wait-subs", "1"});
    ASSERT_TRUE(publisher_->WriteAndEnd(part));
    auto subscriber = Start();
    EXPECT_EQ(0, subscriber->Wait()) << subscriber->log();
    EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
  }
  EXPECT_EQ("one\ntwo\n", ReadFile(out()));
}

TEST_F(CursorTest, AnEndThatWasReachedIsTheEndAgain) {
  Publish({"--wait-subs", "2"});
  Subscriber other(directory_, endpoint_, {"--from", "start"});
  auto first = Start();
  ASSERT_TRUE(publisher_->WaitForJoined(2));
  ASSERT_TRUE(publisher_->Write("all\n"));
  ASSERT_TRUE(other.WaitForBytes(4));
  other.Signal(SIGSTOP);  // the publisher waits for it
  End();
  ASSERT_EQ(0, first->Wait()) << first->log();
  for (int i = 0; i < 2; ++i) {
    auto again = Start();
    EXPECT_EQ(0, again->Wait()) << again->log();
  }
  EXPECT_EQ("all\n", ReadFile(out()));
  other.Signal(SIGCONT);
  EXPECT_EQ(0, other.Wait()) << other.log();
}

TEST_F(CursorTest, WhatComesBetweenTheBeginningAndTheFirstByteIsNotLost) {
  Publish();
  Subscriber witness(directory_, endpoint_, {"--from", "start"});
  ASSERT_TRUE(publisher_->Write("before\n"));
  ASSERT_TRUE(witness.WaitForBytes(7));
  auto first = Start({"--from", "now"});
  ASSERT_TRUE(first->WaitUntilLive());
  Kill(*first);
  ASSERT_TRUE(publisher_->Write("between\n"));
  ASSERT_TRUE(witness.WaitForBytes(15));
  auto second = Start();
  ASSERT_TRUE(second->WaitUntilLive());
  ASSERT_TRUE(publisher_->WriteAndEnd("after\n"));
  EXPECT_EQ(0, second->Wait()) << second->log();
  EXPECT_EQ("between\nafter\n", ReadFile(out()));
}

TEST_F(CursorTest, CountGoesOnBehindTheLastRecord) {
  Publish({"--wait-subs", "1"});
  Produce(MakeLines('a', 100));
  std::string piped;
  for (int i = 0; i < 3; ++i) {
    auto to_file = Start({"--count", "20"});
    ASSERT_EQ(0, to_file->Wait()) << to_file->log();
    auto to_pipe = StartInto(Stdio::Pipe(), {"--count", "5"});
    piped += to_pipe->ReadAll();
    ASSERT_EQ(0, to_pipe->Wait()) << to_pipe->log();
  }
  const std::size_t line = produced_.size() / 100;
  std::string in_file;
  std::string in_pipe;
  for (std::size_t i = 0; i < 75; i += 25) {
    in_file += produced_.substr(i * line, 20 * line);
    in_pipe += produced_.substr((i + 20) * line, 5 * line);
  }
  EXPECT_EQ(in_file, ReadFile(out()));
  EXPECT_EQ(in_pipe, piped);
}

TEST_F(CursorTest, SignalsAndTimeoutsLeaveItRight) {
  Publish();
  const std::string bytes = MakeRecords(8, 8 * kMiB);
  Produce(bytes);
  auto signalled = Start();
  ASSERT_TRUE(WaitForOut(1000));
  signalled->Signal(SIGTERM);
  EXPECT_EQ(128 + SIGTERM, signalled->Wait());
  auto timed = Start({"--timeout", "20ms"});
  EXPECT_EQ(124, timed->Wait()) << timed->log();
  // A reader that leaves, too: what the pipe took is taken.
  const std::size_t in_file = FileSize(out());
  auto piped = StartInto(Stdio::Pipe());
  const std::string taken = piped->Read(std::min<std::size_t>(bytes.size() - in_file, 1000));
  piped->Signal(SIGTERM);
  const std::string rest = piped->ReadAll();
  EXPECT_EQ(128 + SIGTERM, piped->Wait());
  auto last = Start();
  ASSERT_TRUE(last->WaitForEvent("begin"));
  End();
  ASSERT_EQ(0, last->Wait()) << last->log();
  EXPECT_FALSE(last->said("repeated")) << last->log();
  const std::string written = ReadFile(out());
  EXPECT_TRUE(bytes == written.substr(0, in_file) + taken + rest + written.substr(in_file));
}

}  // namespace
}  // namespace pipedup::test
