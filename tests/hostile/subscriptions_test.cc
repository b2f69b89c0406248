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
  int turned_away = 0;
  for (const std::size_t bytes : {1000U, 20U, 4U}) {
    for (std::size_t i = 0; i < Sized(30'000, 1'000'000) / 3;) {
      ZmtpPeer peer(tcp(), Port::kData);
      // Not let in while the socket is made anew.
      if (!peer.Join("SUB")) {
        ASSERT_LT(++turned_away, 1000);
        continue;
      }
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
  std::cout << "[ sent     ] " << sent << " subscriptions; turned away " << turned_away
            << " times\n";
  ExpectNoHarm();
}

// What libzmq does when one leaves grows with the subscriptions of all.
TEST_F(HostileTest, ManyThatSubscribedLeaveAtOnce) {
  Start();
  std::mt19937_64 random(8);
  for (std::size_t i = 0; i < Sized(60, 300); ++i) {
    peers_.push_back(std::make_unique<ZmtpPeer>(tcp(), Port::kData));
    if (!peers_.back()->Join("SUB")) continue;
    for (int j = 0; j < 3; ++j) {
      std::string topic(1, '\x01');
      while (topic.size() < 1000) topic += static_cast<char>(random());
      (void)peers_.back()->Send(ZmtpFrame(topic));
    }
  }
  ExpectTheGoodOneIsServed();
  Look();
  peers_.clear();
  const auto began = Clock::now();
  ExpectTheGoodOneIsServed();
  const std::chrono::duration<double> held_up = Clock::now() - began;
  std::cout << "[ held up  ] " << held_up.count() << " s\n";
  ExpectNoHarm();
}

TEST_F(HostileTest, ASubscriptionThatNeverEndsIsCutOff) {
  Start();
  for (std::size_t i = 0; i < Sized(20, 500); ++i) {
    ZmtpPeer peer(tcp(), Port::kData);
    ASSERT_TRUE(peer.Join("SUB"));
    std::string many;
    for (int j = 0; j < 64; ++j) many += ZmtpFrame("\x01y", kZmtpMore);
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
