#include "os/listen.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "os/io.h"

namespace pipedup {
namespace {

constexpr int kBacklog = 1024;

// A peer that is gone without a word, as its machine or the network is, is noticed after two
// minutes of silence. The system's own two hours would leave its place taken as long.
constexpr int kKeepIdleSeconds = 60;
constexpr int kKeepIntervalSeconds = 15;
constexpr int kKeepCount = 4;

void SetOption(int fd, int level, int name, int value) {
  (void)::setsockopt(fd, level, name, &value, sizeof value);
}

void KeepAlive(int fd) {
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE  // POSIX leaves the times to the system
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdleSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepIntervalSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepCount);
#endif
}

/// No descriptor, with errno, if it cannot be bound.
UniqueFd Bind(const addrinfo& address, bool both_families) {
  UniqueFd fd(::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                       address.ai_protocol));
  if (!fd) return fd;
  SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  KeepAlive(fd.get());  // accepted ones have it from here
  if (address.ai_family == AF_INET6) {
    SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, both_families ? 0 : 1);
  }
  if (::bind(fd.get(), address.ai_addr, address.ai_addrlen) == 0 &&
      ::listen(fd.get(), kBacklog) == 0) {
    return fd;
  }
  const int error = errno;
  fd.Reset();
  errno = error;
  return fd;
}

std::uint16_t PortOf(int fd) {
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) != 0) return 0;
  in_port_t port = 0;
  if (bound.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &bound, sizeof v6);
    port = v6.sin6_port;
  } else {
    sockaddr_in v4{};
    std::memcpy(&v4, &bound, sizeof v4);
    port = v4.sin_port;
  }
  return ntohs(port);
}

}  // namespace

ListeningSocket ListenOn(const std::string& host, std::uint16_t port) {
  const bool all = host == "*";
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed =
      ::getaddrinfo(all ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failed != 0) throw Error("'" + host + "': " + ::gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, ::freeaddrinfo);
  int error = EADDRNOTAVAIL;
  // Of all addresses, the family that takes in both comes first.
  for (const int family : {AF_INET6, AF_INET, AF_UNSPEC}) {
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
      if (all ? each->ai_family != family : family != AF_UNSPEC) continue;
      if (UniqueFd fd = Bind(*each, all)) {
        const std::uint16_t bound = PortOf(fd.get());
        return {std::move(fd), bound};
      }
      error = errno;
    }
  }
  throw Error("bind to " + (all ? "port " : "'" + host + "', port ") + std::to_string(port) +
              ": " + ErrnoText(error));
}

}  // namespace pipedup
