#include "cli/manual.h"

#include "cli/option_text.h"

namespace pipedup::cli {
namespace {

/// "lines|nul" in bold, "SIZE" in italics: a reader types the one and replaces the other.
std::string ValueMarkup(const Option& option) {
  const std::string value = ValueName(option);
  if (value.empty()) return "";
  const bool literal = option.value.empty();
  const char mark = literal ? '*' : '_';
  return mark + EscapeForManual(value) + mark;
}

std::string OptionEntry(const Option& option) {
  std::string names;
  if (!option.positional) {
    if (option.letter != 0) names = std::string("*-") + option.letter + "*, ";
    names += "*--" + EscapeForManual(option.name) + "*";
  }
  const std::string value = ValueMarkup(option);
  if (!value.empty()) names += (names.empty() ? "" : " ") + value;
  std::string text = option.summary;
  if (!option.details.empty()) text += " " + option.details;
  return "\n" + names + "\n\t" + EscapeForManual(text + Facts(option)) + "\n";
}

}  // namespace

std::string EscapeForManual(std::string_view text) {
  std::string out;
  for (const char c : text) {
    // Only markup, and what would begin a list: the rest scdoc escapes for roff itself.
    const bool list = out.empty() && (c == '-' || c == '.');
    if (list || std::string_view("\\*_#+").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string ManualText(const Program& program, std::span<const Option> table) {
  std::string out = "# OPTIONS\n";
  for (const Option& option : table) {
    if (!option.group.empty()) out += "\n## " + EscapeForManual(option.group) + "\n";
    out += OptionEntry(option);
  }
  out += "\n## Values, variables and files\n\n";
  out +=
      EscapeForManual("Sizes: 4096, 64KiB, 1MB. Durations: 250ms, 5s, 2m, 1h30m, or seconds.");
  out += "\n\n" + EscapeForManual(kOtherWays) + "\n";
  if (!program.exit_statuses.empty()) out += "\n# EXIT STATUS\n";
  for (const auto& [status, meaning] : program.exit_statuses) {
    out += "\n*" + EscapeForManual(status) + "*\n\t" + EscapeForManual(meaning) + "\n";
  }
  return out;
}

}  // namespace pipedup::cli
