// What a socket that listens hands on to the connections that are accepted from it.
#include "os/listen.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace pipedup {
namespace {

#ifdef TCP_KEEPIDLE
int OptionOf(int fd, int level, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  EXPECT_EQ(0, ::getsockopt(fd, level, name, &value, &length));
  return value;
}

TEST(Listen, APeerThatIsGoneWithoutAWordIsNoticedWithinMinutes) {
  const ListeningSocket listening = ListenOn("127.0.0.1", 0);
  const UniqueFd peer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(listening.port);
  ASSERT_EQ(0, ::connect(peer.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
  const UniqueFd accepted(::accept(listening.fd.get(), nullptr, nullptr));
  ASSERT_TRUE(accepted);
  EXPECT_NE(0, OptionOf(accepted.get(), SOL_SOCKET, SO_KEEPALIVE));
  const int silence = OptionOf(accepted.get(), IPPROTO_TCP, TCP_KEEPIDLE) +
                      OptionOf(accepted.get(), IPPROTO_TCP, TCP_KEEPINTVL) *
                          OptionOf(accepted.get(), IPPROTO_TCP, TCP_KEEPCNT);
  EXPECT_EQ(120, silence);
}
#endif

}  // namespace
}  // namespace pipedup
