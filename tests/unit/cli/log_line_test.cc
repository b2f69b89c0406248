#include "cli/log_line.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace pipedup::cli {
namespace {

ReporterOptions Options() {
  ReporterOptions options;
  options.program = "pipedup-sub";
  return options;
}

std::string Json(std::string_view event, std::string_view text, const Fields& fields = {}) {
  return JsonLine(Options(), LogLevel::kWarning, event, text, fields, 1'000'000'000);
}

TEST(TextLine, IsProgramLevelAndText) {
  EXPECT_EQ(TextLine(Options(), LogLevel::kWarning, "lost 5 bytes"),
            "pipedup-sub: warning: lost 5 bytes\n");
  EXPECT_EQ(TextLine(Options(), LogLevel::kInfo, ""), "pipedup-sub: info: \n");
}

TEST(TextLine, ColorsTheLevelAlone) {
  ReporterOptions options = Options();
  options.color = true;
  EXPECT_EQ(TextLine(options, LogLevel::kError, "x"), "pipedup-sub: \x1b[31merror\x1b[0m: x\n");
}

TEST(TextLine, StaysOneLine) {
  EXPECT_EQ(TextLine(Options(), LogLevel::kError, "a\nb\rc"), "pipedup-sub: error: a b c\n");
}

TEST(JsonLine, HasTheCommonMembersFirst) {
  EXPECT_EQ(Json("gap", "lost"),
            "{\"time\":\"1970-01-01T00:00:01.000000Z\",\"level\":\"warning\","
            "\"program\":\"pipedup-sub\",\"event\":\"gap\",\"message\":\"lost\"}\n");
}

TEST(JsonLine, KeepsTheTypesOfFields) {
  const auto line = nlohmann::json::parse(Json("gap", "lost",
                                               {{"from", std::uint64_t{18446744073709551615U}},
                                                {"change", std::int64_t{-3}},
                                                {"rate", 1.5},
                                                {"live", true},
                                                {"reason", std::string("why")}}));
  EXPECT_EQ(line["from"], 18446744073709551615U);
  EXPECT_EQ(line["change"], -3);
  EXPECT_EQ(line["rate"], 1.5);
  EXPECT_EQ(line["live"], true);
  EXPECT_EQ(line["reason"], "why");
}

TEST(JsonLine, AFieldNeverReplacesACommonMember) {
  const auto line = nlohmann::json::parse(Json("gap", "lost", {{"message", std::string("x")}}));
  EXPECT_EQ(line["message"], "lost");
}

TEST(JsonLine, WritesWhatIsNotUtf8AsReplacementCharacters) {
  const std::string text =
      Json("gap", "a\xff z", {{"name", std::string("b\xc3")}, {std::string("k\xfe"), true}});
  const auto line = nlohmann::json::parse(text);
  EXPECT_EQ(line["message"], "a\xEF\xBF\xBD z");
  EXPECT_EQ(line["name"], "b\xEF\xBF\xBD");
  EXPECT_EQ(line["k\xEF\xBF\xBD"], true);
}

TEST(JsonLine, StaysOneLine) {
  const std::string text = Json("a\nb", "c\nd\x1b", {{"n\n", std::string("\n")}});
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(JsonLine, ANumberThatIsNoneIsNull) {
  const auto line = nlohmann::json::parse(
      Json("x", "y", {{"rate", std::numeric_limits<double>::quiet_NaN()}}));
  EXPECT_TRUE(line["rate"].is_null());
}

}  // namespace
}  // namespace pipedup::cli
