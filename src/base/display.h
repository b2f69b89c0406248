// Text from peers in the columns of a terminal. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pipedup {

/// `text` such that it cannot steer a terminal nor change what stands beside it: control
/// characters, what turns the direction of text, and what is no UTF-8 come out as \xNN or
/// \u{NNNN}. Without `utf8` (the terminal does not read it) all but ASCII does.
std::string Displayable(std::string_view text, bool utf8);

/// Columns that it takes: 2 for a wide character, 0 for one that joins the one before.
std::size_t DisplayColumns(std::string_view displayable);

/// As many of its characters as fit into `columns`; where some do not, the last column says so
/// ("…", or "~" without `utf8`).
std::string CutToColumns(std::string_view displayable, std::size_t columns, bool utf8);

}  // namespace pipedup
