#include "publish/member_file.h"

#include <gtest/gtest.h>

#include <chrono>

namespace pipedup {
namespace {

constexpr TimePoint kNow{std::chrono::hours(1)};

Members Restored(std::string_view text) {
  Members members;
  RestoreMembers(text, 0, 1000, kNow, &members);
  return members;
}

Members Again(const Members& members) {
  return Restored(EncodeMembers(members));
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

TEST(MemberFile, KeepsWhoIsWaitedForAndWithWhichKey) {
  Members members;
  Member& keyed = members.Join("a1", "1");
  keyed.position = 500;
  keyed.name = "errors only";
  keyed.key = "web1@site";
  Member& plain = members.Join("b2", "2");
  plain.role = control::Role::kTap;
  plain.name = "sub@home";
  members.Join("c3", "3").role = control::Role::kTop;
  const std::string text = EncodeMembers(members);
  EXPECT_EQ(text, "a1 sub@web1@site 500 errors only\nb2 tap 0 sub@home\n");

  Members again = Restored(text);
  ASSERT_EQ(again.size(), 2U);
  EXPECT_EQ(again.FindById("a1")->key, "web1@site");
  EXPECT_EQ(again.FindById("a1")->name, "errors only");
  EXPECT_EQ(again.FindById("a1")->position, 500U);
  EXPECT_EQ(again.FindById("b2")->key, "");
  EXPECT_EQ(again.FindById("b2")->role, control::Role::kTap);
  EXPECT_EQ(again.FindById("b2")->name, "sub@home");
}

TEST(MemberFile, PassesOverLinesThatAreNone) {
  EXPECT_EQ(Restored("a1 nobody 5 x\nXY sub 5 x\na1 sub\n\na1 top 5\n@ @ @\n").size(), 0U);
}

}  // namespace
}  // namespace pipedup
