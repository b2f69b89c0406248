#include "connection.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <stdexcept>

namespace pipedup::fuzz {
namespace {

constexpr timeval kPatience{40, 0};
// Greeting and READY of a PUB, the shortest.
constexpr std::size_t kHandshakeBytes = test::kZmtpGreetingBytes + 27;

}  // namespace

Connection::Connection(std::uint16_t port)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
      0) {
    throw std::runtime_error("the publisher does not accept: errno " + std::to_string(errno));
  }
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
}

void Connection::Send(std::string_view bytes) {
  (void)::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

std::string Connection::Await(std::size_t bytes) {
  std::string answer(bytes, '\0');
  const ssize_t got = ::recv(socket_.get(), answer.data(), answer.size(), MSG_WAITALL);
  answer.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return answer;
}

std::string Connection::AwaitFrame() {
  const std::string head = Await(2);
  if (head.size() < 2) return "";
  std::size_t length = static_cast<unsigned char>(head[1]);
  if ((static_cast<unsigned char>(head[0]) & test::kZmtpLong) != 0) {
    for (const char byte : Await(7)) length = length << 8 | static_cast<unsigned char>(byte);
  }
  return Await(length);
}

std::string Connection::Received() {
  std::string received;
  std::array<char, 4096> part{};
  while (true) {
    const ssize_t got = ::recv(socket_.get(), part.data(), part.size(), MSG_DONTWAIT);
    if (got <= 0) return received;
    received.append(part.data(), static_cast<std::size_t>(got));
  }
}

void Connection::Finish(End end) {
  if (end == End::kReset) {
    const linger reset{1, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  socket_.Reset();
}

bool PlainPeer::SendNext() {
  if (next_ == conversation_.parts.size()) return false;
  connection_.Send(conversation_.parts[next_++]);
  if (next_ == 1 && conversation_.shakes &&
      connection_.Await(kHandshakeBytes).size() < kHandshakeBytes) {
    throw NotAnswered();
  }
  return true;
}

}  // namespace pipedup::fuzz
