// Text for people: escaping what a peer or user sent, and guessing what was meant. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace pipedup {

/// `text` with control characters and non-ASCII bytes as \xNN, so that it cannot steer a
/// terminal; at most `max` bytes of it, then "…".
std::string Escape(std::string_view text, std::size_t max = 200);

/// The candidate within two edits of `word`, or empty if none is near.
std::string_view Nearest(std::string_view word, std::span<const std::string_view> candidates);

/// `count` random bytes as lower-case hex, from the system's generator.
std::string RandomHex(std::size_t count);

/// A random number that is not 0, from the system's generator.
std::uint64_t RandomId();

/// 16 lower-case hex digits.
std::string Hex(std::uint64_t value);

}  // namespace pipedup
