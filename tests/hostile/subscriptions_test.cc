// Peers of the data socket that subscribe too much, or do not read what they subscribed to.
#include <random>

#include "hostile_test_base.h"

namespace pipedup::test {
namespace {

using namespace std::string_literals;

// Without a limit, a peer that sends them as fast as it can stops the publisher for as long as
// it likes: they are taken in by the thread that publishes.
TEST_F(HostileTest, ManySubscriptionsAreCutOff) {
  Start();
  std::mt19937_64 random(7);
  const auto subscription = [&](std::size_t bytes) {
    std::string topic(1, '\x01');
    while (topic.size() < bytes) topic += static_cast<char>(random());
    return ZmtpFrame(topic);
  };
  std::size_t sent = 0;
  for (const std::size_t bytes : {1000, 20, 4}) {
    for (std::size_t i = 0; i < Sized(30'000, 1'000'000) / 3;) {
      ZmtpPeer peer(tcp(), Port::kData);
      ASSERT_TRUE(peer.Join("SUB"));
      while (i < Sized(30'000, 1'000'000) / 3) {
        std::string some;
        for (int j = 0; j < 32; ++j) some += subscription(bytes);
        if (!peer.Send(some)) break;
        i += 32;
        sent += 32;
      }
      if (i % 5 == 0) Look();
    }
    ExpectTheGoodOneIsServed();
  }
  EXPECT_GT(Counter("connections_cut"), 0U);
  std::cout << "[ sent     ] " << sent << " subscriptions\n";
  ExpectNoHarm();
}

TEST_F(HostileTest, ASubscriptionThatNeverEndsIsCutOff) {
  Start();
  for (std::size_t i = 0; i < Sized(20, 500); ++i) {
    ZmtpPeer peer(tcp(), Port::kData);
    ASSERT_TRUE(peer.Join("SUB"));
    std::string many;
    for (int j = 0; j < 64; ++j) many += ZmtpFrame("\x01y", true);
    std::size_t sent = 0;
    while (sent < 1'000'000 && peer.Send(many)) sent += 64;
    EXPECT_TRUE(Eventually([&] { return peer.IsClosed(); }));
  }
  ExpectNoHarm();
}

TEST_F(HostileTest, SubscribersThatNeverReadHoldNothingForLong) {
  Start({"--retain", "4MiB"});
  for (std::size_t i = 0; i < Sized(10, 50); ++i) {
    peers_.push_back(std::make_unique<ZmtpPeer>(tcp(), Port::kData, 4096));
    ASSERT_TRUE(peers_.back()->Join("SUB"));
    (void)peers_.back()->Send(ZmtpFrame("\x01"s));  // to everything
    for (int j = 0; j < 100; ++j) Produce();
    ExpectTheGoodOneIsServed();
    Look();
  }
  ExpectNoHarm();
}

}  // namespace
}  // namespace pipedup::test
