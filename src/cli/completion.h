// Completions of a program's command line, as each shell wants them. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "pipedup/command_line.h"

namespace pipedup::cli {

/// What a shell can offer for the value of an option. It follows from the value's name, which
/// says the same to people.
enum class Offer : std::uint8_t {
  kNothing,    ///< what nobody can guess: SIZE, NAME
  kWords,      ///< those of ValueWords
  kFile,       ///< FILE, PREFIX
  kDirectory,  ///< DIRECTORY
  kCommand,    ///< COMMAND
  kGroup,      ///< GROUP
  kHost,       ///< ENDPOINT
};
Offer OfferOf(const Option& option);

/// For bash with bash-completion, to be found as completions/PROGRAM.
std::string BashCompletion(const Program& program, std::span<const Option> table);
/// For zsh, to be found as _PROGRAM.
std::string ZshCompletion(const Program& program, std::span<const Option> table);
/// For fish, to be found as PROGRAM.fish.
std::string FishCompletion(const Program& program, std::span<const Option> table);

}  // namespace pipedup::cli
