// A TCP socket that listens, for what is not ZeroMQ's.
#pragma once

#include <cstdint>
#include <string>

#include "os/fd.h"

namespace pipedup {

struct ListeningSocket {
  UniqueFd fd;             ///< never blocks
  std::uint16_t port = 0;  ///< as bound: 0 was replaced by the one that was found
};

/// `host`: an address, a name, or "*" for all addresses of both families. Connections that are
/// accepted from it are looked after by TCP keepalive. Throws Error.
ListeningSocket ListenOn(const std::string& host, std::uint16_t port);

}  // namespace pipedup
