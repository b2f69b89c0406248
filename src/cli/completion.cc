#include "cli/completion.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "cli/option_text.h"

namespace pipedup::cli {
namespace {

bool TakesValue(const Option& option) {
  return option.target.form != Target::Form::kFlag;
}

std::string Joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

/// "pipedup-pub" -> "_pipedup_pub".
std::string FunctionName(const Program& program) {
  std::string name = "_" + program.name;
  std::ranges::replace(name, '-', '_');
  return name;
}

/// The summary as a label: without its final stop.
std::string Label(const Option& option) {
  std::string label = option.summary;
  if (label.ends_with('.')) label.pop_back();
  return label;
}

/// `text`, with a backslash before each of `special`.
std::string Escaped(std::string_view text, std::string_view special) {
  std::string out;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

/// `text` in single quotes, for bash and zsh.
std::string Quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

const Option* Positional(std::span<const Option> table) {
  const auto found = std::ranges::find_if(table, &Option::positional);
  return found == table.end() ? nullptr : &*found;
}

/// A command; "" if nothing is offered.
std::string BashOffer(const Option& option) {
  switch (OfferOf(option)) {
    case Offer::kNothing:
      break;
    case Offer::kWords:
      return "COMPREPLY=($(compgen -W " + Quoted(Joined(ValueWords(option))) + " -- \"$cur\"))";
    case Offer::kFile:
      return "_filedir";
    case Offer::kDirectory:
      return "_filedir -d";
    case Offer::kCommand:
      return "COMPREPLY=($(compgen -c -- \"$cur\"))";
    case Offer::kGroup:
      return "COMPREPLY=($(compgen -g -- \"$cur\"))";
    case Offer::kHost:
      return "_known_hosts_real -- \"$cur\"";
  }
  return "";
}

/// The arms of `case $prev`: one for all options whose values are completed alike.
std::string BashValues(std::span<const Option> table) {
  std::map<std::string, std::string> options_of;  // by what is offered
  for (const Option& option : table) {
    if (option.positional || !TakesValue(option)) continue;
    std::string& options = options_of[BashOffer(option)];
    options += (options.empty() ? "--" : " | --") + option.name;
    if (option.letter != 0) options += std::string(" | -") + option.letter;
  }
  std::string out;
  for (const auto& [offer, options] : options_of) {
    out += "    " + options + ")\n";
    if (!offer.empty()) out += "      " + offer + "\n";
    out += "      return\n      ;;\n";
  }
  return out;
}

std::string ZshOffer(const Option& option) {
  switch (OfferOf(option)) {
    case Offer::kNothing:
      return " ";
    case Offer::kWords:
      return "(" + Joined(ValueWords(option)) + ")";
    case Offer::kFile:
      return "_files";
    case Offer::kDirectory:
      return "_files -/";
    case Offer::kCommand:
      return "_command_names -e";
    case Offer::kGroup:
      return "_groups";
    case Offer::kHost:
      return "_hosts";
  }
  return " ";
}

/// One argument of _arguments: '(-s --stream)'{-s+,--stream=}'[Name]:NAME: '.
std::string ZshArgument(const Option& option) {
  const std::string value = ":" + Escaped(ValueName(option), ":\\") + ":" + ZshOffer(option);
  const bool list = option.target.form == Target::Form::kList;
  if (option.positional) return Quoted((list ? "*" : "") + value);

  const std::string letter = option.letter == 0 ? "" : std::string("-") + option.letter;
  const std::string name = "--" + option.name;
  const std::string rest = "[" + Escaped(Label(option), "[]\\") + "]";
  // The same option is not offered twice, unless twice means something.
  std::string once = list ? "*" : "(" + (letter.empty() ? "" : letter + " ") + name;
  if (!list && !option.conflicts.empty()) once += " --" + option.conflicts;
  if (!list) once += ")";
  std::string spellings = TakesValue(option) ? name + "=" : name;
  if (!letter.empty()) {
    spellings = "{" + letter + (TakesValue(option) ? "+," : ",") + spellings + "}";
  }
  return Quoted(once) + spellings + Quoted(TakesValue(option) ? rest + value : rest);
}

/// The value part of a line of fish's `complete`. -x: no file names beside what is offered.
std::string FishOffer(const Option& option) {
  switch (OfferOf(option)) {
    case Offer::kNothing:
      return "-x";
    case Offer::kWords:
      return "-x -a '" + Joined(ValueWords(option)) + "'";
    case Offer::kFile:
      return "-r -F";
    case Offer::kDirectory:
      return "-x -a '(__fish_complete_directories)'";
    case Offer::kCommand:
      return "-x -a '(__fish_complete_command)'";
    case Offer::kGroup:
      return "-x -a '(__fish_complete_groups)'";
    case Offer::kHost:
      return "-x -a '(__fish_print_hostnames)'";
  }
  return "-x";
}

}  // namespace

Offer OfferOf(const Option& option) {
  static constexpr std::array<std::pair<std::string_view, Offer>, 6> kOffers = {{
      {"FILE", Offer::kFile},
      {"PREFIX", Offer::kFile},
      {"DIRECTORY", Offer::kDirectory},
      {"COMMAND", Offer::kCommand},
      {"GROUP", Offer::kGroup},
      {"ENDPOINT", Offer::kHost},
  }};
  if (!ValueWords(option).empty()) return Offer::kWords;
  for (const auto& [name, offer] : kOffers) {
    if (option.value == name) return offer;
  }
  return Offer::kNothing;
}

std::string BashCompletion(const Program& program, std::span<const Option> table) {
  const std::string function = FunctionName(program);
  std::string out = "# bash completion for " + program.name + "\n\n" + function + "() {\n";
  out +=
      "  local cur prev words cword split\n"
      "  _init_completion -s -n : || return\n";
  if (program.command != nullptr) {
    out +=
        "  local i\n"
        "  for ((i = 1; i < cword; i++)); do\n"
        "    if [[ ${words[i]} == -- ]]; then\n"
        "      _command_offset $((i + 1))\n"
        "      return\n"
        "    fi\n"
        "  done\n";
  }
  std::string names;
  for (const Option& option : table) {
    if (!option.positional) names += (names.empty() ? "--" : " --") + option.name;
  }
  out += "  case $prev in\n" + BashValues(table) +
         "  esac\n"
         "  $split && return\n"
         "  if [[ $cur == -* ]]; then\n"
         "    COMPREPLY=($(compgen -W " +
         Quoted(names) + " -- \"$cur\"))\n";
  const Option* positional = Positional(table);
  if (positional != nullptr && OfferOf(*positional) != Offer::kNothing) {
    out += "  else\n    " + BashOffer(*positional) + "\n";
  }
  return out + "  fi\n}\ncomplete -F " + function + " " + program.name + "\n";
}

std::string ZshCompletion(const Program& program, std::span<const Option> table) {
  std::string out = "#compdef " + program.name + "\n\n";
  if (program.command != nullptr) {
    out +=
        "local -i dashes=${words[(i)--]}\n"
        "if (( dashes < CURRENT )); then\n"
        "  shift $dashes words\n"
        "  (( CURRENT -= dashes ))\n"
        "  _normal\n"
        "  return\n"
        "fi\n";
  }
  out += "_arguments -s -S";
  for (const Option& option : table) out += " \\\n  " + ZshArgument(option);
  return out + "\n";
}

std::string FishCompletion(const Program& program, std::span<const Option> table) {
  const std::string start = "complete -c " + program.name;
  const std::string behind_dashes = " -n 'contains -- -- (commandline -opc)'";
  std::string out = "# fish completion for " + program.name + "\n\n" + start + " -f\n";
  if (program.command != nullptr) {
    out += start + behind_dashes + " -F -a '(__fish_complete_command)'\n";
  }
  for (const Option& option : table) {
    out += start;
    if (option.positional) {
      const std::string offer = FishOffer(option);
      if (program.command != nullptr) out += " -n 'not contains -- -- (commandline -opc)'";
      if (offer.starts_with("-x ")) out += offer.substr(2);
    } else {
      if (option.letter != 0) out += std::string(" -s ") + option.letter;
      out += " -l " + option.name;
      if (TakesValue(option)) out += " " + FishOffer(option);
    }
    out += " -d '" + Escaped(Label(option), "'\\") + "'\n";
  }
  return out;
}

}  // namespace pipedup::cli
