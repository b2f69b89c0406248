// The two bound sockets of a publisher, on all its endpoints.
#pragma once

#include <string>
#include <vector>

#include "base/endpoint.h"
#include "net/socket.h"
#include "os/file.h"

namespace pipedup {

/// Binds PUB and ROUTER on each endpoint's pair. An ipc path is locked first (path.lock), so
/// that a path in use is never taken over, and the socket of a publisher that died is. What is
/// not a socket is left alone.
class Listener {
 public:
  /// Throws Error when an endpoint is taken or cannot be bound.
  Listener(Context& context, std::vector<Endpoint> endpoints, int send_high_water_mark);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  Socket& data() { return data_; }
  Socket& control() { return control_; }
  /// As bound: port 0 is replaced by the one that was found.
  const std::vector<Endpoint>& endpoints() const { return endpoints_; }

  /// Cuts off every connection of the data (control) socket, with all that is queued for it: a
  /// new socket takes its place. False if the address is not free yet: try again soon. Watches
  /// on the old socket must have been removed.
  bool RemakeData(int send_high_water_mark);
  bool RemakeControl();

 private:
  void BindPair(Endpoint& endpoint);

  Context& context_;
  std::vector<Endpoint> endpoints_;
  std::vector<FileLock> locks_;
  Socket data_;
  Socket control_;
};

}  // namespace pipedup
