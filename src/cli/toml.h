// The part of TOML that a flat list of settings needs. Pure.
//
// Read: `name = value` lines, where a value is text ("..." or '...'), a whole or decimal
// number, true, false, or an array of these (which may go over several lines); comments.
// Everything else of TOML (tables, dates, multi-line text) is an error that says so. Not
// CLI11's reader: it cuts values at '#', splits unquoted ones at spaces and passes over what it
// does not understand.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pipedup::cli {

struct TomlEntry {
  std::string name;
  std::vector<std::string> values;  ///< numbers and booleans as they were written
  bool array = false;
  std::size_t line = 0;  ///< first line is 1
};

struct TomlFile {
  std::vector<TomlEntry> entries;  ///< in order; no name comes twice
  std::string wrong;               ///< "" or what is wrong
  std::size_t line = 0;            ///< where that is
};

[[nodiscard]] TomlFile ReadToml(std::string_view text);

/// `text` as a TOML basic string, quotes included.
std::string TomlQuote(std::string_view text);

}  // namespace pipedup::cli
