// Peers that speak the protocol by hand: DEALER and SUB of plain ZeroMQ, and bytes on a socket.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>
#include <zmq.hpp>

#include "base/checksum.h"
#include "base/endpoint.h"
#include "os/fd.h"
#include "support/same.h"
#include "wire/block_header.h"
#include "wire/compression.h"
#include "wire/control.h"

namespace pipedup {

inline constexpr int kPatienceMs = 20'000;  // only ever passes where a test fails
inline constexpr int kSayAgainMs = 500;

struct BlockMessage {
  std::string topic;
  BlockHeader header;
  std::string payload;    ///< decoded
  std::string sent = {};  ///< as it came
};

/// Takes a block message apart, and checks all that PROTOCOL.md, 3 says about it.
inline BlockMessage ReadBlockMessage(const std::vector<std::string>& frames) {
  BlockMessage block;
  if (frames.size() != 2) {
    ADD_FAILURE() << "a block message of " << frames.size() << " frames";
    return block;
  }
  const ParsedFrame parsed = ParseFrame(AsBytes(frames[0]));
  if (!parsed.header) {
    ADD_FAILURE() << "bad header: " << Describe(parsed.error);
    return block;
  }
  block = {std::string(parsed.topic), *parsed.header, frames[1], frames[1]};
  if (block.header.codec == Codec::kZstd) {
    EXPECT_LT(block.sent.size(), block.header.length);
    Decompressor decompressor;
    const auto plain = decompressor.Decompress(AsBytes(block.sent), block.header.length);
    block.payload = plain ? std::string(AsText(plain->bytes)) : "";
  }
  EXPECT_EQ(block.payload.size(), block.header.length);
  if (block.header.kind == BlockKind::kData) {
    EXPECT_TRUE(block.header.checksummed);
    EXPECT_EQ(block.header.checksum, Checksum(AsBytes(block.sent)));
  }
  return block;
}

/// What a peer shows of itself before it is let in.
struct Papers {
  std::string public_key = {};  ///< Z85; empty: no keys, nothing is encrypted
  std::string secret_key = {};
  std::string server_key = {};
  std::string route = {};  ///< ROUTER's name for the connection; empty: it chooses one
  int queue = 0;           ///< messages that it takes in before it is read; 0: no bound
};

class RawSocket {
 public:
  virtual ~RawSocket() = default;
  RawSocket(zmq::socket_type type, const std::string& endpoint, const Papers& papers = {})
      : socket_(context_, type) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::rcvtimeo, kPatienceMs);
    socket_.set(zmq::sockopt::sndtimeo, kPatienceMs);
    socket_.set(zmq::sockopt::rcvhwm, papers.queue);
    if (type == zmq::socket_type::sub) {
      socket_.set(zmq::sockopt::subscribe, zmq::buffer("demo\0", 5));
    }
    if (!papers.public_key.empty()) {
      socket_.set(zmq::sockopt::curve_publickey, papers.public_key);
      socket_.set(zmq::sockopt::curve_secretkey, papers.secret_key);
      socket_.set(zmq::sockopt::curve_serverkey, papers.server_key);
    }
    if (!papers.route.empty()) socket_.set(zmq::sockopt::routing_id, papers.route);
    socket_.connect(endpoint);
  }

  void Send(std::string_view frame) { socket_.send(zmq::buffer(frame), zmq::send_flags::none); }
  void Send(const control::Message& message) { Send(control::Encode(message)); }

  /// The next message, or none if there is none within `patience_ms`.
  std::vector<std::string> TryReceive(int patience_ms) {
    socket_.set(zmq::sockopt::rcvtimeo, patience_ms);
    std::vector<std::string> frames;
    zmq::message_t frame;
    while (socket_.recv(frame)) {
      frames.push_back(frame.to_string());
      if (!frame.more()) break;
    }
    socket_.set(zmq::sockopt::rcvtimeo, kPatienceMs);
    return frames;
  }

  bool Readable(int patience_ms) {
    zmq::pollitem_t item{socket_.handle(), 0, ZMQ_POLLIN, 0};
    return zmq::poll(&item, 1, std::chrono::milliseconds(patience_ms)) > 0;
  }
  /// The next message, waited for; none when nothing came for long.
  std::vector<std::string> Receive() {
    std::vector<std::string> frames;
    zmq::message_t frame;
    do {
      const auto received = socket_.recv(frame);
      if (!received) {
        ADD_FAILURE() << "nothing came";
        return {};
      }
      frames.push_back(frame.to_string());
    } while (frame.more());
    return frames;
  }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_;
};

/// The data socket.
class LiveByHand : public RawSocket {
 public:
  explicit LiveByHand(const Endpoint& endpoint, const Papers& papers = {})
      : RawSocket(zmq::socket_type::sub, endpoint.data(), papers) {
    (void)Next();  // a head: the subscription has taken hold
  }
  BlockMessage Next() {
    BlockMessage block = ReadBlockMessage(Receive());
    EXPECT_EQ(block.topic, "demo");
    EXPECT_EQ(block.header.session, 0x1f2e3d4c5b6a7988U);
    return block;
  }
  /// The next message that is no head.
  BlockMessage NextData() {
    while (true) {
      BlockMessage block = Next();
      if (block.header.kind != BlockKind::kHead || testing::Test::HasFailure()) return block;
    }
  }
};

/// What a read was answered.
struct Answer {
  std::vector<BlockMessage> blocks;
  std::string bytes;
  bool ended = false;  ///< the last block message was the end of the stream
  control::Done done;
};

/// The control socket.
class ControlByHand : public RawSocket {
 public:
  explicit ControlByHand(const Endpoint& endpoint, std::string id = "a1",
                         const Papers& papers = {})
      : RawSocket(zmq::socket_type::dealer, endpoint.control(), papers), id_(std::move(id)) {}

  using Next = std::variant<control::Message, BlockMessage>;
  Next NextMessage() {
    const std::vector<std::string> frames = Receive();
    if (frames.size() == 2) {
      BlockMessage block = ReadBlockMessage(frames);
      EXPECT_EQ(block.topic, "");
      return block;
    }
    if (frames.size() == 1) {
      const control::ParseResult parsed = control::Parse(AsBytes(frames[0]));
      if (const auto* message = std::get_if<control::Message>(&parsed)) return *message;
    }
    ADD_FAILURE() << "neither an answer nor a block: " << (frames.empty() ? "" : frames[0]);
    return control::Message(control::Bye{});
  }
  /// The next message, which must be of that type.
  template <typename Message>
  Message Expect() {
    const Next next = NextMessage();
    if (const auto* message = std::get_if<control::Message>(&next)) {
      if (const auto* wanted = std::get_if<Message>(message)) return *wanted;
      ADD_FAILURE() << "another answer: " << control::Encode(*message);
    } else {
      ADD_FAILURE() << "a block";
    }
    return {};
  }

  control::Hello Hello() const {
    control::Hello hello;
    hello.id = id_;
    hello.stream = "demo";
    hello.name = "by hand " + id_;
    hello.host = "here";
    hello.pid = 4711;
    return hello;
  }
  control::Welcome Join(control::Role role = control::Role::kSub) {
    control::Hello hello = Hello();
    hello.role = role;
    Send(hello);
    // A socket that the publisher makes anew may take a hello with it: it is said again.
    int said = 1;
    while (!Readable(kSayAgainMs) && said * kSayAgainMs < kPatienceMs) {
      Send(hello);
      ++said;
    }
    const auto welcome = Expect<control::Welcome>();
    if (said > 1) SkipToAnswer();
    return welcome;
  }

  static control::Read ReadAt(Position from, std::uint64_t max, std::uint64_t request = 1) {
    return {request, 0x1f2e3d4c5b6a7988, {control::ReadFrom::Kind::kPosition, from}, max};
  }
  Answer Read(Position from, std::uint64_t max) { return Read(ReadAt(from, max)); }
  Answer Read(const control::Read& read) {
    Send(read);
    return Collect();
  }
  /// Everything up to the next done.
  Answer Collect() {
    Answer answer;
    while (!testing::Test::HasFailure()) {
      Next next = NextMessage();
      if (auto* block = std::get_if<BlockMessage>(&next)) {
        EXPECT_FALSE(answer.ended) << "the end is the last block message";
        if (block->header.kind == BlockKind::kEndOfStream) answer.ended = true;
        answer.bytes += block->payload;
        answer.blocks.push_back(std::move(*block));
        continue;
      }
      const auto& message = std::get<control::Message>(next);
      if (const auto* done = std::get_if<control::Done>(&message)) {
        answer.done = *done;
        return answer;
      }
      ADD_FAILURE() << "not a done: " << control::Encode(message);
    }
    return answer;
  }
  /// What comes before the answer to what is asked now is dropped.
  void SkipToAnswer() {
    constexpr std::uint64_t kRequest = 4711;
    Send(ReadAt(0, 0, kRequest));
    while (!testing::Test::HasFailure()) {
      const Next next = NextMessage();
      const auto* message = std::get_if<control::Message>(&next);
      const auto* done = message == nullptr ? nullptr : std::get_if<control::Done>(message);
      if (done != nullptr && done->request == kRequest) return;
    }
  }
  void SendStatus(Position position, control::Mode mode = control::Mode::kLive) {
    Send(control::Status{0x1f2e3d4c5b6a7988, position, 0, mode});
  }

 private:
  std::string id_;
};

/// What peers say first that do not speak ZMTP 3.
inline std::vector<std::string> OtherGreetings() {
  using namespace std::string_literals;
  return {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
          "\x01\x00"s + "\x02\x00\x01"s,  // ZMTP 1.0, subscribe all
          "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x02\x00\x00"s +
              "\x00\x01\x01"s,  // ZMTP 2.0, SUB
          "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x05\x00\x00"s +
              "\x00\x01{"s,                                 // ZMTP 2.0, DEALER
          "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s,  // TLS
          std::string(64, '\0'),
          std::string(64, '\xff')};
}

/// A plain connection, over tcp or a unix socket.
class RawConnection {
 public:
  /// `control`: to the control socket, else to the data socket.
  RawConnection(const Endpoint& endpoint, bool control) {
    if (endpoint.kind == Endpoint::Kind::kIpc) {
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      const std::string path = endpoint.path + (control ? ".ctl" : "");
      path.copy(address.sun_path, sizeof address.sun_path - 1);
      Connect(AF_UNIX, &address, sizeof address);
    } else {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      address.sin_port = htons(static_cast<std::uint16_t>(endpoint.port + (control ? 1 : 0)));
      Connect(AF_INET, &address, sizeof address);
    }
  }
  void Send(std::string_view bytes) {
    (void)::send(fd_.get(), bytes.data(), bytes.size(),
                 MSG_NOSIGNAL);  // it may be closed already
  }
  /// Everything that has come so far.
  const std::string& Received() {
    std::array<char, 4096> buffer{};
    while (true) {
      const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (n <= 0) return received_;
      received_.append(buffer.data(), static_cast<std::size_t>(n));
    }
  }

 private:
  void Connect(int family, const void* address, socklen_t size) {
    fd_ = UniqueFd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd_.get(), static_cast<const sockaddr*>(address), size), 0);
  }
  UniqueFd fd_;
  std::string received_;
};

}  // namespace pipedup
