#include "http/request.h"

#include <gtest/gtest.h>

namespace pipedup::http {
namespace {

TEST(From, IsNowStartAPositionOrTheLastRecords) {
  EXPECT_EQ((From{From::Kind::kNow, 0}), ParseFrom("now"));
  EXPECT_EQ((From{From::Kind::kStart, 0}), ParseFrom("start"));
  EXPECT_EQ((From{From::Kind::kPosition, 0}), ParseFrom("0"));
  EXPECT_EQ((From{From::Kind::kPosition, UINT64_MAX}), ParseFrom("18446744073709551615"));
  EXPECT_EQ((From{From::Kind::kLast, 100}), ParseFrom("last:100"));
}

TEST(From, IsNothingElse) {
  for (const char* const text :
       {"", "Now", "now ", " 1", "+1", "-1", "1x", "0x10", "18446744073709551616", "last",
        "last:", "last:-1", "last: 1", "last:last:1", "1\n"}) {
    EXPECT_FALSE(ParseFrom(text)) << text;
  }
}

TEST(EventId, IsReadAsItIsWritten) {
  const std::string text = FormatEventId(1234, 0x1f2e3d4c5b6a7988);
  EXPECT_EQ("1234@1f2e3d4c5b6a7988", text);
  EXPECT_EQ((EventId{1234, 0x1f2e3d4c5b6a7988}), ParseEventId(text));
}

TEST(EventId, MayBeAPositionAlone) {
  EXPECT_EQ((EventId{1234, std::nullopt}), ParseEventId("1234"));
}

TEST(EventId, IsNothingElse) {
  for (const char* const text :
       {"", "@", "1@", "@1f2e3d4c5b6a7988", "1@1f2e", "x@1f2e3d4c5b6a7988",
        "1@0000000000000000", "1@1f2e3d4c5b6a7988 ", "1@1f2e3d4c5b6a798g",
        "-1@1f2e3d4c5b6a7988"}) {
    EXPECT_FALSE(ParseEventId(text)) << text;
  }
}

TEST(Host, OfThisMachineIsALoopbackNameOrAddress) {
  for (const char* const host :
       {"localhost", "localhost:5592", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:5592"}) {
    EXPECT_TRUE(IsLocalHost(host)) << host;
  }
  for (const char* const host :
       {"", ":5592", "example.org", "localhost.example.org", "127.0.0.1.example.org",
        "10.0.0.1", "[::2]:80", "ipc:///tmp/x", "tcp://localhost", "*", "localhost:x",
        "127.0.0.1@evil"}) {
    EXPECT_FALSE(IsLocalHost(host)) << host;
  }
}

TEST(Token, IsWhatFollowsBearer) {
  EXPECT_EQ("abc", BearerToken("Bearer abc"));
  EXPECT_EQ("abc", BearerToken("bEARER   abc"));
  for (const char* const header : {"", "abc", "Bearer", "Basic abc", "Bearerabc"}) {
    EXPECT_FALSE(BearerToken(header)) << header;
  }
}

TEST(Token, IsTheSameOnlyIfAllOfItIs) {
  EXPECT_TRUE(SameToken("secret", "secret"));
  for (const char* const given : {"", "secre", "secrets", "Secret", "secretsecret", "xecret"}) {
    EXPECT_FALSE(SameToken(given, "secret")) << given;
  }
  EXPECT_FALSE(SameToken("", ""));
}

}  // namespace
}  // namespace pipedup::http
