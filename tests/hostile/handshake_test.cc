// Before the handshake is over: other protocols, garbage, slowness, floods of connections.
#include <random>

#include "hostile_test_base.h"

namespace pipedup::test {
namespace {

using namespace std::string_literals;

TEST_F(HostileTest, GarbageOnBothPorts) {
  Start();
  std::mt19937_64 random(4711);
  for (std::size_t i = 0; i < Sized(40, 1000); ++i) {
    std::string garbage = MakeRecords(random(), 1 + random() % 20'000);
    if (i % 3 == 1) garbage.insert(0, ZmtpGreeting());
    if (i % 3 == 2) garbage.insert(0, ZmtpGreeting() + Ready("DEALER"));
    for (const Port port : {Port::kData, Port::kControl}) {
      ZmtpPeer(tcp(), port).Send(garbage);
    }
    if (i % 10 == 0) Produce();
  }
  ExpectNoHarm();
}

TEST_F(HostileTest, OtherProtocols) {
  Start();
  const std::vector<std::string> openings = {
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "\x01\x00"s + "\x02\x00\x01"s,                                          // ZMTP 1.0
      "\xff\0\0\0\0\0\0\0\x01\x7f"s + "\x01\x02"s + "\0\0"s + "\0\x01\x01"s,  // ZMTP 2.0
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s,                        // TLS
      "\xff\0\0\0\0\0\0\0\x01\x7f\x03\0PLAIN"s + std::string(47, '\0'),       // no such here
      ZmtpGreeting().substr(0, 12),
      std::string(64, '\0'),
      std::string(64, '\xff')};
  for (std::size_t i = 0; i < Sized(20, 500); ++i) {
    for (const Port port : {Port::kData, Port::kControl}) {
      peers_.push_back(std::make_unique<ZmtpPeer>(tcp(), port));
      peers_.back()->Send(openings[i % openings.size()]);
    }
    if (i % 10 == 0) ExpectTheGoodOneIsServed();
  }
  ExpectNoHarm();
}

TEST_F(HostileTest, ManyConnectAndLeave) {
  Start();
  for (std::size_t i = 0; i < Sized(1000, 10'000); ++i) {
    ZmtpPeer data(tcp(), Port::kData);
    ZmtpPeer control(tcp(), Port::kControl);
    if (i % 3 == 1) data.Send(ZmtpGreeting());
    if (i % 3 == 2) control.Shake("DEALER");
    if (i % 200 == 0) Produce();
  }
  ExpectNoHarm();
}

TEST_F(HostileTest, ManyHandshakesByteByByteAtOnce) {
  Start();
  const std::string words = ZmtpGreeting() + Ready("SUB");
  for (std::size_t i = 0; i < Sized(100, 1000); ++i) {
    peers_.push_back(
        std::make_unique<ZmtpPeer>(tcp(), i % 2 == 0 ? Port::kData : Port::kControl));
  }
  for (const char byte : words.substr(0, words.size() - 1)) {
    for (const auto& peer : peers_) (void)peer->Send({&byte, 1});
    Produce();
    Look();
  }
  // None of them comes to an end, and the publisher does not wait for it.
  EXPECT_TRUE(Eventually([&] {
    return std::all_of(peers_.begin(), peers_.end(),
                       [](auto& peer) { return peer->IsClosed(); });
  })) << "a handshake may take 5 s";
  ExpectNoHarm();
}

TEST_F(HostileTest, FramesThatClaimToBeHuge) {
  Start();
  const auto claim = [](std::uint64_t length, unsigned flags) {
    std::string frame(1, static_cast<char>(flags | 2U));
    for (int shift = 56; shift >= 0; shift -= 8) {
      frame += static_cast<char>(length >> shift & 0xff);
    }
    return frame + std::string(100, 'x');
  };
  for (const std::uint64_t length :
       {std::uint64_t{8193}, std::uint64_t{1} << 31, std::uint64_t{1} << 32,
        (std::uint64_t{1} << 63) - 1, std::uint64_t{1} << 63, UINT64_MAX}) {
    for (const unsigned flags : {0U, 1U, 4U}) {  // a message, a part of one, a command
      for (const Port port : {Port::kData, Port::kControl}) {
        for (const bool joined : {false, true}) {
          peers_.push_back(std::make_unique<ZmtpPeer>(tcp(), port));
          const char* const type = port == Port::kData ? "SUB" : "DEALER";
          (void)peers_.back()->Send(ZmtpGreeting() + (joined ? Ready(type) : "") +
                                    claim(length, flags));
        }
      }
    }
    ExpectTheGoodOneIsServed();
  }
  EXPECT_TRUE(Eventually([&] {
    return std::all_of(peers_.begin(), peers_.end(),
                       [](auto& peer) { return peer->IsClosed(); });
  }));
  ExpectNoHarm();
}

// What an honest peer may send to a data socket passes its limit of 1 KiB.
TEST_F(HostileTest, SubscriptionsAndCommandsOfHonestPeersAreTakenIn) {
  Start();
  const std::string topic = "default\0"s;
  struct Opening {
    std::string ready;
    std::string messages;
  };
  const std::vector<Opening> openings = {
      {Ready("SUB"), ZmtpFrame("\x01" + topic)},
      {Ready("SUB", 900), ZmtpFrame("\x01" + topic)},  // says a lot of itself
      {Ready("XSUB"), ZmtpFrame("\x01" + std::string(134, 'x')) + ZmtpFrame("\x01" + topic)},
      {Ready("SUB"), ZmtpFrame("\x09SUBSCRIBE" + topic, kZmtpCommand)},
      {Ready("SUB"), ZmtpFrame("\x04PING\0\0abc"s, kZmtpCommand) + ZmtpFrame("\x01" + topic)},
      {Ready("SUB"), ZmtpFrame("\x01" + topic) + ZmtpFrame("\x01other") +
                         ZmtpFrame(std::string(1, '\0') + "other")}};
  for (const Opening& opening : openings) {
    peers_.push_back(std::make_unique<ZmtpPeer>(tcp(), Port::kData));
    ASSERT_TRUE(peers_.back()->JoinWith(opening.ready));
    (void)peers_.back()->Send(opening.messages);
  }
  for (std::size_t i = 0; i < openings.size(); ++i) {
    // A frame of a block or head begins with the topic; greeting and READY do not have it.
    std::string received;
    EXPECT_TRUE(Eventually([&] {
      received += peers_[i]->Received();
      return received.find("default\0PDU1"s) != std::string::npos;
    })) << i;
  }
  peers_.push_back(std::make_unique<ZmtpPeer>(tcp(), Port::kData));
  ASSERT_TRUE(peers_.back()->Join("SUB"));
  (void)peers_.back()->Send(ZmtpFrame("\x01" + std::string(1024, 'x')));
  EXPECT_TRUE(Eventually([&] { return peers_.back()->IsClosed(); })) << "1 KiB is the most";
  ExpectNoHarm();
}

}  // namespace
}  // namespace pipedup::test
