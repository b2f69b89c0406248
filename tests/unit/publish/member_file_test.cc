#include "publish/member_file.h"

#include <gtest/gtest.h>

namespace pipedup {
namespace {

Members Restored(std::string_view text) {
  Members members;
  RestoreMembers(text, 0, 1000, TimePoint{}, &members);
  return members;
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
