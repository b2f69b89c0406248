#include "http/request.h"

#include <charconv>

#include "base/endpoint.h"
#include "base/text.h"

namespace pipedup::http {
namespace {

/// Digits and nothing else.
std::optional<std::uint64_t> ParseNumber(std::string_view text, int base = 10) {
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<From> ParseFrom(std::string_view text) {
  constexpr std::string_view kLast = "last:";
  if (text == "now") return From{From::Kind::kNow, 0};
  if (text == "start") return From{From::Kind::kStart, 0};
  const bool last = text.starts_with(kLast);
  if (last) text.remove_prefix(kLast.size());
  const std::optional<std::uint64_t> number = ParseNumber(text);
  if (!number) return std::nullopt;
  return From{last ? From::Kind::kLast : From::Kind::kPosition, *number};
}

std::optional<EventId> ParseEventId(std::string_view text) {
  const std::size_t at = text.find('@');
  const std::optional<std::uint64_t> position = ParseNumber(text.substr(0, at));
  if (!position) return std::nullopt;
  if (at == std::string_view::npos) return EventId{*position, std::nullopt};
  const std::optional<SessionId> session = ParseSession(text.substr(at + 1));
  if (!session) return std::nullopt;
  return EventId{*position, session};
}

std::string FormatEventId(Position position, SessionId session) {
  return std::to_string(position) + "@" + Hex(session);
}

std::optional<SessionId> ParseSession(std::string_view text) {
  constexpr std::size_t kDigits = 16;
  if (text.size() != kDigits) return std::nullopt;
  const std::optional<std::uint64_t> session = ParseNumber(text, 16);
  return session == 0 ? std::nullopt : session;
}

bool IsLocalHost(std::string_view host) {
  std::string why;
  const std::optional<Endpoint> endpoint = ParseEndpoint(host, &why);
  return endpoint && endpoint->kind == Endpoint::Kind::kTcp && !host.starts_with("tcp://") &&
         !host.starts_with(':') && endpoint->IsLocal();
}

std::optional<std::string_view> BearerToken(std::string_view header) {
  constexpr std::string_view kScheme = "bearer ";
  if (header.size() < kScheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = header[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != kScheme[i]) {
      return std::nullopt;
    }
  }
  header.remove_prefix(kScheme.size());
  while (header.starts_with(' ')) header.remove_prefix(1);
  return header;
}

bool SameToken(std::string_view given, std::string_view token) {
  auto different = static_cast<unsigned char>(given.size() != token.size() || token.empty());
  for (std::size_t i = 0; i < given.size(); ++i) {
    const char right = token.empty() ? '\0' : token[i % token.size()];
    different = static_cast<unsigned char>(different | (given[i] ^ right));
  }
  return different == 0;
}

}  // namespace pipedup::http
