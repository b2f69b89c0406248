// The words for true and false. Pure.
#pragma once

#include <optional>
#include <string_view>

namespace pipedup::cli {

/// 1, true, yes, on; 0, false, no, off; in any case. Nothing for anything else.
std::optional<bool> ParseBool(std::string_view text);

}  // namespace pipedup::cli
