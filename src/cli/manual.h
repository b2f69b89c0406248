// What the table has for a manual page, in the language of scdoc(5). Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "pipedup/command_line.h"

namespace pipedup::cli {

/// The sections OPTIONS and EXIT STATUS; the others are prose, and written by hand
/// (docs/man).
std::string ManualText(const Program& program, std::span<const Option> table);

/// `text` such that scdoc shows it as it is.
std::string EscapeForManual(std::string_view text);

}  // namespace pipedup::cli
