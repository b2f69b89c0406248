#include "broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>

#include "support.h"

namespace pipedup::bench {
namespace {

constexpr std::array<Dialect, 2> kDialects{
    {{"redis", "", "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\ns\r\n",
      "*3\r\n$9\r\nsubscribe\r\n$1\r\ns\r\n:1\r\n", "*3\r\n$7\r\nPUBLISH\r\n$1\r\ns\r\n$",
      "*3\r\n$7\r\nmessage\r\n$1\r\ns\r\n$"},
     // NATS does not answer SUB; a PONG for the PING behind it says that the SUB was read.
     {"nats", "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n", "SUB s 1\r\nPING\r\n",
      "PONG\r\n", "PUB s ", "MSG s 1 "}}};

}  // namespace

const Dialect& DialectNamed(const std::string& name) {
  for (const Dialect& dialect : kDialects) {
    if (dialect.name == name) return dialect;
  }
  Die("--dialect: '" + name + "' is neither redis nor nats");
}

int ConnectLoopback(std::uint64_t port) {
  const int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_fd < 0) Die("socket", errno);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (connect(socket_fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    Die("connect to 127.0.0.1:" + std::to_string(port), errno);
  }
  const int on = 1;
  if (setsockopt(socket_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
    Die("TCP_NODELAY", errno);
  }
  return socket_fd;
}

}  // namespace pipedup::bench
