// Which pipedup this is.
#pragma once

#include <string>
#include <string_view>

namespace pipedup {

inline constexpr std::string_view kRelease = "0.1.0";

/// Version of the wire protocol. Source: src/wire/PROTOCOL.md.
inline constexpr int kProtocol = 1;

/// The libraries that the program runs with, one a line: "libzmq 4.3.4".
std::string LibraryVersions();

}  // namespace pipedup
