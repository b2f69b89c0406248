// Words of a command line, sorted by the options they belong to. Pure: nothing is stored.
//
// Not CLI11 (2.1.2): it splits the value "[::1]" at its brackets, takes the next word for the
// value in `--stream=`, and ends with its own statuses and its own texts.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipedup/command_line.h"

namespace pipedup::cli {

/// One option as it was given.
struct Given {
  std::size_t option = 0;  ///< index in the table
  std::string spelled;     ///< "-h", "--help"; the name for positional ones
  std::string text;        ///< "true" for a flag without a value
};

struct Arguments {
  std::vector<Given> given;  ///< in order; those before the fault if there was one
  std::optional<std::vector<std::string>> command;  ///< what follows the first "--"
  std::string wrong;                                ///< "" or what is wrong
};

/// `--name VALUE`, `--name=VALUE`, `-n VALUE`, `-nVALUE`, `-abc` for flags. The word after an
/// option that takes a value is its value, whatever it begins with. Options and positional
/// values may come in any order; "-" is a positional value. `stray` is said of one that no
/// option takes.
[[nodiscard]] Arguments ReadArguments(std::span<const Option> table,
                                      std::span<const std::string> words,
                                      std::string_view stray);

/// "retain" as it is called in messages: "--retain", or the bare name if it is positional.
std::string Label(const Option& option);

/// " (did you mean --retain?)", or "" if no name in the table is near. `prefix` stands before
/// the name that is proposed.
std::string Suggestion(std::span<const Option> table, std::string_view name,
                       std::string_view prefix);

}  // namespace pipedup::cli
