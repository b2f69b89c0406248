// Blocks that are sent compressed: to everybody, to those who ask, and to nobody who cannot
// read them; and what a receiver makes of them.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <variant>

#include "contract_test_base.h"
#include "subscribe/receiver.h"

namespace pipedup {
namespace {

/// One line that does not shrink.
std::string Noise(std::size_t bytes) {
  std::mt19937_64 random(bytes);
  std::string text(bytes, '\0');
  for (char& c : text) {
    c = static_cast<char>(random());
    if (c == '\n') c = 'n';
  }
  text.back() = '\n';
  return text;
}

class Compressed : public ContractTest {
 protected:
  void StartCompressed(int level = 1) {
    PublishedStreamOptions options;
    options.zstd_level = level;
    Start(options);
  }
  static control::Welcome JoinReading(ControlByHand& peer, std::vector<std::string> codecs) {
    control::Hello hello = peer.Hello();
    hello.codecs = std::move(codecs);
    peer.Send(hello);
    return peer.Expect<control::Welcome>();
  }
};
PIPEDUP_OVER_ALL_TRANSPORTS(Compressed);

TEST_P(Compressed, LiveBlocksAreAndHoldEveryByte) {
  StartCompressed();
  LiveByHand live(endpoint());
  const std::string text = Lines(3 * kMiB);
  PublishAll(text);
  std::string received;
  std::size_t sent = 0;
  while (received.size() < text.size() && !HasFailure()) {
    const BlockMessage block = live.NextData();
    ASSERT_EQ(block.header.position, received.size());
    EXPECT_EQ(block.header.codec, Codec::kZstd);
    received += block.payload;
    sent += block.sent.size();
  }
  EXPECT_TRUE(Same(received, text));
  EXPECT_LT(sent, text.size() / 4);
}

TEST_P(Compressed, AnswersAreToo) {
  StartCompressed();
  const std::string text = Lines(3 * kMiB);
  PublishAll(text);
  ControlByHand peer(endpoint());
  EXPECT_EQ(JoinReading(peer, {"lz9", "zstd"}).codec, "zstd");
  const Answer answer = peer.Read(1000, control::kMaxReadBytes);
  EXPECT_TRUE(Same(answer.bytes, text.substr(1000)));
  EXPECT_EQ(answer.done.next, text.size());
  for (const BlockMessage& block : answer.blocks) EXPECT_EQ(block.header.codec, Codec::kZstd);
}

TEST_P(Compressed, WhatDoesNotShrinkIsSentAsItIsBothWays) {
  StartCompressed(19);
  LiveByHand live(endpoint());
  const std::string noise = Noise(100'000);
  publisher_->Publish(noise);
  const BlockMessage block = live.NextData();
  EXPECT_EQ(block.header.codec, Codec::kNone);
  EXPECT_TRUE(Same(block.payload, noise));
  ControlByHand peer(endpoint());
  (void)JoinReading(peer, {"zstd"});
  const Answer answer = peer.Read(0, control::kMaxReadBytes);
  EXPECT_TRUE(Same(answer.bytes, noise));
  for (const BlockMessage& each : answer.blocks) EXPECT_EQ(each.header.codec, Codec::kNone);
}

TEST_P(Compressed, WhoDoesNotReadThemIsRefusedAndGetsNothing) {
  StartCompressed();
  publisher_->Publish(Lines(kMiB));
  for (const std::vector<std::string>& codecs :
       {std::vector<std::string>{}, std::vector<std::string>{"lz9", "zstd2"}}) {
    ControlByHand peer(endpoint());
    control::Hello hello = peer.Hello();
    hello.codecs = codecs;
    peer.Send(hello);
    const auto refused = peer.Expect<control::Refused>();
    EXPECT_EQ(refused.code, "codec");
    EXPECT_NE(refused.reason.find("zstd"), std::string::npos) << refused.reason;
    peer.Send(ControlByHand::ReadAt(0, control::kMaxReadBytes));
    EXPECT_EQ(peer.Expect<control::Error>().code, "unknown-member");
  }
  EXPECT_TRUE(publisher_->log().joined.empty());
}

TEST_P(Compressed, OnlyIfThePublisherIsToldSo) {
  Start();
  publisher_->Publish(Lines(kMiB));
  ControlByHand peer(endpoint());
  EXPECT_EQ(JoinReading(peer, {"zstd"}).codec, "none");
  for (const BlockMessage& block : peer.Read(0, kMiB).blocks) {
    EXPECT_EQ(block.header.codec, Codec::kNone);
  }
}

TEST_P(Compressed, TheCountersSayWhatItCameTo) {
  StartCompressed();
  LiveByHand live(endpoint());
  const std::string text = Lines(kMiB);
  publisher_->Publish(text);
  std::size_t sent = 0;
  for (std::size_t received = 0; received < text.size() && !HasFailure();) {
    const BlockMessage block = live.NextData();
    received += block.payload.size();
    sent += block.sent.size();
  }
  ControlByHand peer(endpoint());
  (void)JoinReading(peer, {"zstd"});
  std::size_t answered = 0;
  for (const BlockMessage& block : peer.Read(0, kMiB).blocks) answered += block.sent.size();
  peer.Send(control::StatsRequest{});
  const auto counters = peer.Expect<control::Stats>().counters;
  EXPECT_EQ(counters.at("live_bytes"), text.size());
  EXPECT_EQ(counters.at("live_wire_bytes"), sent);
  EXPECT_EQ(counters.at("replayed_bytes"), text.size());
  EXPECT_EQ(counters.at("replayed_wire_bytes"), answered);
}

// ---- the receiver ----

/// Keeps what a receiver says. Of the loop's thread.
class Listener final : public ReceiverEvents {
 public:
  void OnBegin(const control::Welcome&, Position) override {}
  void OnBytes(const BlockHeader& header, Position from, SharedBytes bytes) override {
    EXPECT_EQ(from, text.size());
    text += AsText(bytes.bytes);
    if (bytes.encoded) {
      EXPECT_EQ(header.codec, Codec::kZstd);
      EXPECT_EQ(header.length, bytes.size());
      EXPECT_EQ(header.checksum, Checksum(bytes.encoded->bytes));
      encoded[from] = std::string(AsText(bytes.encoded->bytes));
    }
  }
  void OnGap(const Gap&) override { ++gaps; }
  void OnSessionChanged(const control::Welcome&, SessionId) override {}
  void OnSessionContinues(const control::Welcome&, SessionId, Position) override {}
  void OnMode(control::Mode) override {}
  void OnEndOfStream(Position, std::uint32_t) override { ended = true; }
  void OnReceived() override {}
  void OnLetGo(const std::string&) override {}
  void OnDamaged(const std::string& what) override { damaged.push_back(what); }
  void OnNotAttached(const std::string&) override {}
  void OnSilence() override {}
  void OnFail(int, const std::string& text_of_it) override { failure = text_of_it; }

  std::string text;
  std::map<Position, std::string> encoded;
  std::vector<std::string> damaged;
  std::string failure;
  int gaps = 0;
  bool ended = false;
};

/// A Receiver in a thread of its own, that reads from position 0.
class RunningReceiver {
 public:
  RunningReceiver(const Endpoint& endpoint, bool keep_encoded) {  // one of each at a time
    ReceiverOptions options;
    options.endpoint = endpoint;
    options.hello.id = keep_encoded ? "c3" : "d4";
    options.modes.from.kind = Beginning::Kind::kStart;
    options.modes.dead_after = std::chrono::hours(1);
    options.keep_encoded = keep_encoded;
    thread_.Do([&] { receiver_.emplace(context_, thread_.loop(), options, listener_); });
  }
  ~RunningReceiver() {
    thread_.Do([this] { receiver_.reset(); });
  }
  template <typename Predicate>
  [[nodiscard]] bool Eventually(Predicate is_true) {
    return test::Eventually([&] {
      bool is = false;
      thread_.Do([&] { is = is_true(listener_); });
      return is;
    });
  }
  ReceiverCounters counters() {
    ReceiverCounters copy;
    thread_.Do([&] { copy = receiver_->counters(); });
    return copy;
  }
  const Listener& listener() const { return listener_; }  // when nothing comes any more

 private:
  Context context_;
  TestLoop thread_;
  Listener listener_;
  std::optional<Receiver> receiver_;
};

TEST_P(Compressed, AReceiverHandsOnWhatWasSentToAnOwnerThatWantsIt) {
  StartCompressed();
  const std::string early = Lines(kMiB);
  const std::string late = Lines(kMiB, 1'000'000);
  PublishAll(early);
  RunningReceiver keeps(endpoint(), true);
  RunningReceiver does_not(endpoint(), false);
  for (RunningReceiver* each : {&keeps, &does_not}) {
    ASSERT_TRUE(
        each->Eventually([&](const auto& it) { return it.text.size() == early.size(); }));
  }
  PublishAll(late);
  publisher_->End(0);
  for (RunningReceiver* each : {&keeps, &does_not}) {
    ASSERT_TRUE(each->Eventually([](const auto& it) { return it.ended; }));
    EXPECT_TRUE(Same(each->listener().text, early + late));
    EXPECT_LT(each->counters().wire_bytes, (early + late).size() / 4);
    EXPECT_GT(each->counters().wire_bytes, 0U);
  }
  EXPECT_TRUE(does_not.listener().encoded.empty());
  std::string decoded;
  Decompressor decompressor;
  for (const auto& [position, frame] : keeps.listener().encoded) {
    EXPECT_EQ(position, decoded.size());
    const std::size_t next =
        keeps.listener().encoded.upper_bound(position) == keeps.listener().encoded.end()
            ? early.size() + late.size()
            : keeps.listener().encoded.upper_bound(position)->first;
    const auto plain = decompressor.Decompress(AsBytes(frame), next - position);
    ASSERT_TRUE(plain);
    decoded += AsText(plain->bytes);
  }
  EXPECT_TRUE(Same(decoded, early + late)) << "every block was delivered whole";
}

/// A publisher by hand that holds `text`, and answers the first reads with blocks that are
/// damaged under a sound checksum.
class Forger {
 public:
  Forger(std::string text, std::vector<std::string> forged)
      : text_(std::move(text)), forged_(std::move(forged)) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::rcvtimeo, kPatienceMs);
    data_.set(zmq::sockopt::linger, 0);
  }
  /// Over tcp, on two ports that follow each other.
  Endpoint Bind() {
    Endpoint endpoint;
    endpoint.host = "127.0.0.1";
    for (int i = 0; i < 100; ++i) {
      data_.bind("tcp://127.0.0.1:0");
      const std::string bound = data_.get(zmq::sockopt::last_endpoint);
      endpoint.port = static_cast<std::uint16_t>(std::stoi(bound.substr(bound.rfind(':') + 1)));
      try {
        socket_.bind(endpoint.control());
        return endpoint;
      } catch (const zmq::error_t&) {
        data_.unbind(bound);
      }
    }
    ADD_FAILURE() << "no two ports";
    return endpoint;
  }
  /// Serves until `reads` have been answered.
  void Serve(int reads) {
    while (reads > 0) {
      zmq::message_t route;
      zmq::message_t request;
      if (!socket_.recv(route) || !socket_.recv(request)) {
        ADD_FAILURE() << "nothing was asked";
        return;
      }
      const auto parsed =
          control::Parse({static_cast<const std::byte*>(request.data()), request.size()});
      const auto& message = std::get<control::Message>(parsed);
      if (const auto* hello = std::get_if<control::Hello>(&message)) {
        EXPECT_EQ(hello->codecs, std::vector<std::string>{"zstd"});
        control::Welcome welcome;
        welcome.stream = "demo";
        welcome.session = kSession;
        welcome.head = text_.size();
        welcome.codec = "zstd";
        Reply(route.to_string(), {control::Encode(welcome)});
      } else if (const auto* read = std::get_if<control::Read>(&message)) {
        Answer(route.to_string(), *read);
        --reads;
      }
    }
  }

 private:
  void Reply(const std::string& route, const std::vector<std::string>& frames) {
    socket_.send(zmq::buffer(route), zmq::send_flags::sndmore);
    for (std::size_t i = 0; i < frames.size(); ++i) {
      socket_.send(zmq::buffer(frames[i]),
                   i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
  }
  void Answer(const std::string& route, const control::Read& read) {
    Compressor compressor;
    BlockHeader header;
    header.codec = Codec::kZstd;
    header.session = kSession;
    header.position = read.from.value;
    const std::string rest = text_.substr(read.from.value);
    header.length = static_cast<std::uint32_t>(rest.size());
    header.begins_record = header.ends_record = true;
    std::string frame(AsText(*compressor.Compress(AsBytes(rest), 1)));
    if (!forged_.empty()) {
      frame = forged_.back();
      forged_.pop_back();
    }
    header.checksum = Checksum(AsBytes(frame));
    Reply(route, {EncodeFrame("", header), frame});
    control::Done done;
    done.request = read.request;
    done.session = kSession;
    done.next = done.head = text_.size();
    Reply(route, {control::Encode(done)});
  }

  const std::string text_;
  std::vector<std::string> forged_;
  zmq::context_t context_;
  zmq::socket_t data_{context_, zmq::socket_type::pub};
  zmq::socket_t socket_{context_, zmq::socket_type::router};
};

TEST(CompressedByOthers, AFrameThatDoesNotDecodeIsDamageAndIsFetchedAgain) {
  const std::string text(10'000, '\n');
  Compressor compressor;
  const std::string shorter(AsText(*compressor.Compress(AsBytes(text).first(9'999), 1)));
  const std::string bomb(AsText(*compressor.Compress(AsBytes(std::string(kMiB, '\n')), 1)));
  const std::vector<std::string> forged = {shorter, bomb, "not a frame", "", shorter + shorter};
  Forger forger(text, forged);
  RunningReceiver receiver(forger.Bind(), false);
  forger.Serve(static_cast<int>(forged.size()) + 1);
  ASSERT_TRUE(
      receiver.Eventually([&](const auto& it) { return it.text.size() >= text.size(); }));
  EXPECT_TRUE(Same(receiver.listener().text, text));
  EXPECT_EQ(receiver.listener().damaged.size(), forged.size());
  EXPECT_EQ(receiver.counters().damaged_blocks, forged.size());
  EXPECT_EQ(receiver.listener().gaps, 0);
  EXPECT_EQ(receiver.listener().failure, "");
}

}  // namespace
}  // namespace pipedup
