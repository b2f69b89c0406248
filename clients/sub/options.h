// What pipedup-sub can be told.
#pragma once

#include <pipedup/command_line.h>
#include <pipedup/subscriber.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What the command line has, where SubscriberOptions has one member for two options.
struct Line {
  pipedup::SubscriberOptions options;
  std::vector<std::string> endpoints;
  std::optional<std::uint64_t> last;
  std::optional<std::chrono::nanoseconds> give_up;
};

/// The table of options, which fills in `*to`.
pipedup::cli::Program SubProgram(Line* to);
