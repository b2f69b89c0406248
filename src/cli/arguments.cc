#include "cli/arguments.h"

#include <algorithm>

#include "base/text.h"

namespace pipedup::cli {
namespace {

bool TakesValue(const Option& option) {
  return option.target.form != Target::Form::kFlag;
}

class Reader {
 public:
  Reader(std::span<const Option> table, std::span<const std::string> words,
         std::string_view stray)
      : table_(table), words_(words), stray_(stray) {}

  Arguments Read() {
    while (next_ < words_.size() && result_.wrong.empty()) {
      const std::string& word = words_[next_++];
      if (word == "--") {
        result_.command.emplace(words_.begin() + static_cast<std::ptrdiff_t>(next_),
                                words_.end());
        break;
      }
      if (word.starts_with("--")) {
        Long(std::string_view(word).substr(2));
      } else if (word.size() > 1 && word[0] == '-') {
        Letters(std::string_view(word).substr(1));
      } else {
        Positional(word);
      }
    }
    return std::move(result_);
  }

 private:
  void Long(std::string_view text) {
    const std::size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    const auto found = std::ranges::find_if(table_, [&](const Option& option) {
      return option.name == name && !option.positional;
    });
    const std::string spelled = "--" + std::string(name);
    if (found == table_.end()) {
      result_.wrong = "--" + Escape(name) + ": unknown option" + Suggestion(table_, name, "--");
    } else if (equals != std::string_view::npos) {
      Add(*found, spelled, std::string(text.substr(equals + 1)));
    } else if (TakesValue(*found)) {
      AddNextWord(*found, spelled);
    } else {
      Add(*found, spelled, "true");
    }
  }

  void Letters(std::string_view text) {
    while (!text.empty() && result_.wrong.empty()) {
      const char letter = text[0];
      text.remove_prefix(1);
      const auto found = std::ranges::find(table_, letter, &Option::letter);
      const std::string spelled = std::string("-") + letter;
      if (found == table_.end()) {
        result_.wrong = Escape(spelled) + ": unknown option";
      } else if (!TakesValue(*found)) {
        Add(*found, spelled, "true");
      } else if (text.empty()) {
        AddNextWord(*found, spelled);
      } else {
        Add(*found, spelled, std::string(text));
        text = {};
      }
    }
  }

  void Positional(const std::string& word) {
    const auto found = std::ranges::find(table_, true, &Option::positional);
    const bool taken = found != table_.end() &&
                       (!seen_positional_ || found->target.form == Target::Form::kList);
    if (!taken) {
      const bool explained = found != table_.end() && !found->too_many.empty();
      result_.wrong = Quote(word) + ": " + (explained ? found->too_many : std::string(stray_));
    } else {
      seen_positional_ = true;
      Add(*found, found->name, word);
    }
  }

  void AddNextWord(const Option& option, const std::string& spelled) {
    if (next_ == words_.size() || words_[next_] == "--") {
      result_.wrong = Label(option) + ": a value is missing";
      return;
    }
    Add(option, spelled, words_[next_++]);
  }

  void Add(const Option& option, std::string spelled, std::string text) {
    result_.given.push_back({static_cast<std::size_t>(&option - table_.data()),
                             std::move(spelled), std::move(text)});
  }

  std::span<const Option> table_;
  std::span<const std::string> words_;
  std::string_view stray_;
  std::size_t next_ = 0;
  bool seen_positional_ = false;
  Arguments result_;
};

}  // namespace

Arguments ReadArguments(std::span<const Option> table, std::span<const std::string> words,
                        std::string_view stray) {
  return Reader(table, words, stray).Read();
}

std::string Label(const Option& option) {
  return (option.positional ? "" : "--") + option.name;
}

std::string Suggestion(std::span<const Option> table, std::string_view name,
                       std::string_view prefix) {
  std::vector<std::string_view> names;
  for (const Option& option : table) {
    // A positional option has a variable and a key in the config file, but no name to type.
    if (!option.positional || prefix.empty()) names.push_back(option.name);
  }
  const std::string_view nearest = Nearest(name, names);
  if (nearest.empty()) return "";
  return " (did you mean " + std::string(prefix) + std::string(nearest) + "?)";
}

}  // namespace pipedup::cli
