#include "base/endpoint.h"

#include <algorithm>
#include <charconv>

namespace pipedup {
namespace {

constexpr std::size_t kMaxLogName = 128;
constexpr std::size_t kMaxIpcPath = 100;  // sun_path has 108 bytes; ".ctl" and NUL must fit

bool IsHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         c == '.' || c == '-' || c == '_';
}

std::optional<Endpoint> Fail(std::string* why, std::string text) {
  *why = std::move(text);
  return std::nullopt;
}

std::optional<Endpoint> ParseTcp(std::string_view text, std::string* why) {
  Endpoint endpoint;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return Fail(why, "an IPv6 address ends with ']'");
    endpoint.host = text.substr(1, close - 1);
    for (const char c : endpoint.host) {
      const bool hex =
          (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
      if (!hex && c != ':' && c != '.' && c != '%' && !IsHostCharacter(c)) {
        return Fail(why, "not an IPv6 address");
      }
    }
    if (endpoint.host.find(':') == std::string::npos) return Fail(why, "not an IPv6 address");
    text.remove_prefix(close + 1);
    if (!text.empty() && text[0] != ':') return Fail(why, "after ']' comes ':port' or nothing");
    has_port = !text.empty();
    if (has_port) port = text.substr(1);
  } else {
    const std::size_t colon = text.find(':');
    if (colon != std::string_view::npos &&
        text.find(':', colon + 1) != std::string_view::npos) {
      return Fail(why, "an IPv6 address is written in brackets: [::1]:5590");
    }
    endpoint.host = text.substr(0, colon);
    has_port = colon != std::string_view::npos;
    if (has_port) port = text.substr(colon + 1);
    for (const char c : endpoint.host) {
      if (!IsHostCharacter(c) && endpoint.host != "*") return Fail(why, "not a host name");
    }
  }
  if (endpoint.host.empty()) endpoint.host = "127.0.0.1";
  if (has_port) {
    const auto [end, error] =
        std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (error != std::errc() || end != port.data() + port.size() || port.empty()) {
      return Fail(why, "a port is a number from 1 to 65534");
    }
    if (endpoint.port == 65535) {
      return Fail(why, "a port is a number from 1 to 65534: the next one is the control port");
    }
  }
  return endpoint;
}

std::optional<Endpoint> ParseNats(std::string_view text, std::string* why) {
  Endpoint endpoint;
  endpoint.kind = Endpoint::Kind::kNats;
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    return Fail(why, "the name of the stream is missing: nats://HOST,HOST/NAME");
  }
  endpoint.path = text.substr(slash + 1);
  const bool sound =
      std::ranges::all_of(endpoint.path, [](char c) { return IsHostCharacter(c) && c != '.'; });
  if (endpoint.path.empty() || endpoint.path.size() > kMaxLogName || !sound) {
    return Fail(why, "a stream of NATS is 1 to 128 letters, digits, '_' or '-'");
  }
  text = text.substr(0, slash);
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view server = text.substr(0, comma);
    const auto parsed = server.empty() ? std::nullopt : ParseTcp(server, why);
    if (!parsed || parsed->host == "*" || parsed->port == 0) {
      return Fail(why, server.empty() ? "a server is missing: nats://HOST,HOST/NAME"
                                      : "'" + std::string(server) + "' is not a server");
    }
    endpoint.servers.emplace_back(server);
    if (comma == std::string_view::npos) return endpoint;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

std::string Endpoint::data() const {
  if (kind == Kind::kIpc) return "ipc://" + path;
  if (kind == Kind::kNats) {
    std::string text = "nats://";
    for (const std::string& server : servers) {
      text += (text.ends_with('/') ? "" : ",") + server;
    }
    return text + "/" + path;
  }
  const bool v6 = host.find(':') != std::string::npos;
  return "tcp://" + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string Endpoint::control() const {
  if (kind == Kind::kNats) return data();
  Endpoint other = *this;
  if (kind == Kind::kIpc) {
    other.path += ".ctl";
  } else {
    other.port = static_cast<std::uint16_t>(port + 1);
  }
  return other.data();
}

bool Endpoint::IsName() const {
  return kind == Kind::kTcp && !IsIpv6() &&
         host.find_first_not_of("0123456789.") != std::string::npos;
}

bool Endpoint::IsLocal() const {
  if (kind == Kind::kIpc) return true;
  if (host == "localhost" || host == "::1") return true;
  // 127.0.0.0/8, written as an address: a name like 127.example.org is somebody else's.
  if (!host.starts_with("127.")) return false;
  return host.find_first_not_of("0123456789.") == std::string::npos;
}

std::optional<Endpoint> ParseEndpoint(std::string_view text, std::string* why) {
  if (text.empty()) return Fail(why, "it is empty");
  if (text.starts_with("ipc://")) {
    Endpoint endpoint;
    endpoint.kind = Endpoint::Kind::kIpc;
    endpoint.path = text.substr(6);
    if (!endpoint.path.starts_with('/'))
      return Fail(why, "an ipc path is absolute: ipc:///path");
    if (endpoint.path.size() > kMaxIpcPath) {
      return Fail(why, "an ipc path has at most " + std::to_string(kMaxIpcPath) + " bytes");
    }
    if (endpoint.path.find('\0') != std::string::npos || endpoint.path.ends_with('/')) {
      return Fail(why, "not a path of a socket");
    }
    return endpoint;
  }
  if (text.starts_with("tcp://")) {
    text.remove_prefix(6);
    if (text.empty()) return Fail(why, "tcp:// needs a host");
  } else if (text.find("://") != std::string_view::npos) {
    return Fail(why, "only tcp:// and ipc:// are known");
  }
  return ParseTcp(text, why);
}

std::optional<Endpoint> ParseSource(std::string_view text, std::string* why) {
  constexpr std::string_view kScheme = "nats://";
  if (text.starts_with(kScheme)) return ParseNats(text.substr(kScheme.size()), why);
  return ParseEndpoint(text, why);
}

}  // namespace pipedup
