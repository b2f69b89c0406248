#include "cli/option_text.h"

#include <algorithm>
#include <sstream>

namespace pipedup::cli {

std::string ValueName(const Option& option) {
  std::string value = option.value;
  if (!value.empty()) return value;
  for (const std::string& word : option.target.words)
    value += (value.empty() ? "" : "|") + word;
  return value;
}

std::vector<std::string> ValueWords(const Option& option) {
  std::vector<std::string> words;
  std::istringstream alternatives(ValueName(option));
  for (std::string word; std::getline(alternatives, word, '|');) {
    const bool named = std::ranges::none_of(word, [](char c) { return c >= 'A' && c <= 'Z'; });
    if (named) words.push_back(word);
  }
  return words;
}

std::string Facts(const Option& option) {
  std::string facts;
  const auto add = [&](const std::string& fact) { facts += " [" + fact + "]"; };
  const std::string& shown =
      option.shown_default.empty() ? option.target.initial : option.shown_default;
  if (!shown.empty() && option.target.form != Target::Form::kFlag) add("default: " + shown);
  if (!option.target.range.empty()) add(option.target.range);
  if (option.target.form == Target::Form::kList) add("may be repeated");
  return facts;
}

}  // namespace pipedup::cli
