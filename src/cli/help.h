// Texts made from the option table: help, version, effective settings. Pure.
#pragma once

#include <span>
#include <string>

#include "cli/settings.h"
#include "pipedup/command_line.h"

namespace pipedup::cli {

/// At most 80 columns. Short (-h): a line or two for each option; long (--help): all there is
/// to say.
std::string HelpText(const Program& program, std::span<const Option> table, bool everything);

std::string VersionText(const Program& program);

/// The effective settings as TOML that --config reads back, with the source of each.
std::string SettingsText(const Program& program, std::span<const Option> table,
                         const Settings& settings);

}  // namespace pipedup::cli
