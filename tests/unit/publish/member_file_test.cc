#include "publish/member_file.h"

#include <gtest/gtest.h>

#include <chrono>

namespace pipedup {
namespace {

constexpr TimePoint kNow{std::chrono::hours(1)};

Members Again(const Members& members) {
  Members restored;
  RestoreMembers(EncodeMembers(members), 0, 1000, kNow, &restored);
  return restored;
}

TEST(MemberFile, KeepsWhoIsWaitedFor) {
  Members members;
  Member& member = members.Join("a1", "route");
  member.position = 17;
  member.role = control::Role::kRelay;
  members.Join("b2", "another").role = control::Role::kTop;
  Members restored = Again(members);
  ASSERT_EQ(restored.size(), 1U);
  EXPECT_EQ(restored.FindById("a1")->position, 17U);
  EXPECT_EQ(restored.FindById("a1")->role, control::Role::kRelay);
  EXPECT_TRUE(restored.FindById("a1")->restored);
}

TEST(MemberFile, KeepsEveryIdThatAHelloMayHave) {
  Members members;
  members.Join("0123456789abcdefABCDEF", "route");
  EXPECT_EQ(Again(members).size(), 1U);
}

TEST(MemberFile, ANameIsTheSameAfterAnyNumberOfRestarts) {
  const std::string name = "tab\t back\\slash \\x41 line\n \xc3\xa4";
  Members members;
  members.Join("a1", "route").name = name;
  EXPECT_EQ(Again(Again(members)).FindById("a1")->name, name);
}

TEST(MemberFile, ANameStaysAsLongAsOneMayBe) {
  Members members;
  members.Join("a1", "route").name = std::string(256, '\x01');
  EXPECT_EQ(Again(members).FindById("a1")->name.size(), 256U);
}

}  // namespace
}  // namespace pipedup
