#include "support/raw_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>

namespace pipedup::test {

RawPeer::RawPeer(std::uint16_t port)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
      0) {
    throw std::system_error(errno, std::generic_category(), "connect " + std::to_string(port));
  }
}

void RawPeer::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

const std::string& RawPeer::Received() {
  std::array<char, 64 * 1024> part{};
  while (!ended_) {
    const ssize_t count = ::recv(socket_.get(), part.data(), part.size(), MSG_DONTWAIT);
    if (count > 0) {
      received_.append(part.data(), static_cast<std::size_t>(count));
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
      ended_ = true;
    } else {
      break;
    }
  }
  return received_;
}

const std::string& RawPeer::ReceivedToTheEnd(Duration patience) {
  (void)Eventually(
      [this] {
        Received();
        return ended_;
      },
      patience);
  return received_;
}

std::uint16_t PortOf(const std::string& endpoint) {
  return static_cast<std::uint16_t>(std::stoul(endpoint.substr(endpoint.rfind(':') + 1)));
}

}  // namespace pipedup::test
