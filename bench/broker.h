#pragma once
// What broker-pub and broker-sub share: the least that a client of redis' pub/sub or of core
// NATS has to say. Both protocols are words around a payload of known size, so a table of words
// is all the difference. As in bare_zmq.h, an empty message is the end of the stream.

#include <cstdint>
#include <string>
#include <string_view>

namespace pipedup::bench {

struct Dialect {
  std::string_view name;
  std::string_view hello;       ///< sent first
  std::string_view subscribe;   ///< sent by a subscriber ...
  std::string_view subscribed;  ///< ... and answered with this: nothing is missed from here on
  std::string_view publish;     ///< before "SIZE\r\nPAYLOAD\r\n" of a message sent ...
  std::string_view message;     ///< ... and of one received
};

/// Dies when there is no such dialect.
const Dialect& DialectNamed(const std::string& name);

/// A blocking connection to a server on this machine, without Nagle's delay. Dies when refused.
int ConnectLoopback(std::uint64_t port);

}  // namespace pipedup::bench
