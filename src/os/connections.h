// Single connections of a publisher's sockets: ROUTER and PUB cannot let go of one, a program
// can.
#pragma once

#include <cstdint>
#include <vector>

#include "base/endpoint.h"

namespace pipedup {

struct ConnectionCounters {
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  ///< closed at once: no descriptors were left for it
  std::uint64_t cut = 0;      ///< closed because of what it sent
};

/// What a publisher's connections are held to. Source: src/wire/PROTOCOL.md, "Limits".
class Connections {
 public:
  virtual ~Connections() = default;
  /// Once, when they are bound: which of the listeners are data sockets.
  virtual void SetEndpoints(const std::vector<Endpoint>& endpoints) = 0;
  /// A whole message came over the connection with this descriptor; -1: nobody knows which.
  virtual void Heard(int descriptor) = 0;
  /// Closes the connection soon. The peer may connect again.
  virtual void Cut(int descriptor) = 0;
  virtual ConnectionCounters counters() const = 0;
};

}  // namespace pipedup
