// Command lines and config files are read by CLI11, which only this file includes: it takes
// long to compile. What is here besides works round faults of its version 2.1.2.
#include "cli/settings.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/text.h"
#include "cli/boolean.h"

namespace pipedup::cli {
namespace {

using Form = Target::Form;

constexpr std::size_t kMaxWhy = 1000;    // a path, and why it cannot be read
constexpr int kMaxPositional = 1 << 20;  // more than argv can hold of them

/// "retain" as it is called in messages: "--retain", or the bare name if it is positional.
std::string Spelling(const Option& option) {
  return (option.positional ? "" : "--") + option.name;
}

/// " (did you mean --retain?)", or "" if no name is near.
std::string Suggestion(std::string_view name, const std::vector<std::string_view>& names,
                       std::string_view prefix) {
  const std::string_view nearest = Nearest(name, names);
  if (nearest.empty()) return "";
  return " (did you mean " + std::string(prefix) + std::string(nearest) + "?)";
}

/// A config file whose keys are those of the table.
class ConfigFile final : public CLI::ConfigTOML {
 public:
  explicit ConfigFile(std::span<const Option> table) : table_(table) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& in) const override {
    Texts texts;
    std::istringstream simple(Simplify({std::istreambuf_iterator<char>(in), {}}, &texts));
    std::vector<CLI::ConfigItem> all = CLI::ConfigTOML::from_config(simple);
    std::set<std::string> seen;
    for (CLI::ConfigItem& item : all) {
      bool whole = Restore(texts, &item.name);
      for (std::string& input : item.inputs) whole = Restore(texts, &input) && whole;
      std::string wrong = whole ? Check(item) : "text in quotes stands alone";
      if (!seen.insert(item.name).second) wrong = "is set twice";
      const std::string& name = item.parents.empty() ? item.name : item.parents.front();
      if (!wrong.empty()) throw CLI::ConfigError(Escape(name) + ": " + wrong);
    }
    return all;
  }

 private:
  static constexpr char kMark = '\x01';
  using Texts = std::map<std::string, std::string>;

  /// Faults: '#' cuts quoted text, escapes stay in it and quotes may be taken off twice; an
  /// array may not have comments, nor its first value on a line after "[". So CLI11 gets to see
  /// marks in place of quoted texts, no comments, and each array on one line.
  static std::string Simplify(const std::string& text, Texts* texts) {
    std::string out;
    bool in_array = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
      const char c = text[at];
      if (c == '#') {
        at = std::min(text.find('\n', at), text.size()) - 1;
      } else if (c == '"' || c == '\'') {
        const std::string token = kMark + std::to_string(texts->size()) + kMark;
        const std::size_t end = QuoteEnd(text, at);
        (*texts)[token] = Unquote(text.substr(at, end + 1 - at));
        out += token;
        at = end;
      } else if (!in_array || std::string_view(" \t\r\n").find(c) == std::string_view::npos) {
        in_array = c == '[' || (in_array && c != ']');
        out += c;
      }
    }
    if (in_array) throw CLI::ConfigError("an array ends with ]");
    return out;
  }

  static std::size_t QuoteEnd(const std::string& text, std::size_t begin) {
    const char stops[] = {text[begin], '\n', text[begin] == '"' ? '\\' : '\n', '\0'};
    std::size_t end = text.find_first_of(stops, begin + 1);
    while (end < text.size() && text[end] == '\\') end = text.find_first_of(stops, end + 2);
    if (end < text.size() && text[end] == text[begin]) return end;
    const auto lines = std::count(text.begin(), text.begin() + static_cast<long>(begin), '\n');
    throw CLI::ConfigError("line " + std::to_string(lines + 1) + ": a quote is not closed");
  }

  /// TOML's escapes are those of JSON.
  static std::string Unquote(const std::string& quoted) {
    if (quoted[0] == '\'') return quoted.substr(1, quoted.size() - 2);
    const nlohmann::json text = nlohmann::json::parse(quoted, nullptr, false);
    if (text.is_string()) return text.get<std::string>();
    throw CLI::ConfigError(
        Escape(quoted) +
        ": unknown escape; a backslash is written \\\\, or 'in single quotes'");
  }

  /// False if there is more than the mark.
  static bool Restore(const Texts& texts, std::string* value) {
    if (const auto found = texts.find(*value); found != texts.end()) {
      *value = found->second;
      return true;
    }
    return value->find(kMark) == std::string::npos;
  }

  std::string Check(const CLI::ConfigItem& item) const {
    if (!item.parents.empty()) return "tables are not used here: write name = value";
    std::vector<std::string_view> names;
    for (const Option& option : table_) {
      if (!HasKey(option)) continue;
      names.push_back(option.name);
      if (option.name != item.name || option.target.form == Form::kList) continue;
      if (item.inputs.size() != 1) return "takes one value";
      // Fault: a flag would be true.
      const bool empty_flag = option.target.form == Form::kFlag && item.inputs[0].empty();
      return empty_flag ? "a value is missing" : "";
    }
    const bool known = std::ranges::find(names, item.name) != names.end();
    return known ? "" : "unknown key" + Suggestion(item.name, names, "");
  }

  std::span<const Option> table_;
};

class Gatherer {
 public:
  explicit Gatherer(std::span<const Option> table) : table_(table) {
    settings_.of.resize(table.size());
    app_.set_help_flag();
    app_.allow_extras();
    app_.config_formatter(std::make_shared<ConfigFile>(table));
    for (const Option& option : table) options_.push_back(Add(option));
  }

  void TakeArguments(std::span<const std::string> words, std::string_view stray) {
    for (const std::string& word : words) {
      // Fault: the next word would be the value.
      if (word.starts_with("--") && word.find('=') + 1 == word.size() &&
          app_.get_option_no_throw(word.substr(0, word.size() - 1)) != nullptr) {
        Wrong(word.substr(0, word.size() - 1) + ": a value is missing");
      }
    }
    try {
      app_.parse(std::vector<std::string>(words.rbegin(), words.rend()));
    } catch (const CLI::ArgumentMismatch& error) {  // "--retain: 1 required  missing"
      const std::string what = error.what();
      Wrong(what.substr(0, what.find(':')) + ": a value is missing");
    } catch (const CLI::ParseError& error) {
      Wrong(Escape(error.what()));
    }
    TakeExtras(stray);
    Collect(Source::kFlag);
  }

  void TakeVariables(const Surroundings& surroundings) {
    for (std::size_t i = 0; i < table_.size(); ++i) {
      if (!HasVariable(table_[i]) || options_[i]->count() > 0) continue;
      const std::string text = surroundings.environment(VariableName(table_[i].name));
      if (table_[i].target.form == Form::kList) {
        std::istringstream parts(text);
        for (std::string part; parts >> part;) options_[i]->add_result(part);
      } else if (!text.empty()) {
        options_[i]->add_result(text);
      }
    }
    Collect(Source::kVariable);
  }

  void TakeFile(const Surroundings& surroundings) {
    const Setting& config = Find(table_, settings_, "config");
    if (config.texts.empty()) return;
    const std::string& path = config.texts.back();
    std::string why;
    const std::optional<std::string> text = surroundings.read_file(path, &why);
    if (!text) return Wrong("--config: " + Escape(why, kMaxWhy));
    try {
      std::istringstream in(*text);
      app_.parse_from_stream(in);  // fills what is still empty
    } catch (const CLI::ParseError& error) {
      Wrong(Escape(path) + ": " + error.what());
    }
    Collect(Source::kFile, Escape(path) + ": ");
  }

  /// Not CLI11's excludes: a flag stands against a flag, not against a variable that it
  /// overrides; and a flag that is set to "no" stands against nothing.
  void SettleConflicts() {
    for (const Option& one : table_) {
      const auto other = std::ranges::find(table_, one.conflicts, &Option::name);
      if (one.conflicts.empty() || other == table_.end()) continue;
      Setting& a = Of(one);
      Setting& b = Of(*other);
      if (IsOn(one, a) && IsOn(*other, b) && a.source == b.source) {
        return Wrong(a.where + " and " + b.where + " cannot be given together");
      }
      if (IsOn(*other, b) && b.source > a.source) {
        Displace(&a);
      } else if (IsOn(one, a)) {
        Displace(&b);
      }
    }
  }

  const Settings& settings() const { return settings_; }

 private:
  CLI::Option* Add(const Option& option) {
    const std::string letter = option.letter == 0 ? "" : std::string("-") + option.letter + ",";
    const Form form = option.target.form;
    CLI::Option* added = form == Form::kFlag ? app_.add_flag(letter + Spelling(option))
                                             : app_.add_option(letter + Spelling(option));
    const bool repeats = form == Form::kFlag || form == Form::kList;
    if (repeats) added->take_all();
    if (!repeats) added->take_last();
    if (form == Form::kFlag) return added;
    // Fault: allow_extra_args, which a list of positional values would need, takes "[::1]" for
    // a list. Such an option expects very many values instead.
    const bool many = option.positional && form == Form::kList;
    return added->expected(many ? kMaxPositional : 1)->allow_extra_args(false);
  }

  /// What no option took.
  void TakeExtras(std::string_view stray) {
    std::vector<std::string> extras = app_.remaining();
    const auto positional = std::ranges::find(table_, true, &Option::positional);
    if (positional != table_.end()) {
      // Fault: "---x" is taken for a positional value.
      const std::vector<std::string>& taken = options_[IndexOf(*positional)]->results();
      std::ranges::copy_if(taken, std::back_inserter(extras), IsDashed);
    }
    if (extras.empty()) return;
    const std::string& extra = extras.front();
    if (!IsDashed(extra)) {
      const bool explained = positional != table_.end() && !positional->too_many.empty();
      return Wrong(Quote(extra) + ": " +
                   (explained ? positional->too_many : std::string(stray)));
    }
    const std::string name = extra.substr(0, extra.find('='));
    std::vector<std::string_view> names;
    for (const Option& option : table_) {
      if (!option.positional && name.starts_with("--")) names.push_back(option.name);
    }
    const std::size_t dashes = std::min<std::size_t>(2, name.size());
    Wrong(Escape(name) + ": unknown option" +
          Suggestion(std::string_view(name).substr(dashes), names, "--"));
  }

  static bool IsDashed(const std::string& word) { return word.size() > 1 && word[0] == '-'; }

  /// Notes what has become set since the last time.
  void Collect(Source source, const std::string& file = "") {
    for (std::size_t i = 0; i < table_.size(); ++i) {
      Setting& setting = settings_.of[i];
      if (setting.source != Source::kNone || options_[i]->count() == 0) continue;
      setting.source = source;
      setting.texts = options_[i]->reduced_results();
      setting.where = source == Source::kFlag       ? Spelling(table_[i])
                      : source == Source::kVariable ? VariableName(table_[i].name)
                                                    : file + table_[i].name;
    }
  }

  void Wrong(std::string what) {
    if (settings_.wrong.empty()) settings_.wrong = std::move(what);
  }

  std::size_t IndexOf(const Option& option) const {
    return static_cast<std::size_t>(&option - table_.data());
  }

  Setting& Of(const Option& option) { return settings_.of[IndexOf(option)]; }

  static bool IsOn(const Option& option, const Setting& setting) {
    if (setting.texts.empty()) return false;
    return option.target.form != Form::kFlag || ParseBool(setting.texts.back()) != false;
  }

  static void Displace(Setting* setting) {
    setting->texts.clear();
    setting->displaced = true;
  }

  std::span<const Option> table_;
  CLI::App app_;
  std::vector<CLI::Option*> options_;  // as in the table
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

Settings Gather(std::span<const Option> table, std::span<const std::string> words,
                std::string_view stray, const Surroundings& surroundings) {
  Gatherer gatherer(table);
  gatherer.TakeArguments(words, stray);
  for (const char* name : {"help", "version"}) {
    if (!Find(table, gatherer.settings(), name).texts.empty()) return gatherer.settings();
  }
  gatherer.TakeVariables(surroundings);
  gatherer.TakeFile(surroundings);
  gatherer.SettleConflicts();
  return gatherer.settings();
}

const Setting& Find(std::span<const Option> table, const Settings& settings,
                    std::string_view name) {
  const auto found = std::ranges::find(table, name, &Option::name);
  return settings.of.at(static_cast<std::size_t>(found - table.begin()));
}

std::string StoreAll(std::span<const Option> table, const Settings& settings) {
  std::string first;
  for (std::size_t i = 0; i < table.size(); ++i) {
    for (const std::string& text : settings.of[i].texts) {
      const std::string wrong = table[i].target.store(text);
      if (!wrong.empty() && first.empty()) first = settings.of[i].where + ": " + wrong;
    }
  }
  return first;
}

}  // namespace pipedup::cli
