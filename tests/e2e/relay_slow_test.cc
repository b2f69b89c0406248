// What a slow subscriber behind relays costs the others: with `drop` nothing, with `wait` time
// and never a byte.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>

#include "e2e/relay_test_base.h"

namespace pipedup::test {
namespace {

class RelaySlow : public RelayTestBase {};
class RelayWait : public RelayTestBase, public ::testing::WithParamInterface<int> {
 protected:
  static Words Waiting(const std::string& stall_limit) {
    return {"--slow", "wait", "--retain", "4MiB", "--stall-limit", stall_limit};
  }
};

TEST_P(RelayWait, TheProducerIsHeldForAConsumerBehindRelaysAndNothingIsLost) {
  Publish(Waiting("1h"));
  AddRelays(GetParam(), Waiting("1h"));
  produced_ = MakeRecords(1, 96 * kMiB);
  Subscriber beside(directory_, source_);
  auto fast = Join();
  Subscriber slow(last(), {"--name", "snail"}, Stdio::Pipe());
  ASSERT_TRUE(beside.WaitUntilLive());
  ASSERT_TRUE(fast->WaitUntilLive());
  ASSERT_TRUE(slow.WaitUntilLive());
  Feeder feeder(*publisher_, produced_);
  const auto waiting = relay().WaitForEvent("waiting");
  ASSERT_TRUE(waiting) << logs();
  EXPECT_NE(std::string::npos, waiting->at("message").get<std::string>().find("snail"));
  const auto held = publisher_->WaitForEvent("waiting");
  ASSERT_TRUE(held) << logs();
  EXPECT_NE(std::string::npos, held->at("message").get<std::string>().find("relay"));
  EXPECT_LT(FileSize(fast->file()), produced_.size());
  std::string delivered = slow.ReadAll();
  ASSERT_EQ(0, slow.Wait()) << slow.log() << logs();
  EXPECT_TRUE(feeder.Done());
  EXPECT_EQ("", CheckEquation({.produced = produced_}, slow.account(std::move(delivered))));
  ExpectAll(*fast);
  ExpectAll(beside);
  ExpectEnds();
}

TEST_P(RelayWait, PastTheStallLimitTheSubscriberIsLetGoAndNotTheRelay) {
  Publish(Waiting("2s"));
  AddRelays(GetParam(), Waiting("2s"));
  produced_ = MakeRecords(2, 64 * kMiB);
  auto fast = Join();
  Subscriber stalled(last(), {"--name", "rock"}, Stdio::Pipe());
  ASSERT_TRUE(fast->WaitUntilLive());
  ASSERT_TRUE(stalled.WaitUntilLive());
  ASSERT_TRUE(publisher_->WriteAndEnd(produced_)) << logs();
  const auto let_go = relay().WaitForEvent("let-go");
  ASSERT_TRUE(let_go) << logs();
  EXPECT_NE(std::string::npos, let_go->at("message").get<std::string>().find("rock"));
  ExpectAll(*fast);
  EXPECT_FALSE(publisher_->said("let-go")) << logs();
  std::string delivered = stalled.ReadAll();
  EXPECT_EQ(3, stalled.Wait()) << stalled.log();
  EXPECT_EQ("", CheckEquation({.produced = produced_}, stalled.account(std::move(delivered))));
  ExpectEnds();
}

INSTANTIATE_TEST_SUITE_P(Hops, RelayWait, ::testing::Values(1, 2), [](const auto& run) {
  return run.param == 1 ? std::string("One") : std::string("Two");
});

TEST_F(RelaySlow, WithDropAStoppedSubscriberHoldsUpNobodyAndIsToldItsGap) {
  Publish({"--retain", "128MiB"});
  AddRelays(1, {"--retain", "1MiB"});
  produced_ = MakeRecords(3, 96 * kMiB);
  auto fast = Join();
  auto stopped = Join();
  ASSERT_TRUE(fast->WaitUntilLive());
  ASSERT_TRUE(stopped->WaitUntilLive());
  stopped->Signal(SIGSTOP);
  ASSERT_TRUE(publisher_->WriteAndEnd(produced_));
  ASSERT_TRUE(relay().WaitForEvent("end")) << logs();
  EXPECT_EQ(0u, relay().events("gap").size()) << "the relay keeps pace: " << relay().log();
  const int status = fast->Wait();
  EXPECT_TRUE(status == 0 || status == 3) << "its retention is small: " << fast->log();
  ExpectAccount(*fast, status);
  stopped->Signal(SIGCONT);
  const int of_stopped = stopped->Wait();
  EXPECT_TRUE(of_stopped == 0 || of_stopped == 3) << stopped->log();
  ExpectAccount(*stopped, of_stopped);
  EXPECT_EQ(0, relay().Wait()) << relay().log();
}

TEST_F(RelaySlow, WhatNobodyKeepsAnyMoreIsAnExactGap) {
  Publish({"--retain", "2MiB"});
  AddRelays(1, {"--retain", "1MiB"});
  auto stopped = Join();
  ASSERT_TRUE(stopped->WaitUntilLive());
  ASSERT_TRUE(publisher_->Write("first\n"));
  ASSERT_TRUE(stopped->WaitForBytes(6));
  stopped->Signal(SIGSTOP);
  const std::string bytes = MakeRecords(4, 96 * kMiB);
  produced_ = "first\n" + bytes;
  ASSERT_TRUE(publisher_->WriteAndEnd(bytes));
  ASSERT_TRUE(relay().WaitForEvent("end")) << logs();
  stopped->Signal(SIGCONT);
  const Account account = ExpectAccount(*stopped, 3);
  ASSERT_FALSE(account.gaps.empty());
  EXPECT_EQ("retention passed", account.gaps[0].reason);
}

}  // namespace
}  // namespace pipedup::test
