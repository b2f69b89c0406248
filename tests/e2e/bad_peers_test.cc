// Peers that are no subscribers get nothing, and a good one beside them gets everything.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "support/content.h"
#include "support/programs.h"
#include "support/raw_peer.h"

namespace pipedup::test {
namespace {

using namespace std::string_literals;

// Of ZMTP: greeting, handshake and error at most. A block is longer than that.
constexpr std::size_t kMostHandshake = 512;

class BadPeersTest : public ::testing::Test {
 protected:
  BadPeersTest() : publisher_(directory_), good_(directory_, publisher_.endpoint()) {}

  void SetUp() override {
    ASSERT_TRUE(good_.WaitUntilLive());
    port_ = PortOf(publisher_.endpoint());
  }

  /// Connects to both ports and sends `bytes`.
  void Visit(const std::string& bytes) {
    for (const int offset : {0, 1}) {
      peers_.push_back(std::make_unique<RawPeer>(static_cast<std::uint16_t>(port_ + offset)));
      peers_.back()->Send(bytes);
    }
  }

  /// Publishes meanwhile; the good subscriber gets all, the others not a byte of it.
  void ExpectOnlyTheGoodOneIsServed() {
    std::string produced;
    for (int i = 0; i < 20; ++i) {
      const std::string part = MakeLines('s', 1000, static_cast<std::size_t>(i) * 1000);
      produced += part;
      ASSERT_TRUE(publisher_.Write(part));
      ASSERT_TRUE(good_.WaitForBytes(produced.size())) << publisher_.log();
    }
    publisher_.CloseInput();
    ASSERT_EQ(0, good_.Wait()) << good_.log();
    EXPECT_EQ("", CheckEquation({.produced = produced}, good_.account()));
    EXPECT_EQ(0, publisher_.Wait()) << publisher_.log();
    for (const auto& peer : peers_) {
      const std::string& received = peer->ReceivedToTheEnd();
      EXPECT_EQ(std::string::npos, received.find("of some lines"));
      EXPECT_LT(received.size(), kMostHandshake);
    }
  }

  const TempDir directory_;
  Publisher publisher_;
  Subscriber good_;
  std::uint16_t port_ = 0;
  std::vector<std::unique_ptr<RawPeer>> peers_;
};

TEST_F(BadPeersTest, AnHttpRequestGetsNothing) {
  Visit("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n");
  ExpectOnlyTheGoodOneIsServed();
}

TEST_F(BadPeersTest, AZmtp1SubscriberGetsNothing) {
  // An anonymous identity, then subscriptions to the stream and to everything.
  Visit("\x01\x00"s + "\x0a\x00\x01"s + "default\0"s + "\x02\x00\x01"s);
  ExpectOnlyTheGoodOneIsServed();
}

TEST_F(BadPeersTest, AZmtp2SubscriberGetsNothing) {
  // Signature, revision 1, socket type SUB, empty identity, subscription to everything.
  Visit("\xff\0\0\0\0\0\0\0\x01\x7f"s + "\x01\x02"s + "\0\0"s + "\0\x01\x01"s);
  ExpectOnlyTheGoodOneIsServed();
}

TEST_F(BadPeersTest, AGreetingWithoutAHandshakeGetsNothing) {
  Visit("\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL"s + std::string(48, '\0'));
  ExpectOnlyTheGoodOneIsServed();
}

TEST_F(BadPeersTest, AMechanismThatIsNotSpokenGetsNothing) {
  Visit("\xff\0\0\0\0\0\0\0\x01\x7f\x03\0PLAIN"s + std::string(47, '\0') +
        "\x04\x0a\x05HELLO\x01u\x01p"s);
  ExpectOnlyTheGoodOneIsServed();
}

TEST_F(BadPeersTest, SilenceAndHalfAGreetingGetNothing) {
  Visit("");
  Visit("\xff\0\0"s);
  ExpectOnlyTheGoodOneIsServed();
}

TEST_F(BadPeersTest, RandomGarbageGetsNothing) {
  std::mt19937 random(777);
  for (int i = 0; i < 40; ++i) {
    const auto length = std::uniform_int_distribution<std::size_t>(1, 100'000)(random);
    std::string garbage = MakeRecords(random(), length);
    if (i % 2 == 0) {  // behind a greeting, where it is taken for frames
      garbage.insert(0, "\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL"s + std::string(48, '\0'));
    }
    Visit(garbage);
  }
  ExpectOnlyTheGoodOneIsServed();
}

TEST_F(BadPeersTest, ManyThatConnectAndLeaveHarmNobody) {
  for (int i = 0; i < 100; ++i) {
    Visit("x");
    peers_.clear();
  }
  ExpectOnlyTheGoodOneIsServed();
}

}  // namespace
}  // namespace pipedup::test
