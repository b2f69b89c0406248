// The server and its sockets: what it does with connections that take their time.
#include "http/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <string_view>

#include "os/io.h"
#include "os/listen.h"

namespace pipedup::http {
namespace {

using namespace std::chrono_literals;

UniqueFd ConnectTo(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  EXPECT_EQ(0, ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
  return fd;
}

TEST(Server, ARequestThatIsNotThereInTimeIsNotWaitedFor) {
  Hub hub;
  ListeningSocket listening = ListenOn("127.0.0.1", 0);
  ServerOptions options;
  options.listener = std::move(listening.fd);
  options.most_connections = 100;
  options.request_limit = 20ms;
  const Server server(hub, std::move(options));
  for (const std::string_view part :
       {"", "GET /he", "GET / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"}) {
    SCOPED_TRACE(part);
    const UniqueFd peer = ConnectTo(listening.port);
    ASSERT_EQ(IoStatus::kOk, WriteAll(peer.get(), AsBytes(part)).status);
    // Long before a connection without a byte is closed, and a test without an end is.
    std::array<PollItem, 1> items = {PollItem{peer.get()}};
    Poll(items, 10s);
    ASSERT_TRUE(items[0].ready);
    std::array<std::byte, 100> into{};
    const IoStatus status = ReadSome(peer.get(), into).status;
    EXPECT_TRUE(status == IoStatus::kEnd || status == IoStatus::kClosed);
  }
}

}  // namespace
}  // namespace pipedup::http
