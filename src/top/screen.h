// A full screen of lines, as the bytes that draw it. Pure. Source: ECMA-48, and xterm's
// private modes 25 (cursor) and 1049 (another screen), which every terminal of today knows.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pipedup::top {

/// Another screen without a cursor; what was shown before is back after the second.
inline constexpr std::string_view kEnterScreen = "\x1b[?1049h\x1b[?25l";
inline constexpr std::string_view kLeaveScreen = "\x1b[0m\x1b[?25h\x1b[?1049l";

/// Draws over what is there. `lines` are no wider than the screen; where they are more than
/// `rows`, the last one says how many are missing.
std::string Frame(const std::vector<std::string>& lines, std::size_t rows);

}  // namespace pipedup::top
