// Endpoints as people type them, and the pair of sockets that each one stands for. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pipedup {

inline constexpr std::uint16_t kDefaultPort = 5590;

/// A data endpoint; the control endpoint follows from it (port + 1, or path + ".ctl").
/// Source: src/wire/PROTOCOL.md, "Endpoints".
struct Endpoint {
  enum class Kind : std::uint8_t { kTcp, kIpc, kNats };
  Kind kind = Kind::kTcp;
  std::string host;  ///< tcp: name or address, without brackets; "*" is every address
  std::uint16_t port = kDefaultPort;  ///< tcp: of the data socket; 0 asks for any free pair
  std::string path;                   ///< ipc: absolute path of the data socket; nats: the log
  std::vector<std::string> servers = {};  ///< nats: "host" or "host:port" each; no sockets

  std::string data() const;     ///< "tcp://127.0.0.1:5590", "ipc:///run/x"
  std::string control() const;  ///< "tcp://127.0.0.1:5591", "ipc:///run/x.ctl"

  /// Reachable from this machine only: loopback or ipc.
  bool IsLocal() const;
  /// Its addresses have to be looked up, and may be of either family.
  bool IsName() const;
  bool IsIpv6() const { return host.find(':') != std::string::npos; }
  bool operator==(const Endpoint&) const = default;
};

/// Reads `host`, `host:port`, `:port`, `*:port`, `[::1]:port`, `tcp://…`, `ipc:///path`. An
/// empty host is 127.0.0.1. Port 65535 is refused (the control port would not exist), and so is
/// an ipc path too long for a socket address. On failure returns nothing and says why in
/// `*why`.
std::optional<Endpoint> ParseEndpoint(std::string_view text, std::string* why);

/// The same, or `nats://host,host:port,…/NAME`: where a stream is read, or a journal is kept.
std::optional<Endpoint> ParseSource(std::string_view text, std::string* why);

}  // namespace pipedup
