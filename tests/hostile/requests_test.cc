// Peers that speak the protocol of the control socket, and abuse it.
#include "base/sanitizer.h"
#include "hostile_test_base.h"

namespace pipedup::test {
namespace {

using namespace std::string_literals;

std::string Hello(const std::string& id, const std::string& more = "") {
  return ZmtpFrame(R"({"op":"hello","v":1,"id":")" + id + R"(","stream":"default")" + more +
                   "}");
}

TEST_F(HostileTest, AbsurdMessagesOfAMember) {
  Start();
  ZmtpPeer peer(tcp(), Port::kControl);
  ASSERT_TRUE(peer.Join("DEALER"));
  const std::string session = R"("session":")" + publisher_->session() + R"(")";
  const std::vector<std::string> messages = {
      R"({"op":"read","request":1,"from":18446744073709551615,"max":4194304,)" + session + "}",
      R"({"op":"read","request":1,"from":-1,"max":1,)" + session + "}",
      R"({"op":"read","request":1,"from":"0","max":"1",)" + session + "}",
      R"({"op":"read","request":1,"from":1e400,"max":1,)" + session + "}",
      R"({"op":"read","request":1,"from":0,"max":1e18,)" + session + "}",
      R"({"op":"read","request":1,"from":{"last":18446744073709551615},"max":1,)" + session +
          "}",
      R"({"op":"read","request":1,"from":{"since":18446744073709551615},"max":1,)" + session +
          "}",
      R"({"op":"read","request":1,"from":{"last":1,"since":1},"max":1,)" + session + "}",
      R"({"op":"status","position":18446744073709551615,"lost":18446744073709551615,"mode":"ended",)" +
          session + "}",
      R"({"op":"status","position":0,"mode":"joining","session":"ffffffffffffffff"})",
      R"({"op":"bye","op":"hello","op":17})",
      R"({"op":"hello","v":1,"v":2,"id":"aa","id":"bb"})",
      "{\"op\":\"hello\",\"v\":1,\"id\":\"aa\",\"name\":\"\xff\xfe\x80\"}",
      R"({"op":"hello","v":1,"id":"aa","name":"a\u0000b\u001b]0;owned\u0007\u009b31m"})",
      R"({"op":"hello","v":2147483648,"id":"aa"})",
      R"({"op":"hello","v":1,"id":"aa","pid":-9223372036854775808})",
      R"({"op":"hello","v":1,"id":"aa","role":"owner"})",
      std::string(8192, '['),
      R"({"op":)" + std::string(8000, '{'),
      "{\"op\":\"stats\"\0}"s,
      "",
  };
  for (int round = 0; round < 3; ++round) {
    (void)peer.Send(Hello("abad1dea", R"(,"name":"\u001b[2Jx")"));
    for (const std::string& message : messages) (void)peer.Send(ZmtpFrame(message));
    ExpectTheGoodOneIsServed();
  }
  EXPECT_TRUE(Eventually([&] { return Counter("bad_requests") > messages.size(); }));
  for (const std::string& line : publisher_->lines()) {
    EXPECT_EQ(line.find_first_of("\x1b\x07"), std::string::npos) << "reaches a terminal";
  }
  ExpectNoHarm();
}

TEST_F(HostileTest, AFloodOfRequestsIsCutOff) {
  Start();
  for (const bool member : {false, true}) {
    for (const char* request :
         {R"({"op":"stats"})", R"({"op":"sing"})", "{}", "x",
          R"({"op":"status","session":"00000000000000ab","position":0,"mode":"live"})",
          R"({"op":"read","request":1,"session":"00000000000000ab","from":0,"max":1})"}) {
      ZmtpPeer peer(tcp(), Port::kControl, 4096);  // and reads no answer
      ASSERT_TRUE(peer.Join("DEALER"));
      if (member) (void)peer.Send(Hello("f100d"));
      std::string many;
      for (int i = 0; i < 64; ++i) many += ZmtpFrame(request);
      std::size_t sent = 0;
      while (sent < 10'000'000 && peer.Send(many)) {
        if (sent++ % 64 == 0) Look();
      }
      EXPECT_TRUE(Eventually([&] { return peer.IsClosed(); })) << request;
      ExpectTheGoodOneIsServed();
    }
  }
  EXPECT_GT(Counter("requests_ignored"), 0U);
  EXPECT_GT(Counter("connections_cut"), 0U);
  ExpectNoHarm();
}

TEST_F(HostileTest, AFloodOfNewMembersFromManyConnections) {
  Start({"--max-subs", "50"});
  for (std::size_t i = 0; i < Sized(300, 3000); ++i) {
    peers_.push_back(std::make_unique<ZmtpPeer>(tcp(), Port::kControl));
    ASSERT_TRUE(peers_.back()->Join("DEALER"));
    std::string hellos;
    for (std::size_t j = 0; j < 30; ++j)
      hellos += Hello("badc0de" + std::to_string(i * 100 + j));
    (void)peers_.back()->Send(hellos);
    if (peers_.size() == 100) peers_.clear();
    if (i % 50 == 0) ExpectTheGoodOneIsServed();
  }
  EXPECT_LE(Stats().at("subscribers_total"), 50);
  EXPECT_GT(Counter("hellos_refused"), 0U);
  ExpectNoHarm();
}

// What a data socket takes is far less, and one is bound to the same port of another address.
TEST_F(HostileTest, AMemberIsNotHeldToTheLimitsOfADataSocketElsewhere) {
  const std::uint16_t port = FreePortPair();
  Start({"--bind", "tcp://127.0.0.1:" + std::to_string(port), "--bind",
         "tcp://127.0.0.2:" + std::to_string(port + 1)});
  ZmtpPeer member(tcp(), Port::kControl);
  ASSERT_TRUE(member.Join("DEALER"));
  (void)member.Send(Hello("600d"));
  const std::string ping = R"({"op":"read","request":1,"from":0,"max":0,"session":")" +
                           publisher_->session() + R"("})";
  std::string many;
  for (int i = 0; i < 200; ++i) many += ZmtpFrame(ping);
  (void)member.Send(many);
  for (int i = 0; i < 201; ++i) ASSERT_TRUE(member.ReceiveMessage()) << "after " << i;
  EXPECT_EQ(Counter("connections_cut"), 0U);
  ExpectNoHarm();
}

TEST_F(HostileTest, ARequestThatNeverEndsIsCutOff) {
  Start();
  for (const std::size_t part : {std::size_t{1}, std::size_t{33}, std::size_t{8000}}) {
    for (std::size_t i = 0; i < Sized(20, 500); ++i) {
      ZmtpPeer peer(tcp(), Port::kControl);
      ASSERT_TRUE(peer.Join("DEALER"));
      std::string many;
      for (int j = 0; j < 64; ++j) many += ZmtpFrame(std::string(part, 'x'), kZmtpMore);
      std::size_t sent = 0;
      while (sent < 1'000'000 && peer.Send(many)) sent += 64;
      EXPECT_TRUE(Eventually([&] { return peer.IsClosed(); }));
      if (i % 10 == 0) Look();
    }
    ExpectTheGoodOneIsServed();
  }
  EXPECT_GE(Counter("connections_cut"), 3 * Sized(20, 500));
  ExpectNoHarm();
}

// Each below what it is cut off for, but all of them together above what the publisher holds.
TEST_F(HostileTest, ManyThatHoldALittleAreCutOffTogether) {
  if (kSanitized) GTEST_SKIP() << "memory has no bound with a sanitizer: most is its own";
  Start();
  std::string nearly;
  while (nearly.size() < 50'000) nearly += ZmtpFrame("x", kZmtpMore);
  for (int round = 0; round < 40 && Counter("socket_remakes") == 0; ++round) {
    for (int i = 0; i < 25; ++i) {
      peers_.push_back(std::make_unique<ZmtpPeer>(tcp(), Port::kControl));
      // Refused while the socket is made anew.
      if (peers_.back()->Join("DEALER")) (void)peers_.back()->Send(nearly);
    }
    ExpectTheGoodOneIsServed();
    Look();
  }
  EXPECT_GE(Counter("socket_remakes"), 1U);
  EXPECT_TRUE(publisher_->said("remade"));
  ExpectNoHarm();
}

// It has stopped reading; what it asks for does not pile up.
TEST_F(HostileTest, AnswersThatNobodyReadsAreNotKept) {
  Start();
  for (std::size_t i = 0; i < Sized(20, 200); ++i) {
    peers_.push_back(std::make_unique<ZmtpPeer>(tcp(), Port::kControl, 4096));
    ASSERT_TRUE(peers_.back()->Join("DEALER"));
    std::string requests = Hello("dead" + std::to_string(i));
    const std::string read = R"({"op":"read","request":1,"from":0,"max":4194304,"session":")" +
                             publisher_->session() + R"("})";
    for (int j = 0; j < 100; ++j) requests += ZmtpFrame(read) + ZmtpFrame(R"({"op":"stats"})");
    (void)peers_.back()->Send(requests, std::chrono::seconds(1));
    ExpectTheGoodOneIsServed();
    Look();
  }
  ExpectNoHarm();
}

}  // namespace
}  // namespace pipedup::test
