// What a request may say: where to begin, which event was the last, which host it means. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipedup/types.h"

namespace pipedup::http {

/// The parameter `from`.
struct From {
  enum class Kind : std::uint8_t {
    kNow,       ///< where the unfinished record begins
    kStart,     ///< at the first record that is kept
    kPosition,  ///< at `value`
    kLast,      ///< at the last `value` records
  };
  Kind kind = Kind::kNow;
  std::uint64_t value = 0;
  bool operator==(const From&) const = default;
};

/// "now", "start", a position, or "last:N". Nothing if it is none of them.
std::optional<From> ParseFrom(std::string_view text);

/// The id of an event: every byte before `position` has been delivered, or reported lost.
struct EventId {
  Position position = 0;
  std::optional<SessionId> session = {};  ///< nothing: the one there is
  bool operator==(const EventId&) const = default;
};

/// "1234@1f2e3d4c5b6a7988", and of other clients also "1234". Nothing if it is neither.
std::optional<EventId> ParseEventId(std::string_view text);
std::string FormatEventId(Position position, SessionId session);

/// 16 hex digits, as sessions are shown everywhere. Nothing if it is none, or 0.
std::optional<SessionId> ParseSession(std::string_view text);

/// Whether a header `Host` means this machine, as whoever is here would name it: localhost or a
/// loopback address, with a port or without. A page of somebody else's that has made its own
/// name point here says another one.
bool IsLocalHost(std::string_view host);

/// The token of "Bearer TOKEN"; nothing if `header` is something else.
std::optional<std::string_view> BearerToken(std::string_view header);

/// Takes as long whatever is different; the length of `given` alone shows.
bool SameToken(std::string_view given, std::string_view token);

}  // namespace pipedup::http
