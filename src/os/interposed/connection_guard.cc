// Only for a program that publishes, and not part of any library: what is defined here takes
// the place of functions of libc in the whole process. There is one libc, and so one state,
// which is why it stands at namespace scope.
#include "os/interposed/connection_guard.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>
#include <string>
#include <vector>

#include "base/error.h"
#include "os/io.h"

namespace pipedup {
namespace {

// Descriptors that connections may not have: for the journal's segments, sockets that are made
// anew, and what comes up.
constexpr std::uint64_t kReserve = 64;
constexpr std::uint64_t kLeastShare = 4;  // of a low limit: a quarter
constexpr std::uint64_t kMostDescriptors = 1 << 20;

// What a connection of a control socket may have sent without completing a message that the
// publisher has taken. Eight requests of the largest size, and the handshake.
constexpr std::uint32_t kMostUnheard = 64 * 1024;
// For each piece that is received: libzmq may keep 8 KiB for a few bytes.
constexpr std::uint32_t kPieceCost = 256;

// What a connection of a data socket may send: the handshake (1 KiB with CURVE), and
// subscriptions, which are about 20 bytes each and come when a subscriber begins to catch up or
// has done so. Of each byte libzmq keeps 48, and looks at all of them, of all peers, when one
// peer leaves.
constexpr float kDataBurst = 4 * 1024;      // bytes
constexpr float kDataPerSecond = 4 * 1024;  // bytes
constexpr float kDataPieceCost = 64;

constexpr long kNapNs = 10'000'000;

enum class State : std::uint8_t { kNone, kControl, kData, kCut };

/// Each is used by the I/O thread that has the connection; atomics where the loop's is as well.
struct Connection {
  std::atomic<State> state{State::kNone};
  std::atomic<std::uint32_t> unheard{0};
  float allowance = 0;
  std::uint32_t at_ms = 0;
};

struct Guard {
  std::uint64_t ceiling = 0;          // connections have descriptors below it
  Connection* connections = nullptr;  // of `ceiling`, for the life of the process
  std::atomic<int> spare{-1};
  std::atomic<const std::vector<Endpoint>*> endpoints{nullptr};
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> cut{0};
};

std::atomic<Guard*> g_guard{nullptr};

using AcceptFunction = int(int, sockaddr*, socklen_t*, int);
using ReceiveFunction = ssize_t(int, void*, std::size_t, int);

template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

int SystemAccept(int listener, sockaddr* address, socklen_t* length, int flags) {
#if defined(__linux__)
  static AcceptFunction* const next = Next<AcceptFunction>("accept4");
  return next(listener, address, length, flags);
#else
  static auto* const next = Next<int(int, sockaddr*, socklen_t*)>("accept");
  (void)flags;
  return next(listener, address, length);
#endif
}

std::uint32_t NowMs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(now.tv_sec) * 1000 +
                                    static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000);
}

// Whether `address` is the one that `host` says; all are, if it is "*" or a name.
bool IsAddress(const std::string& host, int family, const void* address) {
  in6_addr said{};
  return ::inet_pton(family, host.c_str(), &said) != 1 ||
         std::memcmp(&said, address, family == AF_INET ? sizeof(in_addr) : sizeof said) == 0;
}

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_un local;
  sockaddr_storage storage;
};

// The port alone does not tell: it may be that of another socket at another address.
bool Is(const SocketAddress& address, const Endpoint& endpoint, bool control) {
  const bool local = endpoint.kind == Endpoint::Kind::kIpc;
  const int port = endpoint.port + (control ? 1 : 0);
  switch (address.any.sa_family) {
    case AF_INET:
      return !local && ntohs(address.v4.sin_port) == port &&
             IsAddress(endpoint.host, AF_INET, &address.v4.sin_addr);
    case AF_INET6:
      return !local && ntohs(address.v6.sin6_port) == port &&
             IsAddress(endpoint.host, AF_INET6, &address.v6.sin6_addr);
    case AF_UNIX:
      return local && endpoint.path + (control ? ".ctl" : "") == address.local.sun_path;
    default:
      return false;
  }
}

// What a connection to `listener` is held to. Those of listeners that are not the publisher's
// (HTTP) have limits of their own.
State StateOf(const Guard& guard, int listener) {
  const std::vector<Endpoint>* const endpoints = guard.endpoints.load();
  if (endpoints == nullptr) return State::kControl;  // the strictest, until they are known
  SocketAddress address = {};
  socklen_t length = sizeof address;
  if (::getsockname(listener, &address.any, &length) != 0) return State::kControl;
  for (const Endpoint& endpoint : *endpoints) {
    if (Is(address, endpoint, false)) return State::kData;
    if (Is(address, endpoint, true)) return State::kControl;
  }
  return State::kNone;
}

// There is no descriptor at all: gives one up to take the connection and drop it.
void DropOne(Guard& guard, int listener) {
  const int spare = guard.spare.exchange(-1);
  if (spare >= 0) ::close(spare);
  const int dropped = SystemAccept(listener, nullptr, nullptr, 0);
  if (dropped >= 0) ::close(dropped);
  guard.spare.store(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (dropped >= 0) return;
  // It stays where it is, and libzmq will ask again at once: not without end.
  const timespec nap{0, kNapNs};
  ::nanosleep(&nap, nullptr);
}

int Accept(int listener, sockaddr* address, socklen_t* length, int flags) {
  const int fd = SystemAccept(listener, address, length, flags);
  Guard* const guard = g_guard.load();
  if (guard == nullptr) return fd;
  if (fd < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return fd;
    if (errno != ECONNABORTED && errno != EPROTO) {
      guard->refused.fetch_add(1);
      DropOne(*guard, listener);
    }
    errno = ECONNABORTED;  // the one that libzmq takes as it is meant, for tcp and ipc
    return -1;
  }
  if (static_cast<std::uint64_t>(fd) >= guard->ceiling) {
    ::close(fd);
    guard->refused.fetch_add(1);
    errno = ECONNABORTED;
    return -1;
  }
  guard->accepted.fetch_add(1);
  Connection& connection = guard->connections[static_cast<std::size_t>(fd)];
  connection.unheard.store(0);
  connection.allowance = kDataBurst;
  connection.at_ms = NowMs();
  connection.state.store(StateOf(*guard, listener));
  return fd;
}

// The descriptor may have been a peer's: what this program connects itself is held to nothing.
int NewSocket(int domain, int type, int protocol) {
  static auto* const next = Next<int(int, int, int)>("socket");
  const int fd = next(domain, type, protocol);
  Guard* const guard = g_guard.load();
  if (guard != nullptr && fd >= 0 && static_cast<std::uint64_t>(fd) < guard->ceiling) {
    guard->connections[static_cast<std::size_t>(fd)].state.store(State::kNone);
  }
  return fd;
}

// Whether the connection may send `count` bytes more.
bool Allows(Connection& connection, std::size_t count) {
  switch (connection.state.load()) {
    case State::kNone:
      return true;
    case State::kCut:
      return false;
    case State::kControl:
      return connection.unheard.fetch_add(static_cast<std::uint32_t>(count) + kPieceCost) +
                 count <=
             kMostUnheard;
    case State::kData: {
      const std::uint32_t now = NowMs();
      const auto passed = static_cast<float>(now - connection.at_ms) / 1000;
      connection.at_ms = now;
      connection.allowance =
          std::min(kDataBurst, connection.allowance + passed * kDataPerSecond) -
          static_cast<float>(count) - kDataPieceCost;
      return connection.allowance >= 0;
    }
  }
  return true;
}

ssize_t Receive(int fd, void* into, std::size_t size, int flags) {
  static ReceiveFunction* const next = Next<ReceiveFunction>("recv");
  const ssize_t count = next(fd, into, size, flags);
  Guard* const guard = g_guard.load();
  if (guard == nullptr || count <= 0 || static_cast<std::uint64_t>(fd) >= guard->ceiling) {
    return count;
  }
  Connection& connection = guard->connections[static_cast<std::size_t>(fd)];
  if (Allows(connection, static_cast<std::size_t>(count))) return count;
  if (connection.state.exchange(State::kCut) != State::kCut) guard->cut.fetch_add(1);
  errno = ECONNRESET;
  return -1;
}

}  // namespace

ConnectionGuard& ConnectionGuard::Install() {
  static ConnectionGuard installed;
  if (g_guard.load() != nullptr) return installed;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::uint64_t most = std::min<std::uint64_t>(limit.rlim_cur, kMostDescriptors);
  static Guard guard;
  guard.ceiling = most - std::min(kReserve, most / kLeastShare);
  // All zero is a connection that is none; pages that no descriptor has come to cost nothing,
  // where a million are allowed.
  guard.connections = static_cast<Connection*>(std::calloc(guard.ceiling, sizeof(Connection)));
  if (guard.connections == nullptr) throw std::bad_alloc();
  guard.spare.store(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (guard.spare.load() < 0) throw Error("open '/dev/null': " + ErrnoText(errno));
  g_guard.store(&guard);
  return installed;
}

void ConnectionGuard::SetEndpoints(const std::vector<Endpoint>& endpoints) {
  static std::vector<Endpoint> copy;  // read by the I/O thread to the end of the process
  copy = endpoints;
  g_guard.load()->endpoints.store(&copy);
}

void ConnectionGuard::Heard(int descriptor) {
  Guard& guard = *g_guard.load();
  if (descriptor < 0 || static_cast<std::uint64_t>(descriptor) >= guard.ceiling) return;
  guard.connections[static_cast<std::size_t>(descriptor)].unheard.store(0);
}

void ConnectionGuard::Cut(int descriptor) {
  Guard& guard = *g_guard.load();
  if (descriptor < 0 || static_cast<std::uint64_t>(descriptor) >= guard.ceiling) return;
  Connection& connection = guard.connections[static_cast<std::size_t>(descriptor)];
  State control = State::kControl;
  if (!connection.state.compare_exchange_strong(control, State::kCut)) return;
  guard.cut.fetch_add(1);
  ::shutdown(descriptor, SHUT_RDWR);  // libzmq notices, and closes it
}

ConnectionCounters ConnectionGuard::counters() const {
  const Guard& guard = *g_guard.load();
  return {guard.accepted.load(), guard.refused.load(), guard.cut.load()};
}

}  // namespace pipedup

// ---- in place of libc's ----

#if defined(__linux__)
extern "C" int accept4(int listener, sockaddr* address, socklen_t* length, int flags) {
  return pipedup::Accept(listener, address, length, flags);
}
#endif

extern "C" int accept(int listener, sockaddr* address, socklen_t* length) {
  return pipedup::Accept(listener, address, length, 0);
}

extern "C" int socket(int domain, int type, int protocol) noexcept {
  return pipedup::NewSocket(domain, type, protocol);
}

extern "C" ssize_t recv(int fd, void* into, std::size_t size, int flags) {
  return pipedup::Receive(fd, into, size, flags);
}
