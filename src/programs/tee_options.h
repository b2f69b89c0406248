// What pipedup-tee can be told. Plain values: the command line fills them in, nothing acts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipedup/command_line.h"

namespace pipedup {

struct TeeOptions {
  std::vector<std::string> commands;  ///< for `sh -c`; none is blank
  std::vector<std::string> files;     ///< of --output
  bool to_stdout = true;
  bool progress = false;
  bool force_progress = false;
  bool drop = false;                          ///< --slow drop
  std::optional<std::uint64_t> buffer_bytes;  ///< 1 MiB to 1 TiB; none: lockstep, as tee does
};

struct ParsedTee {
  cli::Parsed parsed;
  TeeOptions options;  ///< complete unless `parsed` has an exit status
};

/// Reads the command line of pipedup-tee, as cli::Parse does. `libraries`: see LibraryVersions.
ParsedTee ParseTeeOptions(int argc, const char* const* argv, const std::string& libraries);

}  // namespace pipedup
