#include "subscribe/stream_list.h"

#include <gtest/gtest.h>

#include <string>

namespace pipedup {
namespace {

TEST(Pattern, StarsAndQuestionMarksStandForWhatTheyDoInAShell) {
  for (const auto& [pattern, name] : {std::pair{"web*", "web"},
                                      {"web*", "web.errors"},
                                      {"*", "x"},
                                      {"*.errors", "web.errors"},
                                      {"w?b", "web"},
                                      {"a*b*c", "aXbYc"},
                                      {"a*b*c", "abbcbc"},
                                      {"web", "web"},
                                      {"**", "x"},
                                      {"*?", "x"}}) {
    EXPECT_TRUE(MatchesPattern(pattern, name)) << pattern << " " << name;
  }
  for (const auto& [pattern, name] : {std::pair{"web*", "we"},
                                      {"web?", "web"},
                                      {"*.errors", "errors"},
                                      {"web", "web1"},
                                      {"a*b*c", "aXbY"},
                                      {"?", "xy"},
                                      {"w?b", "wb"}}) {
    EXPECT_FALSE(MatchesPattern(pattern, name)) << pattern << " " << name;
  }
}

// Tried one by one, the ways to match this would not end.
TEST(Pattern, ManyStarsTakeNoTime) {
  const std::string name(128, 'a');
  std::string pattern;
  for (int i = 0; i < 60; ++i) pattern += "*a";
  EXPECT_FALSE(MatchesPattern(pattern + "b", name));
  EXPECT_TRUE(MatchesPattern(pattern + "*", name));
}

TEST(Pattern, OneIsKnownByItsStarOrQuestionMark) {
  EXPECT_TRUE(IsPattern("web*"));
  EXPECT_TRUE(IsPattern("w?b"));
  EXPECT_FALSE(IsPattern("web.1-x_y"));
}

}  // namespace
}  // namespace pipedup
