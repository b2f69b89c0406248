#include "publish/members.h"

#include <gtest/gtest.h>

#include <chrono>

namespace pipedup {
namespace {

constexpr TimePoint kBegin{};

TEST(Members, AreFoundByIdAndByConnection) {
  Members members;
  members.Join("a", "1");
  members.Join("b", "2");
  EXPECT_EQ(members.size(), 2U);
  EXPECT_EQ(members.FindByRoute("1")->id, "a");
  EXPECT_EQ(members.FindById("b")->route, "2");
  EXPECT_EQ(members.FindByRoute("3"), nullptr);
  EXPECT_EQ(members.FindById("c"), nullptr);
}

TEST(Members, KeepWhatIsKnownOverANewConnection) {
  Members members;
  members.Join("a", "1").position = 17;
  EXPECT_EQ(members.Join("a", "2").position, 17U);
  EXPECT_EQ(members.size(), 1U);
  EXPECT_EQ(members.FindByRoute("1"), nullptr);
  EXPECT_EQ(members.FindByRoute("2")->id, "a");
  EXPECT_EQ(members.FindById("a")->route, "2");
}

TEST(Members, AreNotTakenBackToAConnectionThatIsOver) {
  Members members;
  EXPECT_FALSE(members.IsLate("a", "1", kBegin));
  members.Join("a", "1");
  EXPECT_FALSE(members.IsLate("a", "1", kBegin));
  members.Join("a", "2");
  EXPECT_TRUE(members.IsLate("a", "1", kBegin)) << "it was held up on the way";
  EXPECT_FALSE(members.IsLate("a", "1", kBegin + std::chrono::seconds(3)))
      << "nothing is heard over the other one";
  EXPECT_FALSE(members.IsLate("a", "2", kBegin));
  EXPECT_FALSE(members.IsLate("a", "3", kBegin));
  EXPECT_EQ(members.FindByRoute("1"), nullptr);
  Member& member = members.Join("a", "3");
  members.ForgetRoute(member);
  EXPECT_FALSE(members.IsLate("a", "1", kBegin)) << "there is no other";
}

TEST(Members, AreGoneWhenRemoved) {
  Members members;
  members.Join("a", "1");
  members.Remove("a");
  members.Remove("never there");
  EXPECT_EQ(members.size(), 0U);
  EXPECT_EQ(members.FindByRoute("1"), nullptr);
}

TEST(Members, OfOneConnectionAreOne) {
  // A program that says hello twice with different ids: the last one counts.
  Members members;
  members.Join("a", "1");
  members.Join("b", "1");
  EXPECT_EQ(members.FindByRoute("1")->id, "b");
  members.Remove("a");
  ASSERT_NE(members.FindByRoute("1"), nullptr) << "b is still a member";
  EXPECT_EQ(members.FindByRoute("1")->id, "b");
}

TEST(Members, SayHelloAgainWhenTheirConnectionsAreGone) {
  Members members;
  Member& member = members.Join("a", "1");
  member.reads.emplace_back();
  member.position = 17;
  members.ForgetRoutes();
  EXPECT_EQ(members.FindByRoute("1"), nullptr);
  EXPECT_TRUE(member.route.empty());
  EXPECT_TRUE(member.reads.empty());
  EXPECT_EQ(members.Join("a", "2").position, 17U);
}

TEST(Members, MayComeBackWhenTheirConnectionIsGone) {
  Members members;
  Member& member = members.Join("a", "1");
  member.reads.emplace_back();
  member.position = 17;
  members.ForgetRoute(member);
  EXPECT_EQ(members.FindByRoute("1"), nullptr);
  EXPECT_TRUE(member.reads.empty());
  EXPECT_EQ(members.FindById("a")->position, 17U);
  EXPECT_EQ(members.Join("a", "2").position, 17U);
  EXPECT_EQ(members.size(), 1U);
}

TEST(Members, AreNamedForPeopleWithoutSteeringTheirTerminal) {
  Member member;
  member.id = "9f86";
  EXPECT_EQ(member.Label(), "'9f86'");
  member.name = "web\x1b[31m";
  member.address = "10.0.0.7";
  EXPECT_EQ(member.Label(), "'web\\x1b[31m' at 10.0.0.7");
  member.key = "ops\x1b";
  EXPECT_EQ(member.Label(), "'web\\x1b[31m' at 10.0.0.7 (key 'ops\\x1b')");
}

}  // namespace
}  // namespace pipedup
