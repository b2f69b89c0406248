#include "zmtp_peer.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace pipedup::test {
namespace {

int Milliseconds(Duration patience) {
  return static_cast<int>(
      std::chrono::ceil<std::chrono::milliseconds>(std::max(patience, Duration(0))).count());
}

bool Wait(int fd, short events, Clock::time_point deadline) {
  pollfd item{fd, events, 0};
  return ::poll(&item, 1, Milliseconds(deadline - Clock::now())) > 0;
}

}  // namespace

std::string Ready(std::string_view type, std::size_t padding) {
  std::string metadata = ZmtpProperty("Socket-Type", type);
  if (padding > 0) metadata += ZmtpProperty("X-Padding", std::string(padding, 'x'));
  return ZmtpCommand("READY", metadata);
}

ZmtpPeer::ZmtpPeer(const Endpoint& endpoint, Port port, int receive_buffer) {
  const bool local = endpoint.kind == Endpoint::Kind::kIpc;
  socket_ = UniqueFd(::socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (receive_buffer > 0) {
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  const bool control = port == Port::kControl;
  // Blocking: the kernel takes it into the listener's queue, whoever is there to accept it.
  if (local) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (endpoint.path + (control ? ".ctl" : ""))
        .copy(address.sun_path, sizeof address.sun_path - 1);
    (void)::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(endpoint.port + (control ? 1 : 0)));
    (void)::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  (void)::fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
}

bool ZmtpPeer::Send(std::string_view bytes, Duration patience) {
  const auto deadline = Clock::now() + patience;
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EAGAIN || !Wait(socket_.get(), POLLOUT, deadline)) {
      return false;
    }
  }
  return true;
}

std::optional<std::string> ZmtpPeer::Take(std::size_t bytes, Duration patience) {
  const auto deadline = Clock::now() + patience;
  std::string taken(bytes, '\0');
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t count = ::recv(socket_.get(), taken.data() + done, bytes - done, 0);
    if (count > 0) {
      done += static_cast<std::size_t>(count);
    } else if (count == 0 || errno != EAGAIN || !Wait(socket_.get(), POLLIN, deadline)) {
      return std::nullopt;
    }
  }
  return taken;
}

bool ZmtpPeer::JoinWith(std::string_view ready) {
  if (!Send(ZmtpGreeting() + std::string(ready))) return false;
  return Take(kZmtpGreetingBytes, kPatience) &&
         ReceiveMessage();  // its READY, which is a frame too
}

std::optional<std::string> ZmtpPeer::ReceiveMessage(Duration patience) {
  const auto head = Take(2, patience);
  if (!head) return std::nullopt;
  std::size_t length = static_cast<unsigned char>((*head)[1]);
  if ((static_cast<unsigned char>((*head)[0]) & kZmtpLong) != 0) {
    const auto rest = Take(7, patience);
    if (!rest) return std::nullopt;
    for (const char c : *rest) length = length << 8 | static_cast<unsigned char>(c);
  }
  return Take(length, patience);
}

std::string ZmtpPeer::Received() {
  std::string received;
  std::array<char, 4096> part{};
  while (true) {
    const ssize_t count = ::recv(socket_.get(), part.data(), part.size(), 0);
    if (count <= 0) return received;
    received.append(part.data(), static_cast<std::size_t>(count));
  }
}

bool ZmtpPeer::IsClosed() {
  std::array<char, 4096> part{};
  while (true) {
    const ssize_t count = ::recv(socket_.get(), part.data(), part.size(), 0);
    if (count > 0) continue;
    return count == 0 || errno != EAGAIN;
  }
}

}  // namespace pipedup::test
