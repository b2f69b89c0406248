// What pipedup-sub can be told.
#pragma once

#include <pipedup/command_line.h>
#include <pipedup/subscribe.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What the command line has, where SubscribeOptions has one member for two options.
struct Line {
  pipedup::SubscribeOptions options;
  std::vector<std::string> endpoints;
  std::optional<std::uint64_t> last;
  std::optional<std::chrono::nanoseconds> give_up;
};

/// The table of options, which fills in `*to`.
pipedup::cli::Program SubProgram(Line* to);
