#include "net/socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/keys.h"
#include "os/io.h"
#include "os/process.h"
#include "wire/block_header.h"
#include "wire/control.h"

namespace pipedup {
namespace {

// A ZAP domain on every listener makes libzmq ask our handler about each peer, and refuse those
// that speak ZMTP 1 or 2, or HTTP: without it they are taken for a subscriber and sent the
// stream.
constexpr const char* kZapDomain = "pipedup";

constexpr std::int64_t kCurveBytes = 64;  // more than encryption adds to a message
// All that a data socket receives: subscriptions (142 bytes at most), and commands of ZMTP, the
// longest of which is CURVE's INITIATE, 257 bytes and what the peer says of itself. libzmq
// keeps about 48 bytes for each byte of a subscription.
constexpr std::int64_t kMaxSubscriptionBytes = 1024;

// For libzmq's own threads and sockets, and what this program opens at its start; 25 do for one
// endpoint and two I/O threads.
constexpr std::uint64_t kFewestDescriptors = 64;

constexpr int kHandshakeMs = 5000;
constexpr int kBacklog = 1024;
constexpr int kReconnectMs = 100;
constexpr int kReconnectMaxMs = 5000;
constexpr int kConnectTimeoutMs = 5000;
constexpr int kSendQueue = 1000;  // messages; for sockets whose bytes are bounded elsewhere
constexpr int kFarewellMs = 500;  // how long a "bye" may take to leave

constexpr std::size_t kOwnCopy = 8192;  // bytes

struct Hint {
  SharedBytes bytes;
  std::shared_ptr<Outstanding> account;
};

// libzmq looks names up in the I/O thread of whoever connects, which may take many seconds. So
// the first thread is for connectors, and the peers of listeners are in the others: a relay
// whose parent's name is gone goes on serving its readers.
constexpr std::uint64_t kConnectorThread = 1;  // a mask, bit 0 is the first
constexpr std::uint64_t kListenerThreads = ~kConnectorThread;

// A server encrypts for each peer by itself, in the I/O thread that has the peer's connection.
// All that a client decrypts comes over one connection.
int IoThreads(const CurveKeys& keys) {
  constexpr unsigned kMostForListeners = 4;
  if (keys.secret.empty() || keys.plain_listeners) return 2;
  return 1 + static_cast<int>(
                 std::clamp(std::thread::hardware_concurrency(), 1U, kMostForListeners));
}

void Release(void*, void* hint) {
  const std::unique_ptr<Hint> owned(static_cast<Hint*>(hint));
  if (owned->account) owned->account->Release(owned->bytes.size());
}

}  // namespace

Context::Context(CurveKeys keys) : keys_(std::move(keys)), context_(IoThreads(keys_)) {
  if (const std::uint64_t most = DescriptorLimit(); most < kFewestDescriptors) {
    throw Error("this process may have " + std::to_string(most) + " descriptors (ulimit -n): " +
                std::to_string(kFewestDescriptors) + " are needed");
  }
  context_.set(zmq::ctxopt::max_sockets, 1023);
  if (keys_.secret.empty()) return;
  std::array<char, kKeyCharacters + 1> text{};
  if (zmq_curve_public(text.data(), keys_.secret.text().data()) != 0) {  // ends with a NUL
    throw Error(std::string("the secret key cannot be used: ") + zmq_strerror(zmq_errno()));
  }
  public_key_ = text.data();
}

void Context::SetListenerKeys(zmq::socket_t& socket) const {
  if (!listens_encrypted()) return;
  socket.set(zmq::sockopt::curve_server, true);
  socket.set(zmq::sockopt::curve_secretkey, keys_.secret.text());
}

void Context::SetConnectorKeys(zmq::socket_t& socket) const {
  if (!connects_encrypted()) return;
  socket.set(zmq::sockopt::curve_serverkey, keys_.server);
  socket.set(zmq::sockopt::curve_publickey, public_key_);
  socket.set(zmq::sockopt::curve_secretkey, keys_.secret.text());
}

KeyPair MakeKeyPair() {
  std::array<char, kKeyCharacters + 1> public_key{};
  std::string secret(kKeyCharacters + 1, '\0');
  if (zmq_curve_keypair(public_key.data(), secret.data()) != 0) {
    throw Error(std::string("make a key: ") + zmq_strerror(zmq_errno()));
  }
  secret.resize(kKeyCharacters);
  return {public_key.data(), Secret(std::move(secret))};
}

std::string KeyText(ByteSpan key) {
  std::array<char, kKeyCharacters + 1> text{};
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(key.data());
  if (key.size() != kKeyBytes) return "";
  return zmq_z85_encode(text.data(), bytes, key.size()) == nullptr ? "" : text.data();
}

std::string ZmqVersion() {
  int major = 0;
  int minor = 0;
  int patch = 0;
  zmq_version(&major, &minor, &patch);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

std::string Message::Property(const char* name) const {
  const char* value = zmq_msg_gets(message_.handle(), name);
  return value == nullptr ? "" : value;
}

int Message::descriptor() const {
  const char* text = zmq_msg_gets(message_.handle(), "__fd");
  int descriptor = -1;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), descriptor);
  return descriptor;
}

SharedBytes Message::Share() {
  if (message_.size() < kOwnCopy) {
    // A small message is a part of the 8 KiB that libzmq received it with, and keeps all of
    // them.
    std::shared_ptr<std::byte[]> copy(new std::byte[message_.size()]);
    std::memcpy(copy.get(), message_.data(), message_.size());
    const ByteSpan bytes(copy.get(), message_.size());
    return {std::move(copy), bytes};
  }
  auto owner = std::make_shared<zmq::message_t>(std::move(message_));
  const ByteSpan bytes(static_cast<const std::byte*>(owner->data()), owner->size());
  return {std::move(owner), bytes};
}

void Outstanding::Add(std::size_t bytes) {
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (total_) total_->Add(bytes);
}

void Outstanding::Release(std::size_t bytes) {
  if (total_) total_->Release(bytes);
  bytes_.fetch_sub(bytes, std::memory_order_seq_cst);
  if (wake_.exchange(false, std::memory_order_seq_cst) && waker_) waker_->Wake();
}

Socket::Socket(Context& context, zmq::socket_type type) : socket_(context.get(), type) {}

void Socket::SetCommon(const Context& context, std::int64_t max_message_bytes, int linger_ms) {
  // Never ZMQ_HEARTBEAT_*: with 4.3.4 a full receive pipe and a dying peer abort the process.
  // Half-open links are found by our own silence timers; keepalive clears their remains at the
  // kernel.
  socket_.set(zmq::sockopt::linger, linger_ms);
  // 4.3.4 handles a filled receive pipe badly. Credit, prompt reading and the limits of single
  // connections bound what is in it.
  socket_.set(zmq::sockopt::rcvhwm, 0);
  socket_.set(zmq::sockopt::maxmsgsize,
              max_message_bytes + (context.has_key() ? kCurveBytes : 0));
  socket_.set(zmq::sockopt::handshake_ivl, kHandshakeMs);
  socket_.set(zmq::sockopt::tcp_keepalive, 1);
  socket_.set(zmq::sockopt::tcp_keepalive_idle, 30);
  socket_.set(zmq::sockopt::tcp_keepalive_intvl, 10);
  socket_.set(zmq::sockopt::tcp_keepalive_cnt, 3);
}

Socket Socket::Pub(Context& context, int send_high_water_mark) {
  Socket socket(context, zmq::socket_type::pub);
  socket.SetCommon(context, kMaxSubscriptionBytes, 0);
  socket.socket_.set(zmq::sockopt::affinity, kListenerThreads);
  context.SetListenerKeys(socket.socket_);
  // Before the bind or never: on a live socket 4.3.4 tells the pipe of every peer, also of one
  // that is just leaving, whose pipe the I/O thread has freed: a crash under load.
  socket.socket_.set(zmq::sockopt::sndhwm, send_high_water_mark);
  socket.socket_.set(zmq::sockopt::backlog, kBacklog);
  socket.socket_.set(zmq::sockopt::zap_domain, kZapDomain);
  return socket;
}

Socket Socket::Router(Context& context) {
  Socket socket(context, zmq::socket_type::router);
  socket.SetCommon(context, control::kMaxRequestBytes, 0);
  socket.socket_.set(zmq::sockopt::affinity, kListenerThreads);
  context.SetListenerKeys(socket.socket_);
  socket.socket_.set(zmq::sockopt::sndhwm, kSendQueue);
  socket.socket_.set(zmq::sockopt::backlog, kBacklog);
  socket.socket_.set(zmq::sockopt::zap_domain, kZapDomain);
  socket.socket_.set(zmq::sockopt::router_mandatory, 1);
  return socket;
}

Socket Socket::Sub(Context& context, bool ipv6) {
  Socket socket(context, zmq::socket_type::sub);
  socket.SetCommon(context, kMaxBlockBytes + 4096, 0);
  socket.socket_.set(zmq::sockopt::affinity, kConnectorThread);
  context.SetConnectorKeys(socket.socket_);
  socket.socket_.set(zmq::sockopt::ipv6, ipv6 ? 1 : 0);
  socket.socket_.set(zmq::sockopt::reconnect_ivl, kReconnectMs);
  socket.socket_.set(zmq::sockopt::reconnect_ivl_max, kReconnectMaxMs);
  socket.socket_.set(zmq::sockopt::connect_timeout, kConnectTimeoutMs);
  return socket;
}

Socket Socket::Dealer(Context& context, bool ipv6) {
  Socket socket(context, zmq::socket_type::dealer);
  socket.SetCommon(context, kMaxBlockBytes + 4096, kFarewellMs);
  socket.socket_.set(zmq::sockopt::affinity, kConnectorThread);
  context.SetConnectorKeys(socket.socket_);
  socket.socket_.set(zmq::sockopt::ipv6, ipv6 ? 1 : 0);
  socket.socket_.set(zmq::sockopt::sndhwm, kSendQueue);
  socket.socket_.set(zmq::sockopt::reconnect_ivl, kReconnectMs);
  socket.socket_.set(zmq::sockopt::reconnect_ivl_max, kReconnectMaxMs);
  socket.socket_.set(zmq::sockopt::connect_timeout, kConnectTimeoutMs);
  return socket;
}

Socket Socket::Zap(Context& context) {
  Socket socket(context, zmq::socket_type::rep);
  socket.socket_.set(zmq::sockopt::linger, 0);
  socket.socket_.bind("inproc://zeromq.zap.01");
  return socket;
}

void Socket::Bind(const std::string& endpoint, bool ipv6) {
  try {
    std::optional<ScopedPrivateUmask> private_path;
    if (endpoint.starts_with("ipc://")) private_path.emplace();
    socket_.set(zmq::sockopt::ipv6, ipv6 ? 1 : 0);
    socket_.bind(endpoint);
  } catch (const zmq::error_t& error) {
    throw Error("bind '" + endpoint + "': " + error.what());
  }
}

void Socket::Unbind(const std::string& endpoint) {
  socket_.unbind(endpoint);
}

void Socket::Connect(const std::string& endpoint) {
  armed_ = false;
  try {
    socket_.connect(endpoint);
  } catch (const zmq::error_t& error) {
    throw Error("connect to '" + endpoint + "': " + error.what());
  }
}

void Socket::WaitForMessage(std::chrono::milliseconds time) {
  PollItem item{.fd = fd(), .what = PollItem::For::kRead};
  Poll({&item, 1}, time);
}

std::string Socket::bound_endpoint() const {
  return socket_.get(zmq::sockopt::last_endpoint);
}

void Socket::NoticeFreedSlots() {
  armed_ = false;
  (void)socket_.get(zmq::sockopt::events);
}

void Socket::Subscribe(std::string_view prefix) {
  armed_ = false;
  socket_.set(zmq::sockopt::subscribe, zmq::buffer(prefix));
}

void Socket::Unsubscribe(std::string_view prefix) {
  armed_ = false;
  socket_.set(zmq::sockopt::unsubscribe, zmq::buffer(prefix));
}

void Socket::SetLinger(std::chrono::milliseconds time) {
  socket_.set(zmq::sockopt::linger, static_cast<int>(time.count()));
}

SendStatus Socket::SendMessage(zmq::message_t& message, Frame frame) {
  armed_ = false;
  const auto flags = zmq::send_flags::dontwait |
                     (frame == Frame::kMore ? zmq::send_flags::sndmore : zmq::send_flags::none);
  while (true) {
    const int sent = zmq_msg_send(message.handle(), socket_.handle(), static_cast<int>(flags));
    if (sent >= 0) return SendStatus::kSent;
    switch (zmq_errno()) {
      case EINTR:
        continue;
      case EAGAIN:
        return SendStatus::kFull;
      case EHOSTUNREACH:
        return SendStatus::kUnreachable;
      default:
        throw Error(std::string("send: ") + zmq_strerror(zmq_errno()));
    }
  }
}

SendStatus Socket::Send(ByteSpan bytes, Frame frame) {
  zmq::message_t message(bytes.data(), bytes.size());
  return SendMessage(message, frame);
}

SendStatus Socket::SendShared(SharedBytes bytes, std::shared_ptr<Outstanding> account,
                              Frame frame) {
  if (account) account->Add(bytes.size());
  auto hint = std::make_unique<Hint>(Hint{std::move(bytes), std::move(account)});
  // libzmq wants a pointer to non-const, and does not write to what it sends.
  void* data = const_cast<std::byte*>(hint->bytes.bytes.data());
  const std::size_t size = hint->bytes.size();
  zmq::message_t message(data, size, Release, hint.release());
  return SendMessage(message, frame);
}

bool Socket::Receive(std::vector<Message>* frames, std::size_t max_frames) {
  frames->clear();
  armed_ = false;
  bool more = true;
  bool too_many = false;
  while (more) {
    zmq::message_t message;
    int received = 0;
    do {
      received = zmq_msg_recv(message.handle(), socket_.handle(), ZMQ_DONTWAIT);
    } while (received < 0 && zmq_errno() == EINTR);
    if (received < 0) {
      if (zmq_errno() == EAGAIN) {
        armed_ = true;
        return false;
      }
      throw Error(std::string("receive: ") + zmq_strerror(zmq_errno()));
    }
    more = message.more();
    if (frames->size() < max_frames) {
      frames->emplace_back(std::move(message));
    } else {
      too_many = true;
    }
  }
  if (too_many) frames->clear();
  return true;
}

}  // namespace pipedup
