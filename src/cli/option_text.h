// What can be said of an option from its record alone, for help, manual and completions. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipedup/command_line.h"

namespace pipedup::cli {

/// What stands for the value: "SIZE", "drop|wait"; "" for a flag.
std::string ValueName(const Option& option);

/// The values that can be named: of "never|DURATION|always", never and always. What is in
/// capitals stands for something else.
std::vector<std::string> ValueWords(const Option& option);

/// Default, range and repetition, each as " [...]".
std::string Facts(const Option& option);

/// How an option is set other than by a flag: for the end of every list of options.
inline constexpr std::string_view kOtherWays =
    "Every option can be set by a variable, PIPEDUP_ and its name in capitals "
    "(PIPEDUP_LOG_FORMAT=json), and in a config file (log-format = \"json\"). A flag "
    "counts before a variable, and a variable before the file. --NAME=no unsets what "
    "has no value. In a variable, spaces separate the values of an option that may be "
    "repeated.";

}  // namespace pipedup::cli
