// Stands between libzmq and the kernel: descriptors never run out, and no connection can make
// the process hold more than a little.
#pragma once

#include "os/connections.h"

namespace pipedup {

/// The limits of this program's connections. libzmq 4.3.4 has none of them: without descriptors
/// it spins (tcp) or aborts (ipc), a message that never ends is kept to the end of memory, and
/// a peer that subscribes faster than the subscriptions are taken in stops the whole socket.
///
/// So this program defines accept, accept4, socket and recv itself, and the dynamic linker
/// takes these in place of libc's for libzmq too. They do what libc's do, and
/// - close at once a connection whose descriptor is among the last ones that the process may
///   have. (The number of a new descriptor is the lowest that is free, and so is a gauge);
/// - cut off a connection that has sent too much: see kMostUnheard, kDataBurst.
///
/// One per process, made when the limit of descriptors has been raised and before the first
/// socket; lives to the end of the process.
class ConnectionGuard final : public Connections {
 public:
  /// Throws Error if there is no descriptor left already.
  static ConnectionGuard& Install();

  void SetEndpoints(const std::vector<Endpoint>& endpoints) override;
  void Heard(int descriptor) override;
  void Cut(int descriptor) override;
  ConnectionCounters counters() const override;

 private:
  ConnectionGuard() = default;
};

}  // namespace pipedup
