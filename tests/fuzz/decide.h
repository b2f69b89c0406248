// The real option tables, decided upon without a look at the system.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/decision.h"

namespace pipedup::fuzz {

enum class Which : std::uint8_t { kPub, kSub };

struct CommandLine {
  Which program = Which::kPub;
  std::vector<std::string> words = {};  ///< argv without the program
  std::map<std::string, std::string> variables = {};
  std::string file = {};  ///< what every --config names
};

/// Requires of what comes back what is so of any: a message where something is wrong, and
/// nothing but that.
cli::Decision DecideAs(const CommandLine& line);

/// Requires that the settings of a command line that is taken are printed as a config file that
/// is taken, and means the same.
void RequireRoundTrip(CommandLine line);

}  // namespace pipedup::fuzz
