#include "cli/help.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/boolean.h"
#include "cli/option_text.h"
#include "os/build.h"
#include "pipedup/version.h"
#include "wire/control.h"

namespace pipedup::cli {
namespace {

static_assert(kRelease == PIPEDUP_VERSION,
              "include/pipedup/version.h and CMakeLists.txt differ");
static_assert(kProtocol == control::kProtocolVersion);

constexpr std::size_t kColumns = 80;
constexpr std::size_t kNameColumns = 26;

/// Words of `text`, each line of them indented; `used` columns of the first one are taken.
std::string Wrap(std::string_view text, std::size_t indent, std::size_t used = 0) {
  std::string out;
  std::size_t column = used;
  if (column < indent) {
    out.append(indent - column, ' ');
    column = indent;
  }
  bool first = true;
  while (!text.empty()) {
    const std::size_t length = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
    if (word.empty()) continue;
    if (!first && column + 1 + word.size() > kColumns) {
      out += '\n';
      out.append(indent, ' ');
      column = indent;
      first = true;
    }
    if (!first) out += ' ';
    column += word.size() + (first ? 0 : 1);
    out += word;
    first = false;
  }
  return out + '\n';
}

std::string Names(const Option& option) {
  const std::string value = ValueName(option);
  if (option.positional) return "  " + value;
  const std::string letter =
      option.letter == 0 ? "    " : std::string("-") + option.letter + ", ";
  return "  " + letter + "--" + option.name + (value.empty() ? "" : " " + value);
}

std::string OptionText(const Option& option, bool everything) {
  std::string out = Names(option);
  if (everything) {
    std::string text = option.summary;
    if (!option.details.empty()) text += " " + option.details;
    return out + "\n" + Wrap(text + Facts(option), 10);
  }
  std::string text = option.summary;
  if (text.ends_with('.')) text.pop_back();
  if (out.size() + 2 > kNameColumns) {
    return out + "\n" + Wrap(text + Facts(option), kNameColumns);
  }
  return out + Wrap(text + Facts(option), kNameColumns, out.size());
}

std::string_view SourceText(Source source) {
  switch (source) {
    case Source::kNone:
      break;
    case Source::kFile:
      return "config file";
    case Source::kVariable:
      return "environment";
    case Source::kFlag:
      return "command line";
  }
  return "default";
}

/// What JSON has between quotes is a TOML string too.
std::string TomlQuote(const std::string& text) {
  using Json = nlohmann::json;
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string TomlValue(const Option& option, const std::string& text) {
  switch (option.target.form) {
    case Target::Form::kFlag:
      return ParseBool(text) == true ? "true" : "false";
    case Target::Form::kNumber:
      return text == "0" || !text.starts_with('0') ? text : TomlQuote(text);
    case Target::Form::kText:
    case Target::Form::kList:
      break;
  }
  return TomlQuote(text);
}

std::string TomlValues(const Option& option, const Setting& setting) {
  if (option.target.form != Target::Form::kList) {
    return TomlValue(option, setting.texts.back());
  }
  std::string out;
  for (const std::string& text : setting.texts) {
    out += (out.empty() ? "" : ", ") + TomlValue(option, text);
  }
  return "[" + out + "]";
}

std::string SettingLine(const Option& option, const Setting& setting) {
  const std::string start = option.name + " = ";
  if (setting.displaced) {
    return "# " + option.name + " is not used: see " + option.conflicts + "\n";
  }
  if (!setting.texts.empty()) {
    return start + TomlValues(option, setting) + "  # " +
           std::string(SourceText(setting.source)) + "\n";
  }
  if (option.target.initial.empty()) return "# " + option.name + " is not set\n";
  const Setting initial{.texts = {option.target.initial}};
  return start + TomlValues(option, initial) + "  # default\n";
}

}  // namespace

std::string HelpText(const Program& program, std::span<const Option> table, bool everything) {
  std::string out = Wrap(program.name + ": " + program.summary, 0);
  if (!program.examples.empty()) out += "\nExamples:\n";
  for (const Example& example : program.examples) {
    out += "  " + example.command + "\n" + Wrap(example.what, 6);
  }
  out += "\nUsage:\n";
  for (const std::string& usage : program.usage)
    out += "  " + program.name + " " + usage + "\n";
  for (const Option& option : table) {
    const bool new_group = !option.group.empty();
    if (new_group) out += "\n" + option.group + ":\n";
    if (everything && !new_group) out += "\n";
    out += OptionText(option, everything);
  }
  if (!everything) return out + "\n" + Wrap("More: " + program.name + " --help", 0);
  out += "\nSizes: 4096, 64KiB, 1MB. Durations: 250ms, 5s, 2m, 1h30m, or seconds.\n\n";
  out += Wrap(kOtherWays, 0);
  if (!program.exit_statuses.empty()) out += "\nExit status:\n";
  for (const auto& [status, meaning] : program.exit_statuses) {
    const std::string start = "  " + status;
    out += start + Wrap(meaning, 10, start.size());
  }
  return out;
}

std::string VersionText(const Program& program) {
  const std::string features =
      IsPortable() ? "portable (plain POSIX calls only)" : "linux (splice, signalfd, eventfd)";
  std::string out = program.name + " " + std::string(kRelease) + "\n";
  out += "protocol " + std::to_string(kProtocol) + "\n";
  if (!program.libraries.empty()) out += program.libraries;
  if (!out.ends_with('\n')) out += '\n';
  return out + "features: " + features + "\n";
}

std::string SettingsText(const Program& program, std::span<const Option> table,
                         const Settings& settings) {
  std::string out = "# " + program.name + " " + std::string(kRelease) + "\n";
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (HasKey(table[i])) out += SettingLine(table[i], settings.of[i]);
  }
  return out;
}

}  // namespace pipedup::cli
