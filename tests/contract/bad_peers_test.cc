// Peers that mean no good: absurd requests, other protocols, and those that stop reading.
#include <gtest/gtest.h>

#include "contract_test_base.h"
#include "subscribe/receiver.h"

namespace pipedup {
namespace {

class BadPeers : public ContractTest {
 protected:
  /// The publisher still answers and still publishes.
  void ExpectItLives() {
    ControlByHand control(endpoint(), "f00d");
    (void)control.Join();
    LiveByHand live(endpoint());
    const Position head = publisher_->head();
    publisher_->Publish("alive\n");
    EXPECT_EQ(live.NextData().payload, "alive\n");
    EXPECT_EQ(control.Read(head, 100).bytes, "alive\n");
  }
};
PIPEDUP_OVER_ALL_TRANSPORTS(BadPeers);

TEST_P(BadPeers, RequestsThatMakeNoSenseAreAnsweredWithAnError) {
  Start();
  publisher_->Publish("one\n");
  ControlByHand peer(endpoint());
  (void)peer.Join();
  for (
      const std::string_view request :
      {R"({"op":"read","request":1,"session":"1f2e3d4c5b6a7988","from":0,"max":4194305})",
       R"({"op":"read","request":1,"session":"1f2e3d4c5b6a7988","from":-1,"max":1})",
       R"({"op":"read","request":1,"session":"1f2e3d4c5b6a7988","from":1.5,"max":1})",
       R"({"op":"read","request":1,"session":"xyz","from":0,"max":1})",
       R"({"op":"read","request":18446744073709551616,"session":"1f2e3d4c5b6a7988","from":0,"max":1})",
       R"({"op":"read"})", R"({"op":17})", R"({})", R"([])", R"(null)", "", "{", "\xff\xfe",
       R"({"op":"welcome"})"}) {
    peer.Send(request);
    EXPECT_EQ(peer.Expect<control::Error>().code, "bad-request") << request;
  }
  peer.Send(R"({"op":"sing"})");
  EXPECT_EQ(peer.Expect<control::Error>().code, "unknown-op");
  EXPECT_EQ(peer.Read(0, 100).bytes, "one\n") << "it is still a member";
}

TEST_P(BadPeers, AnAnswerIsNoRequest) {
  Start();
  ControlByHand peer(endpoint());
  (void)peer.Join();
  peer.Send(control::LetGo{"go"});
  EXPECT_EQ(peer.Expect<control::Error>().code, "bad-request");
}

TEST_P(BadPeers, DeepJsonIsRefused) {
  Start();
  ControlByHand peer(endpoint());
  peer.Send(R"({"op":"bye","x":)" + std::string(3000, '[') + std::string(3000, ']') + "}");
  EXPECT_EQ(peer.Expect<control::Error>().code, "bad-request");
  ExpectItLives();
}

TEST_P(BadPeers, StatusesThatLieAreHarmless) {
  PublishedStreamOptions options = Retaining(kMiB);
  options.wait = true;
  Start(options);
  ControlByHand peer(endpoint());
  (void)peer.Join();
  peer.Send(control::Status{kSession, UINT64_MAX, UINT64_MAX, control::Mode::kEnded});
  peer.Send(control::Status{99, UINT64_MAX, 0, control::Mode::kEnded});
  peer.Send(control::Status{kSession, 0, 0, control::Mode::kJoining});
  PublishAll(Lines(kMiB / 8));
  EXPECT_FALSE(publisher_->log().finished);
  ExpectItLives();
}

TEST_P(BadPeers, AFrameOverTheLimitCutsTheConnectionAndNothingElse) {
  Start();
  ControlByHand peer(endpoint());
  (void)peer.Join();
  peer.Send(std::string(8 * 1024 + 1, 'x'));
  // DEALER connects again by itself; it is not known over the new connection.
  ASSERT_TRUE(test::Eventually([&] {
    peer.Send(peer.Hello());
    return !peer.TryReceive(100).empty();
  }));
  ExpectItLives();
}

TEST_P(BadPeers, MessagesOfManyFramesAreDropped) {
  Start();
  zmq::context_t context;
  zmq::socket_t dealer(context, zmq::socket_type::dealer);
  dealer.set(zmq::sockopt::linger, 1000);
  dealer.connect(endpoint().control());
  for (int i = 0; i < 50; ++i) {
    for (int frame = 0; frame < 20; ++frame) {
      dealer.send(zmq::buffer("x", 1), zmq::send_flags::sndmore);
    }
    dealer.send(zmq::buffer("x", 1), zmq::send_flags::none);
  }
  ExpectItLives();
}

TEST_P(BadPeers, OtherProtocolsGetNoByteOfTheStream) {
  Start();
  LiveByHand good(endpoint());
  std::vector<std::unique_ptr<RawConnection>> strangers;
  for (const bool control : {false, true}) {
    for (const std::string& greeting : OtherGreetings()) {
      strangers.push_back(std::make_unique<RawConnection>(endpoint(), control));
      strangers.back()->Send(greeting);
    }
  }
  // By the third head everybody has had the time to get something.
  for (int i = 0; i < 3; ++i) {
    publisher_->Publish("secret\n");
    while (good.Next().header.kind != BlockKind::kHead && !HasFailure()) {
    }
  }
  for (std::size_t i = 0; i < strangers.size(); ++i) {
    const std::string& received = strangers[i]->Received();
    EXPECT_EQ(received.find("secret"), std::string::npos) << i;
    EXPECT_EQ(received.find("PDU"), std::string::npos) << i;
    EXPECT_EQ(received.find("demo"), std::string::npos) << i;
  }
  ExpectItLives();
}

// ---- memory ----

/// A receiver in a thread that checks each byte of an endless text.
class GoodSubscriber final : private ReceiverEvents {
 public:
  GoodSubscriber(const Endpoint& endpoint, const std::string& text) : text_(text) {
    thread_.Do([&] {
      ReceiverOptions options;
      options.endpoint = endpoint;
      options.hello.id = "900d";
      options.hello.name = "good";
      options.modes.from = {Beginning::Kind::kStart, 0};
      ReceiverEvents& events = *this;
      receiver_.emplace(context_, thread_.loop(), std::move(options), events);
    });
  }
  ~GoodSubscriber() override {
    thread_.Do([this] { receiver_.reset(); });
  }
  struct Progress {
    Position position = 0;
    int gaps = 0;
    bool wrong = false;
    bool ended = false;
    std::string failure;
  };
  Progress progress() {
    Progress copy;
    thread_.Do([&] { copy = progress_; });
    return copy;
  }
  /// Every byte before `head` has come, and they were right. A failure of the test if not.
  void AwaitPosition(Position head) {
    EXPECT_TRUE(test::Eventually([&] {
      const Progress now = progress();
      return now.position == head || now.wrong || now.gaps > 0;
    })) << "at "
        << progress().position << " of " << head;
    ExpectSound();
  }
  /// The stream has ended at `head`, and nothing was wrong on the way.
  void AwaitEnd(Position head) {
    EXPECT_TRUE(test::Eventually([&] { return progress().ended; }));
    EXPECT_EQ(progress().position, head);
    ExpectSound();
  }

 private:
  void ExpectSound() {
    const Progress now = progress();
    EXPECT_EQ(now.gaps, 0);
    EXPECT_FALSE(now.wrong);
    EXPECT_EQ(now.failure, "");
  }
  void OnBegin(const control::Welcome&, Position position) override {
    progress_.position = position;
  }
  void OnBytes(const BlockHeader&, Position from, SharedBytes bytes) override {
    if (from != progress_.position) progress_.wrong = true;
    for (std::size_t done = 0; done < bytes.size();) {
      const std::size_t at = (from + done) % text_.size();
      const std::size_t length = std::min(bytes.size() - done, text_.size() - at);
      if (std::string_view(text_).substr(at, length) !=
          AsText(bytes.bytes.subspan(done, length))) {
        progress_.wrong = true;
      }
      done += length;
    }
    progress_.position = from + bytes.size();
  }
  void OnGap(const Gap&) override { ++progress_.gaps; }
  void OnSessionChanged(const control::Welcome&, SessionId) override { progress_.wrong = true; }
  void OnSessionContinues(const control::Welcome&, SessionId, Position) override {
    progress_.wrong = true;
  }
  void OnMode(control::Mode) override {}
  void OnEndOfStream(Position, std::uint32_t) override { progress_.ended = true; }
  void OnReceived() override {
    if (receiver_) receiver_->SetProgress(0, progress_.position);
  }
  void OnLetGo(const std::string&) override {}
  void OnDamaged(const std::string&) override { progress_.wrong = true; }
  void OnSilence() override {}
  void OnNotAttached(const std::string&) override {}
  void OnFail(int, const std::string& text) override { progress_.failure = text; }

  const std::string& text_;
  Context context_;
  TestLoop thread_;
  Progress progress_;  // of the loop's thread
  std::optional<Receiver> receiver_;
};

// Whoever knows an id may take its member's place. The member finds out and takes it back; the
// stream comes over the other socket meanwhile.
TEST_P(BadPeers, AStolenIdLosesItsOwnerNothing) {
  Start(Retaining(8 * kMiB));
  const std::string text = Lines(kMiB);
  GoodSubscriber good(endpoint(), text);
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) { return log.ready == 1; }));
  Position head = 0;
  for (int round = 0; round < 20; ++round) {
    ControlByHand thief(endpoint(), "900d");
    (void)thief.Join();
    thief.SendStatus(UINT64_MAX);
    thief.Send(ControlByHand::ReadAt(head, 1000));
    thief.Send(ControlByHand::ReadAt(head, 0));
    // A ping, which is answered in any case: the read is forgotten if the owner takes its place
    // back in between, and refused if it has by then.
    (void)thief.NextMessage();
    if (round % 2 == 0) thief.Send(control::Bye{});
    PublishAll(text);
    head += text.size();
    good.AwaitPosition(head);
    ASSERT_FALSE(HasFailure());
  }
  publisher_->End(0);
  good.AwaitEnd(head);
}

TEST_P(BadPeers, ByeAndStatusAreTheConnectionsOwn) {
  Start();
  publisher_->Publish("one\n");
  ControlByHand member(endpoint(), "a1");
  (void)member.Join();
  ControlByHand other(endpoint(), "b2");
  (void)other.Join();
  other.Send(R"({"op":"bye","id":"a1"})");
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) { return log.left.size() == 1; }));
  EXPECT_EQ(publisher_->log().left[0].first, "b2");
  EXPECT_EQ(member.Read(0, 100).bytes, "one\n") << "it is still a member";
}

TEST_P(BadPeers, AFloodIsAnsweredWithSilenceAndOthersAreServed) {
  Start();
  publisher_->Publish("one\n");
  ControlByHand flooding(endpoint(), "f1");
  (void)flooding.Join();
  for (int i = 0; i < 30'000; ++i) flooding.Send(R"({"op":"sing"})");
  std::size_t answers = 0;
  while (!flooding.TryReceive(answers == 0 ? kPatienceMs : 300).empty()) ++answers;
  EXPECT_LT(answers, 5'000U);
  ExpectItLives();
}

// docs: a data socket takes 1 KiB at most. The longest command of CURVE, with the longest name
// that a peer may give itself, is less.
TEST(DataSocketLimit, ACurveHandshakeFits) {
  if (zmq_has("curve") == 0) GTEST_SKIP() << "libzmq without CURVE";
  std::array<char, 41> public_key{};
  std::array<char, 41> secret_key{};
  ASSERT_EQ(zmq_curve_keypair(public_key.data(), secret_key.data()), 0);
  zmq::context_t context;
  zmq::socket_t pub(context, zmq::socket_type::pub);
  pub.set(zmq::sockopt::maxmsgsize, std::int64_t{1024});
  pub.set(zmq::sockopt::curve_server, 1);
  pub.set(zmq::sockopt::curve_secretkey, secret_key.data());
  pub.set(zmq::sockopt::linger, 0);
  pub.bind("tcp://127.0.0.1:*");
  zmq::socket_t sub(context, zmq::socket_type::sub);
  sub.set(zmq::sockopt::curve_serverkey, public_key.data());
  sub.set(zmq::sockopt::curve_publickey, public_key.data());
  sub.set(zmq::sockopt::curve_secretkey, secret_key.data());
  sub.set(zmq::sockopt::routing_id, std::string(255, 'n'));
  sub.set(zmq::sockopt::subscribe, std::string(134, 't'));
  sub.set(zmq::sockopt::rcvtimeo, 10);
  sub.set(zmq::sockopt::linger, 0);
  sub.connect(pub.get(zmq::sockopt::last_endpoint));
  zmq::message_t received;
  EXPECT_TRUE(test::Eventually([&] {
    pub.send(zmq::buffer(std::string(200, 't')), zmq::send_flags::none);
    return sub.recv(received).has_value();
  }));
}

TEST_P(BadPeers, PeersThatStopReadingAreCutOffAndAGoodOneGetsEveryByte) {
  Start(Retaining(4 * kMiB));
  const std::string text = Lines(kMiB);
  ASSERT_EQ(text.size(), kMiB);
  GoodSubscriber good(endpoint(), text);
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) { return log.ready == 1; }));

  // Each begins to read when the one before has stopped, so that each holds other blocks.
  zmq::context_t context;
  std::vector<zmq::socket_t> stopped;
  Position head = 0;
  for (int round = 0; round < 200 && publisher_->log().remade == 0; ++round) {
    if (round % 20 == 0) {
      stopped.emplace_back(context, zmq::socket_type::sub);
      stopped.back().set(zmq::sockopt::linger, 0);
      stopped.back().set(zmq::sockopt::rcvhwm, 1);
      stopped.back().set(zmq::sockopt::rcvbuf, 4096);
      stopped.back().set(zmq::sockopt::subscribe, zmq::buffer("demo\0", 5));
      stopped.back().connect(endpoint().data());
    }
    PublishAll(text);
    head += text.size();
    good.AwaitPosition(head);
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(publisher_->log().remade, 0) << "nobody held as much as was expected";
  PublishAll(text);
  head += text.size();
  publisher_->End(0);
  good.AwaitEnd(head);
}

}  // namespace
}  // namespace pipedup
