// What a command line comes to, before anything is printed. Pure, given its surroundings; the
// values of the options go where their targets say.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "cli/settings.h"
#include "pipedup/command_line.h"

namespace pipedup::cli {

struct Decision {
  std::optional<int> exit_status;  ///< not set: run
  std::string out;                 ///< for stdout
  std::string wrong;               ///< for stderr: one line, without the program's name
  ReporterOptions reporter;
  bool color = false;  ///< of what goes to stdout
};

/// `words` is argv without the program.
[[nodiscard]] Decision Decide(const Program& program, std::span<const std::string> words,
                              const Surroundings& surroundings);

}  // namespace pipedup::cli
