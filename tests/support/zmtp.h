// ZMTP 3.0 by hand (RFC 23 of ZeroMQ), for peers that do not keep to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pipedup::test {

inline constexpr std::size_t kZmtpGreetingBytes = 64;
inline constexpr unsigned kZmtpMore = 1;
inline constexpr unsigned kZmtpLong = 2;  ///< the length has 8 bytes
inline constexpr unsigned kZmtpCommand = 4;

std::string BigEndian(std::uint64_t value, int bytes);

/// Of a client of that security mechanism.
std::string ZmtpGreeting(std::string_view mechanism = "NULL");
/// With one byte of length if that is enough.
std::string ZmtpFrame(std::string_view body, unsigned flags = 0);
/// The frame of a command.
std::string ZmtpCommand(std::string_view name, std::string_view rest);
/// One property of a peer's metadata.
std::string ZmtpProperty(std::string_view name, std::string_view value);

}  // namespace pipedup::test
