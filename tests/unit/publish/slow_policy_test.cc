// Each branch of what is done about a slow subscriber.
#include "publish/slow_policy.h"

#include <gtest/gtest.h>

namespace pipedup {
namespace {

using std::chrono::seconds;

class SlowPolicyTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kWindow = 1000;

  Member& Join(const std::string& id, Position position,
               control::Role role = control::Role::kSub) {
    Member& member = members_.Join(id, "route of " + id);
    member.position = position;
    member.role = role;
    member.progressed = now_;
    return member;
  }
  void MoveTo(const std::string& id, Position position) {
    Member* member = members_.FindById(id);
    member->position = position;
    member->progressed = now_;
  }
  SlowDecision Decide(Position head, Position served_elsewhere = 0) {
    return policy_.Decide(
        members_, head, served_elsewhere,
        [head](Position from) { return head - std::min(head, from); }, now_);
  }

  SlowPolicy policy_{{true, kWindow, seconds(30)}};
  Members members_;
  TimePoint now_{std::chrono::hours(1)};
};

TEST_F(SlowPolicyTest, WithDropNobodyIsWaitedForAndNothingIsKept) {
  SlowPolicy drop({false, kWindow, seconds(30)});
  Join("a", 0);
  const SlowDecision decision = drop.Decide(
      members_, 5000, 0, [](Position) { return std::uint64_t{5000}; }, now_);
  EXPECT_FALSE(decision.hold);
  EXPECT_EQ(decision.waits_for, nullptr);
  EXPECT_EQ(decision.keep_from, UINT64_MAX);
  EXPECT_TRUE(decision.let_go.empty());
}

TEST_F(SlowPolicyTest, WhoIsServedElsewhereIsNotWaitedFor) {
  Join("late", 999);
  Member& cluster = Join("cluster", 1000);
  EXPECT_TRUE(Decide(5000, 0).hold);
  SlowDecision decision = Decide(5000, 1000);
  EXPECT_EQ(decision.waits_for, &cluster);
  EXPECT_EQ(decision.keep_from, 1000U);
  MoveTo("cluster", 5000);
  decision = Decide(5000, 1000);
  EXPECT_FALSE(decision.hold);
  cluster.local = true;
  MoveTo("cluster", 500);
  EXPECT_EQ(Decide(5000, 1000).waits_for, &cluster) << "it is what serves the others";
}

TEST_F(SlowPolicyTest, WithoutMembersNothingIsKept) {
  const SlowDecision decision = Decide(5000);
  EXPECT_FALSE(decision.hold);
  EXPECT_EQ(decision.keep_from, UINT64_MAX);
}

TEST_F(SlowPolicyTest, OneWithAWindowOfItsOwnIsWaitedForByThat) {
  Join("patient", 100).window = 5000;
  Join("other", 4500);
  SlowDecision decision = Decide(5000);
  EXPECT_FALSE(decision.hold);
  EXPECT_EQ(decision.keep_from, 100U);
  decision = Decide(5100);
  EXPECT_TRUE(decision.hold);
  EXPECT_EQ(decision.waits_for, members_.FindById("patient"));
  MoveTo("patient", 5000);
  decision = Decide(5500);
  EXPECT_EQ(decision.waits_for, members_.FindById("other"));
  EXPECT_EQ(decision.keep_from, 4500U);
}

TEST_F(SlowPolicyTest, WhatTheSlowestNeedsIsKept) {
  Join("a", 300);
  Join("b", 200);
  Join("c", 250);
  const SlowDecision decision = Decide(400);
  EXPECT_EQ(decision.keep_from, 200U);
  EXPECT_FALSE(decision.hold);
  EXPECT_EQ(decision.waits_for, nullptr);
}

TEST_F(SlowPolicyTest, TheProducerWaitsWhenTheWindowIsFullAndGoesOnWhenItIsNot) {
  Join("a", 0);
  EXPECT_FALSE(Decide(999).hold);
  SlowDecision decision = Decide(1000);
  EXPECT_TRUE(decision.hold);
  ASSERT_NE(decision.waits_for, nullptr);
  EXPECT_EQ(decision.waits_for->id, "a");
  EXPECT_EQ(policy_.counters().holds, 1U);
  EXPECT_TRUE(Decide(1000).hold);
  EXPECT_EQ(policy_.counters().holds, 1U) << "it is the same wait";
  MoveTo("a", 1);
  EXPECT_FALSE(Decide(1000).hold);
  EXPECT_TRUE(Decide(1001).hold);
  EXPECT_EQ(policy_.counters().holds, 2U);
}

TEST_F(SlowPolicyTest, TapsAndOnlookersDoNotCount) {
  Join("a", 0, control::Role::kTap);
  Join("b", 0, control::Role::kTop);
  SlowDecision decision = Decide(5000);
  EXPECT_FALSE(decision.hold);
  EXPECT_EQ(decision.keep_from, UINT64_MAX);
  Join("c", 0, control::Role::kRelay);
  EXPECT_TRUE(Decide(5000).hold);
}

TEST_F(SlowPolicyTest, AMemberAtTheEndDoesNotCount) {
  Join("a", 0).at_end = true;
  EXPECT_FALSE(Decide(5000).hold);
}

TEST_F(SlowPolicyTest, AMemberWithoutProgressIsLetGoAtTheLimit) {
  Join("a", 0);
  EXPECT_TRUE(Decide(1000).hold);
  now_ += seconds(30) - std::chrono::nanoseconds(1);
  EXPECT_TRUE(Decide(1000).let_go.empty());
  now_ += std::chrono::nanoseconds(1);
  const SlowDecision decision = Decide(1000);
  ASSERT_EQ(decision.let_go.size(), 1U);
  EXPECT_EQ(decision.let_go[0]->id, "a");
  EXPECT_FALSE(decision.hold);
  EXPECT_EQ(decision.keep_from, UINT64_MAX);
  EXPECT_EQ(policy_.counters().let_go, 1U);
  EXPECT_TRUE(Decide(1000).let_go.empty()) << "it is told once";
}

TEST_F(SlowPolicyTest, ARelayHasTheTimeToLetGoOfItsOwnSubscriberFirst) {
  Join("relay", 0, control::Role::kRelay);
  EXPECT_TRUE(Decide(1000).hold);
  now_ += seconds(44);
  EXPECT_TRUE(Decide(1000).let_go.empty());
  now_ += seconds(1);
  EXPECT_EQ(Decide(1000).let_go.size(), 1U);
  const Member& relay = *members_.FindById("relay");
  EXPECT_EQ(StallLimitOf(relay, std::chrono::milliseconds(100)),
            std::chrono::milliseconds(2100));
}

TEST_F(SlowPolicyTest, SlowProgressIsProgress) {
  Join("a", 0);
  Position head = 1000;
  for (Position at = 1; at < 20; ++at) {
    (void)Decide(head);
    now_ += seconds(29);
    MoveTo("a", at);
    head = 1000 + at;
    EXPECT_TRUE(Decide(head).let_go.empty());
  }
  EXPECT_EQ(policy_.counters().let_go, 0U);
}

TEST_F(SlowPolicyTest, TimeBeforeTheWaitIsNotHeldAgainstAMember) {
  // An idle stream: nobody moves for hours, and that is nobody's fault.
  Join("a", 0);
  (void)Decide(0);
  now_ += std::chrono::hours(5);
  EXPECT_TRUE(Decide(1000).hold);
  now_ += seconds(29);
  EXPECT_TRUE(Decide(1000).let_go.empty());
}

TEST_F(SlowPolicyTest, OneThatIsLetGoLeavesTheOthersWaitedFor) {
  Join("a", 0);
  Join("b", 10);
  EXPECT_TRUE(Decide(1020).hold);
  now_ += seconds(29);
  MoveTo("b", 15);
  now_ += seconds(1);
  const SlowDecision decision = Decide(1020);
  ASSERT_EQ(decision.let_go.size(), 1U);
  EXPECT_TRUE(decision.hold);
  EXPECT_EQ(decision.waits_for->id, "b");
  EXPECT_EQ(decision.keep_from, 15U);
}

TEST_F(SlowPolicyTest, OnlyThoseBeyondTheWindowAreLetGo) {
  Join("a", 0);
  Join("b", 500);
  EXPECT_TRUE(Decide(1000).hold);
  now_ += seconds(40);
  const SlowDecision decision = Decide(1000);
  ASSERT_EQ(decision.let_go.size(), 1U);
  EXPECT_EQ(decision.let_go[0]->id, "a");
  EXPECT_FALSE(decision.hold);
  EXPECT_EQ(decision.keep_from, 500U);
}

TEST_F(SlowPolicyTest, OneThatWasLetGoIsTakenBackWhenItIsWithinTheWindow) {
  Member& member = Join("a", 0);
  (void)Decide(1000);
  now_ += seconds(30);
  (void)Decide(1000);
  ASSERT_TRUE(member.let_go);
  EXPECT_FALSE(Decide(5000).hold) << "nobody waits for it";
  MoveTo("a", 4001);
  const SlowDecision decision = Decide(5000);
  EXPECT_FALSE(member.let_go);
  EXPECT_EQ(decision.keep_from, 4001U);
  EXPECT_EQ(policy_.counters().taken_back, 1U);
  EXPECT_TRUE(Decide(5001).hold);
}

}  // namespace
}  // namespace pipedup
