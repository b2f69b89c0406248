#include <gtest/gtest.h>

#include <cstdlib>

#include "example_program.h"
#include "pipedup/subscribe.h"

namespace pipedup::cli {
namespace {

TEST(Targets, SayWhatIsNoValueOfTheirKind) {
  EXPECT_EQ(Case().Wrong({"--retain", "12Q"}), "--retain: '12Q' is not a size (like 64MiB)");
  EXPECT_EQ(Case().Wrong({"--linger", "soon"}),
            "--linger: 'soon' is not a duration (like 250ms or 2m)");
  EXPECT_EQ(Case().Wrong({"--max-subs", "-1"}), "--max-subs: '-1' is not a whole number");
  EXPECT_EQ(Case().Wrong({"--max-subs", ""}), "--max-subs: '' is not a whole number");
  EXPECT_EQ(Case().Wrong({"--max-subs", "99999999999999999999"}),
            "--max-subs: '99999999999999999999' is not a whole number");
  EXPECT_EQ(Case().Wrong({"--bind", "bad"}), "--bind: 'bad' is bad");
}

TEST(Targets, SayTheRangeOfWhatIsOutOfIt) {
  EXPECT_EQ(Case().Wrong({"--retain", "12"}), "--retain: '12' is out of range: 1MiB to 1TiB");
  EXPECT_EQ(Case().Wrong({"--linger", "2h"}), "--linger: '2h' is out of range: 0s to 1h");
  EXPECT_EQ(Case().Wrong({"--max-subs", "0"}), "--max-subs: '0' is out of range: 1 to 1000");
}

TEST(Targets, AllowTheLimitsThemselves) {
  for (const char* size : {"1MiB", "1TiB"}) EXPECT_EQ(Case().Wrong({"--retain", size}), "");
  for (const char* time : {"0", "1h"}) EXPECT_EQ(Case().Wrong({"--linger", time}), "");
  for (const char* count : {"1", "1000"}) EXPECT_EQ(Case().Wrong({"--max-subs", count}), "");
}

TEST(Targets, ProposeTheNearestWordOfAChoice) {
  EXPECT_EQ(Case().Wrong({"--slow", "wiat"}),
            "--slow: 'wiat' is none of drop, wait (did you mean wait?)");
  EXPECT_EQ(Case().Wrong({"--slow", "never-ever"}),
            "--slow: 'never-ever' is none of drop, wait");
  Case c;
  ASSERT_FALSE(c.Run({"--slow", "wait"}).exit_status);
  EXPECT_TRUE(c.values.wait);
}

TEST(Targets, ALowerLimitAloneIsSaidAsSuch) {
  std::uint64_t value = 7;
  const Target target = Count(&value, 3);
  EXPECT_EQ(target.range, "at least 3");
  EXPECT_EQ(target.initial, "7");
  EXPECT_EQ(target.store("2"), "'2' is out of range: at least 3");
  EXPECT_EQ(value, 7U);
  EXPECT_EQ(Count(&value).range, "");
}

TEST(Targets, StreamNamesAreChecked) {
  EXPECT_EQ(CheckStreamName("build-1.2_x"), "");
  EXPECT_EQ(CheckStreamName("a b"),
            "'a b' is not a stream name: 1 to 128 letters, digits, '.', '_' or '-'");
}

TEST(Targets, EndpointsAreStoredInFull) {
  std::string endpoint;
  EXPECT_EQ(ParseEndpointText(":7000", &endpoint), "");
  EXPECT_EQ(endpoint, "tcp://127.0.0.1:7000");
  EXPECT_EQ(ParseEndpointText("udp://x", &endpoint),
            "'udp://x' is not an endpoint: only tcp:// and ipc:// are known");
  EXPECT_EQ(endpoint, "tcp://127.0.0.1:7000");
}

TEST(StartAt, ReadsEveryPlaceToStart) {
  using Kind = StartAt::Kind;
  const struct {
    const char* text;
    Kind kind;
    std::uint64_t value;
  } cases[] = {{"now", Kind::kNow, 0},
               {"start", Kind::kStart, 0},
               {"0", Kind::kPosition, 0},
               {"18446744073709551615", Kind::kPosition, 18446744073709551615U},
               {"-5m", Kind::kAgo, 300'000'000'000},
               {"-250ms", Kind::kAgo, 250'000'000},
               {"-2", Kind::kAgo, 2'000'000'000}};
  for (const auto& c : cases) {
    StartAt at;
    EXPECT_EQ(ParseStartAt(c.text, &at), "") << c.text;
    EXPECT_EQ(at.kind, c.kind) << c.text;
    EXPECT_EQ(at.value, c.value) << c.text;
  }
}

TEST(StartAt, RefusesEverythingElseAndStoresNothing) {
  for (const char* text : {"", "-", "--", "-x", "then", "4096x", "0x10", "-5m ", "--5m",
                           "18446744073709551616", "1.5e"}) {
    StartAt at{StartAt::Kind::kLast, 9};
    EXPECT_NE(ParseStartAt(text, &at), "") << text;
    EXPECT_EQ(at.kind, StartAt::Kind::kLast) << text;
    EXPECT_EQ(at.value, 9U) << text;
  }
}

TEST(StartAt, ProposesTheDashThatIsMissing) {
  StartAt at;
  EXPECT_EQ(ParseStartAt("5m", &at), "'5m' is in the future (did you mean -5m?)");
}

TEST(Targets, AKeyIsNoFileAndIsNotRepeated) {
  const std::string key = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
  std::string file;
  const Store store = KeyFile(&file).store;
  const std::string wrong = store(key);
  EXPECT_TRUE(wrong.starts_with("this is a key and not the name of a file")) << wrong;
  EXPECT_EQ(wrong.find(key), std::string::npos);
  EXPECT_EQ(file, "");
  EXPECT_EQ(store(""), "'' is not a file");
  EXPECT_EQ(store("/etc/pipedup/web1.secret"), "");
  EXPECT_EQ(file, "/etc/pipedup/web1.secret");
}

TEST(Targets, AKeyComesFromAFileOrAVariable) {
  std::string where;
  const auto find = [&where](const std::string& file) {
    return FindKey("--curve-secret", file, "PIPEDUP_TEST_KEY", &where);
  };
  EXPECT_EQ(find(""), "");
  EXPECT_EQ(where, "");
  EXPECT_EQ(find("file"), "");
  EXPECT_EQ(where, "--curve-secret");
  ::setenv("PIPEDUP_TEST_KEY", "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6", 1);
  EXPECT_EQ(find(""), "");
  EXPECT_EQ(where, "PIPEDUP_TEST_KEY");
  EXPECT_EQ(find("file"), "--curve-secret and PIPEDUP_TEST_KEY cannot be given together");
  ::setenv("PIPEDUP_TEST_KEY", "no key", 1);
  const std::string wrong = find("");
  EXPECT_TRUE(wrong.starts_with("PIPEDUP_TEST_KEY: not a key")) << wrong;
  EXPECT_EQ(wrong.find("no key"), std::string::npos);
  ::unsetenv("PIPEDUP_TEST_KEY");
}

}  // namespace
}  // namespace pipedup::cli
