#include "cli/settings.h"

#include <algorithm>

#include "base/text.h"
#include "cli/boolean.h"
#include "cli/toml.h"

namespace pipedup::cli {
namespace {

constexpr std::size_t kMaxWhy = 1000;  // a path, and why it cannot be read

bool IsRepeatable(const Option& option) {
  return option.target.form == Target::Form::kList || option.target.form == Target::Form::kFlag;
}

std::vector<std::string> SplitAtSpaces(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while ((begin = text.find_first_not_of(' ', begin)) != std::string::npos) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return parts;
}

class Gatherer {
 public:
  explicit Gatherer(std::span<const Option> table) : table_(table) {
    settings_.of.resize(table.size());
  }

  void TakeFile(const std::string& path, const Surroundings& surroundings) {
    std::string why;
    const std::optional<std::string> text = surroundings.read_file(path, &why);
    if (!text) return Wrong("--config: " + Escape(why, kMaxWhy));
    const TomlFile file = ReadToml(*text);
    const auto at = [&](std::size_t line) {
      return Escape(path) + ":" + std::to_string(line) + ": ";
    };
    if (!file.wrong.empty()) return Wrong(at(file.line) + file.wrong);
    for (const TomlEntry& entry : file.entries) {
      const auto found = std::ranges::find_if(table_, [&](const Option& option) {
        return option.name == entry.name && HasKey(option);
      });
      const std::string where = at(entry.line) + Escape(entry.name);
      if (found == table_.end()) {
        return Wrong(where + ": unknown key" + Suggestion(table_, entry.name, ""));
      }
      if (entry.array && found->target.form != Target::Form::kList) {
        return Wrong(where + ": takes one value, not an array");
      }
      for (const std::string& value : entry.values) Set(*found, Source::kFile, {value, where});
    }
  }

  void TakeVariables(const Surroundings& surroundings) {
    for (const Option& option : table_) {
      const std::string name = VariableName(option.name);
      const std::string text = HasVariable(option) ? surroundings.environment(name) : "";
      if (text.empty()) continue;
      const bool list = option.target.form == Target::Form::kList;
      for (std::string& part : list ? SplitAtSpaces(text) : std::vector{text}) {
        Set(option, Source::kVariable, {std::move(part), name});
      }
    }
  }

  void TakeArguments(const Arguments& arguments) {
    for (const Given& given : arguments.given) {
      const Option& option = table_[given.option];
      Set(option, Source::kFlag, {given.text, Label(option)});
    }
  }

  void SettleConflicts() {
    for (const Option& one : table_) {
      if (one.conflicts.empty()) continue;
      const auto other = std::ranges::find(table_, one.conflicts, &Option::name);
      if (other == table_.end()) continue;
      Setting& a = Of(one);
      Setting& b = Of(*other);
      if (IsOn(one, a) && IsOn(*other, b) && a.source == b.source) {
        return Wrong(a.texts[0].where + " and " + b.texts[0].where +
                     " cannot be given together");
      }
      if (IsOn(*other, b) && b.source > a.source) {
        Displace(&a);
      } else if (IsOn(one, a)) {
        Displace(&b);
      }
    }
  }

  Settings Finish() { return std::move(settings_); }

 private:
  void Wrong(std::string what) {
    if (settings_.wrong.empty()) settings_.wrong = std::move(what);
  }

  Setting& Of(const Option& option) {
    return settings_.of[static_cast<std::size_t>(&option - table_.data())];
  }

  void Set(const Option& option, Source source, SettingText text) {
    Setting& setting = Of(option);
    if (setting.source != source || !IsRepeatable(option)) setting.texts.clear();
    setting.source = source;
    setting.texts.push_back(std::move(text));
  }

  /// A flag that is set to "no" stands against nothing.
  static bool IsOn(const Option& option, const Setting& setting) {
    if (setting.texts.empty()) return false;
    if (option.target.form != Target::Form::kFlag) return true;
    return ParseBool(setting.texts.back().text) != false;
  }

  static void Displace(Setting* setting) {
    setting->texts.clear();
    setting->displaced = true;
  }

  std::span<const Option> table_;
  Settings settings_;
};

}  // namespace

std::string VariableName(std::string_view option) {
  std::string name = "PIPEDUP_";
  for (const char c : option) {
    const bool lower = c >= 'a' && c <= 'z';
    name += c == '-' ? '_' : lower ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

bool HasVariable(const Option& option) {
  return option.name != "help" && option.name != "version" && option.name != "print-config";
}

bool HasKey(const Option& option) {
  return HasVariable(option) && option.name != "config";
}

Settings Gather(std::span<const Option> table, const Arguments& arguments,
                const std::string& config, const Surroundings& surroundings) {
  Gatherer gatherer(table);
  if (!config.empty()) gatherer.TakeFile(config, surroundings);
  gatherer.TakeVariables(surroundings);
  gatherer.TakeArguments(arguments);
  gatherer.SettleConflicts();
  return gatherer.Finish();
}

std::string StoreAll(std::span<const Option> table, const Settings& settings) {
  std::string first;
  for (std::size_t i = 0; i < table.size(); ++i) {
    for (const SettingText& text : settings.of[i].texts) {
      const std::string wrong = table[i].target.store(text.text);
      if (!wrong.empty() && first.empty()) first = text.where + ": " + wrong;
    }
  }
  return first;
}

}  // namespace pipedup::cli
