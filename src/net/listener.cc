#include "net/listener.h"

#include <charconv>
#include <optional>
#include <utility>

#include "base/error.h"

namespace pipedup {
namespace {

constexpr int kPortAttempts = 100;

bool NeedsIpv6(const Endpoint& endpoint) {
  return endpoint.host.find(':') != std::string::npos || endpoint.host == "*";
}

std::uint16_t PortOf(const std::string& endpoint) {
  const std::size_t colon = endpoint.rfind(':');
  std::uint16_t port = 0;
  std::from_chars(endpoint.data() + colon + 1, endpoint.data() + endpoint.size(), port);
  return port;
}

/// libzmq removes whatever is in the way of a socket.
void RequireRoom(const Endpoint& endpoint) {
  for (const std::string& path : {endpoint.path, endpoint.path + ".ctl"}) {
    if (!IsOtherThanSocket(path)) continue;
    RemoveFile(endpoint.path + ".lock");
    throw Error("bind '" + endpoint.data() + "': there is something at " + path +
                " that is not a socket");
  }
}

}  // namespace

Listener::Listener(Context& context, std::vector<Endpoint> endpoints, int send_high_water_mark)
    : context_(context),
      endpoints_(std::move(endpoints)),
      data_(Socket::Pub(context, send_high_water_mark)),
      control_(Socket::Router(context)) {
  for (Endpoint& endpoint : endpoints_) {
    if (endpoint.kind == Endpoint::Kind::kIpc) {
      std::string why;
      auto lock = FileLock::TryAcquire(endpoint.path + ".lock", &why);
      if (!lock) throw Error("bind '" + endpoint.data() + "': " + why);
      locks_.push_back(std::move(*lock));
      RequireRoom(endpoint);
    }
    BindPair(endpoint);
  }
}

Listener::~Listener() {
  data_.Close();
  control_.Close();
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.kind != Endpoint::Kind::kIpc) continue;
    RemoveFile(endpoint.path);
    RemoveFile(endpoint.path + ".ctl");
    RemoveFile(endpoint.path + ".lock");  // last: from here on it is another's
  }
}

void Listener::BindPair(Endpoint& endpoint) {
  if (endpoint.host == "localhost") endpoint.host = "127.0.0.1";  // libzmq binds to no names
  const bool ipv6 = NeedsIpv6(endpoint);
  if (endpoint.kind == Endpoint::Kind::kIpc || endpoint.port != 0) {
    data_.Bind(endpoint.data(), ipv6);
    control_.Bind(endpoint.control(), ipv6);
    return;
  }
  // Any free port will do, but the one after it must be free as well.
  for (int attempt = 1;; ++attempt) {
    control_.Bind(endpoint.data(),
                  ipv6);  // port 0: the system picks one for the control socket
    const std::uint16_t port = PortOf(control_.bound_endpoint());
    Endpoint found = endpoint;
    found.port = static_cast<std::uint16_t>(port - 1);
    try {
      data_.Bind(found.data(), ipv6);
      endpoint = found;
      return;
    } catch (const Error&) {
      if (attempt == kPortAttempts) throw;
      control_.Unbind(control_.bound_endpoint());
    }
  }
}

bool Listener::RemakeData(int send_high_water_mark) {
  data_ = Socket::Pub(context_, send_high_water_mark);
  try {
    for (const Endpoint& endpoint : endpoints_)
      data_.Bind(endpoint.data(), NeedsIpv6(endpoint));
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool Listener::RemakeControl() {
  control_ = Socket::Router(context_);
  try {
    for (const Endpoint& endpoint : endpoints_) {
      control_.Bind(endpoint.control(), NeedsIpv6(endpoint));
    }
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace pipedup
