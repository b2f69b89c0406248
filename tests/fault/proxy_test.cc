// The proxy is exactly as bad as it is told to be.
#include "fault/proxy.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <string>

#include "support/files.h"
#include "support/raw_peer.h"

namespace pipedup::test {
namespace {

/// Accepts connections on two neighbouring ports.
class Upstream {
 public:
  Upstream() : port_(FreePortPair()) {
    for (std::uint16_t i = 0; i < 2; ++i) {
      listeners_[i] = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      address.sin_port = htons(static_cast<std::uint16_t>(port_ + i));
      EXPECT_EQ(0, ::bind(listeners_[i].get(), reinterpret_cast<const sockaddr*>(&address),
                          sizeof address));
      EXPECT_EQ(0, ::listen(listeners_[i].get(), 8));
    }
  }
  std::uint16_t port() const { return port_; }
  UniqueFd Accept(std::size_t which = 0) {
    return UniqueFd(::accept(listeners_[which].get(), nullptr, nullptr));
  }

 private:
  const std::uint16_t port_;
  std::array<UniqueFd, 2> listeners_;
};

std::string Receive(int fd, std::size_t bytes) {
  std::string got(bytes, '\0');
  const ssize_t count = ::recv(fd, got.data(), bytes, MSG_WAITALL);
  got.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  return got;
}

void Send(int fd, const std::string& bytes) {
  ASSERT_EQ(static_cast<ssize_t>(bytes.size()), ::send(fd, bytes.data(), bytes.size(), 0));
}

class ProxyTest : public ::testing::Test {
 protected:
  std::uint16_t port() const { return PortOf(proxy_.endpoint()); }

  Upstream upstream_;
  Proxy proxy_{upstream_.port(), 1};
};

TEST_F(ProxyTest, ForwardsBothWaysOnBothPorts) {
  for (std::uint16_t which = 0; which < 2; ++which) {
    RawPeer peer(static_cast<std::uint16_t>(port() + which));
    const UniqueFd there = upstream_.Accept(which);
    peer.Send("question");
    EXPECT_EQ("question", Receive(there.get(), 8));
    Send(there.get(), "answer");
    EXPECT_TRUE(Eventually([&] { return peer.Received() == "answer"; }));
  }
}

TEST_F(ProxyTest, AnEndIsPassedOnAfterTheBytesBeforeIt) {
  RawPeer peer(port());
  UniqueFd there = upstream_.Accept();
  Send(there.get(), "last words");
  there.Reset();
  EXPECT_EQ("last words", peer.ReceivedToTheEnd());
}

TEST_F(ProxyTest, ACutEndsBothSides) {
  for (const auto how : {Proxy::Cut::kFin, Proxy::Cut::kReset}) {
    RawPeer peer(port());
    const UniqueFd there = upstream_.Accept();
    peer.Send("x");
    EXPECT_EQ("x", Receive(there.get(), 1));
    proxy_.CutAll(how);
    EXPECT_EQ("", peer.ReceivedToTheEnd());
    EXPECT_EQ("", Receive(there.get(), 1));
  }
}

TEST_F(ProxyTest, HalfOpenNothingArrivesUntilItIsOver) {
  RawPeer peer(port());
  const UniqueFd there = upstream_.Accept();
  proxy_.HalfOpen(true);
  Send(there.get(), "late");
  RawPeer second(port());  // is accepted, and finds nobody
  EXPECT_EQ("", peer.ReceivedToTheEnd(std::chrono::milliseconds(100)));
  proxy_.HalfOpen(false);
  EXPECT_TRUE(Eventually([&] { return peer.Received() == "late"; }));
}

TEST_F(ProxyTest, ADelayHoldsBytesBackAndLosesNone) {
  proxy_.Delay(Proxy::Direction::kDown, std::chrono::milliseconds(150));
  RawPeer peer(port());
  const UniqueFd there = upstream_.Accept();
  const auto sent = Clock::now();
  Send(there.get(), "later");
  EXPECT_TRUE(Eventually([&] { return peer.Received() == "later"; }));
  EXPECT_GE(Clock::now() - sent, std::chrono::milliseconds(150));
}

TEST_F(ProxyTest, AThrottleLetsThroughWhatItIsToldTo) {
  proxy_.Throttle(Proxy::Direction::kDown, 1'000'000);
  RawPeer peer(port());
  UniqueFd there = upstream_.Accept();
  const std::string bytes(300'000, 'x');
  const auto sent = Clock::now();
  Send(there.get(), bytes);
  there.Reset();
  EXPECT_EQ(bytes.size(), peer.ReceivedToTheEnd().size());
  EXPECT_GE(Clock::now() - sent, std::chrono::milliseconds(150));
}

TEST_F(ProxyTest, CorruptsOneByteOfEachPieceThatIsLarge) {
  proxy_.Corrupt(Proxy::Direction::kDown, 1);
  RawPeer peer(port());
  UniqueFd there = upstream_.Accept();
  Send(there.get(), "short ones are left alone");
  EXPECT_TRUE(Eventually([&] { return peer.Received() == "short ones are left alone"; }));
  const std::string bytes(20'000, 'x');
  Send(there.get(), bytes);
  there.Reset();
  const std::string got = peer.ReceivedToTheEnd().substr(25);
  ASSERT_EQ(bytes.size(), got.size());
  std::size_t changed = 0;
  for (const char c : got) changed += c == 'x' ? 0 : 1;
  EXPECT_EQ(1u, changed);
  EXPECT_EQ(1u, proxy_.corrupted());
}

TEST_F(ProxyTest, ReorderedTheSecondConnectionComesFirst) {
  proxy_.Reorder();
  RawPeer first(port());
  RawPeer second(port());
  first.Send("first");
  second.Send("other");
  EXPECT_EQ("other", Receive(upstream_.Accept().get(), 5));
  EXPECT_EQ("first", Receive(upstream_.Accept().get(), 5));
}

}  // namespace
}  // namespace pipedup::test
