// What pipedup-top can be told. Plain values: the command line fills them in, nothing acts.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/endpoint.h"
#include "pipedup/command_line.h"
#include "top/health.h"
#include "top/view.h"

namespace pipedup {

struct TopOptions {
  std::vector<Endpoint> endpoints;  ///< at least one, none twice
  std::string streams = "*";        ///< a name, or a pattern of names
  std::chrono::nanoseconds interval = std::chrono::seconds(1);
  std::chrono::nanoseconds timeout = std::chrono::seconds(2);  ///< of an answer
  bool once = false;
  bool json = false;
  bool check = false;
  top::Sort sort = top::Sort::kLag;
  top::HealthBounds bounds;
  std::string server_key;    ///< file, "": none
  std::string curve_secret;  ///< likewise
};

struct ParsedTop {
  cli::Parsed parsed;
  TopOptions options;  ///< complete unless `parsed` has an exit status
};

/// Reads the command line of pipedup-top, as cli::Parse does. `libraries`: see LibraryVersions.
ParsedTop ParseTopOptions(int argc, const char* const* argv, const std::string& libraries);

}  // namespace pipedup
