// The HTTP server: libmicrohttpd, wired to the routes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/units.h"
#include "http/hub.h"
#include "http/routes.h"
#include "os/fd.h"

namespace pipedup::http {

struct ServerOptions {
  UniqueFd listener;                                  ///< see os/listen.h
  std::uint32_t most_connections = 0;                 ///< at a time: see Exchanges
  Duration request_limit = std::chrono::seconds(15);  ///< for all of one
  RoutesOptions routes = {};
  /// Told of the descriptor of each connection that has made a request.
  std::function<void(int descriptor)> on_request;
};

/// Two threads for any number of connections: libmicrohttpd's, which does all the work, and the
/// one of Waiters. Neither touches anything of the loop's but the Hub. The include of
/// <microhttpd.h> stays in here.
class Server {
 public:
  /// Serves at once, until it is destroyed; then all connections are closed. Throws Error.
  Server(Hub& hub, ServerOptions options);
  ~Server();
  /// See Routes. Any thread.
  void SetToken(Secret token);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  class Implementation;
  const std::unique_ptr<Implementation> implementation_;
};

}  // namespace pipedup::http
