// ZeroMQ sockets: every option is set here, and nothing outside src/net names <zmq.hpp>.
// Why each option has its value stands in socket.cc.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "base/bytes.h"
#include "base/secret.h"
#include "os/waker.h"

namespace pipedup {

/// The keys of this process, for CURVE (RFC 26 of ZeroMQ), as text of 40 characters.
struct CurveKeys {
  Secret secret = {};       ///< its own; empty: there are no keys, and nothing is encrypted
  std::string server = {};  ///< public key of whom it connects to; empty: without keys
  bool plain_listeners = false;  ///< what it binds is not encrypted, though it has a key
};

/// One per process, outlives its sockets. Destroying it waits for nothing: all sockets linger
/// for a bounded time.
class Context {
 public:
  /// Throws Error if keys are given that libzmq can do nothing with, or if this process may
  /// have so few descriptors that libzmq would abort for want of them.
  explicit Context(CurveKeys keys = {});
  zmq::context_t& get() { return context_; }
  bool has_key() const { return !keys_.secret.empty(); }
  /// Whoever connects to a socket of it has to have a key.
  bool listens_encrypted() const { return !keys_.secret.empty() && !keys_.plain_listeners; }
  /// Whoever it connects to has to have the server's key.
  bool connects_encrypted() const { return !keys_.server.empty(); }
  /// What its sockets need before they bind, or connect.
  void SetListenerKeys(zmq::socket_t& socket) const;
  void SetConnectorKeys(zmq::socket_t& socket) const;

 private:
  const CurveKeys keys_;
  std::string public_key_;  // of keys_.secret
  zmq::context_t context_;
};

struct KeyPair {
  std::string public_key;
  Secret secret;
};
/// A new pair, from the system's random numbers. Throws Error if this libzmq has no CURVE.
KeyPair MakeKeyPair();

/// The text of a key of 32 bytes; "" if `key` is none.
std::string KeyText(ByteSpan key);

/// libzmq's own version, "4.3.4".
std::string ZmqVersion();

/// A received frame.
class Message {
 public:
  Message() = default;
  explicit Message(zmq::message_t message) : message_(std::move(message)) {}

  ByteSpan bytes() const {
    return {static_cast<const std::byte*>(message_.data()), message_.size()};
  }
  /// Address of the peer that sent it, "" if not known.
  std::string peer_address() const { return Property("Peer-Address"); }
  /// Name of the key that the peer was let in with, "" without keys. See ZapHandler.
  std::string key_name() const { return Property("User-Id"); }
  /// Of the connection that it came over, for Connections; -1 if not known.
  int descriptor() const;
  /// Its bytes without a copy; this message is empty afterwards.
  SharedBytes Share();

 private:
  std::string Property(const char* name) const;
  mutable zmq::message_t message_;
};

/// Counts bytes that were handed to a socket and that the socket has not let go of yet.
/// Any thread.
class Outstanding {
 public:
  /// `waker` is woken when bytes are let go of after WakeOnRelease; null: nobody is. What is
  /// counted here is counted in `total` as well, if there is one.
  explicit Outstanding(std::shared_ptr<Waker> waker,
                       std::shared_ptr<Outstanding> total = nullptr)
      : waker_(std::move(waker)), total_(std::move(total)) {}
  void Add(std::size_t bytes);
  void Release(std::size_t bytes);
  std::size_t bytes() const { return bytes_.load(std::memory_order_seq_cst); }
  /// Asks for one wake at the next release.
  void WakeOnRelease() { wake_.store(true, std::memory_order_seq_cst); }

 private:
  std::atomic<std::size_t> bytes_{0};
  std::atomic<bool> wake_{false};
  const std::shared_ptr<Waker> waker_;
  const std::shared_ptr<Outstanding> total_;
};

enum class SendStatus : std::uint8_t {
  kSent,
  kFull,         ///< the peer's queue is full; nothing was sent
  kUnreachable,  ///< the peer is gone (ROUTER only)
};

enum class Frame : bool { kLast, kMore };

/// So many are taken from a socket at once; then the loop looks at the others.
inline constexpr int kMessagesPerCall = 64;

/// Move-only. Not thread-safe: one socket belongs to one thread.
class Socket {
 public:
  static Socket Pub(Context& context, int send_high_water_mark);
  static Socket Router(Context& context);
  static Socket Sub(Context& context, bool ipv6);
  static Socket Dealer(Context& context, bool ipv6);
  /// The handler that libzmq asks whether a peer may come in (RFC 27).
  static Socket Zap(Context& context);

  /// Throws Error ("bind 'tcp://…': Address already in use"). An ipc path is made with mode
  /// 0600.
  void Bind(const std::string& endpoint, bool ipv6);
  void Unbind(const std::string& endpoint);
  /// Returns at once; the connection is made, and made again, in the background. Throws Error.
  void Connect(const std::string& endpoint);
  /// The endpoint that the last Bind came to, with the port that was free.
  std::string bound_endpoint() const;
  void Close() { socket_.close(); }

  void Subscribe(std::string_view prefix);
  void Unsubscribe(std::string_view prefix);
  /// How long Close may take to deliver what is queued.
  void SetLinger(std::chrono::milliseconds time);

  /// Never blocks. After a frame that was sent with kMore, the next one is always sent.
  SendStatus Send(ByteSpan bytes, Frame frame);
  /// The same without a copy: `bytes` are kept alive until the socket lets go of them, in
  /// whichever thread that is; `account` knows how many those are.
  SendStatus SendShared(SharedBytes bytes, std::shared_ptr<Outstanding> account, Frame frame);

  /// Takes one whole message off the socket, at most `max_frames` frames of it (the others are
  /// thrown away, and `*frames` is empty). False if there is none.
  bool Receive(std::vector<Message>* frames, std::size_t max_frames);

  /// Waits until there may be a message, or `time` has passed, or a signal has come. Only after
  /// a Receive that found nothing.
  void WaitForMessage(std::chrono::milliseconds time);

  /// Lets the socket notice slots that its I/O thread has freed, which it otherwise does about
  /// once a millisecond only; then small high-water marks would drop for fast readers.
  void NoticeFreedSlots();

  /// Readable when something may have happened to the socket. Edge-triggered: it counts only
  /// while armed(), else the socket has to be looked at in any case.
  int fd() { return socket_.get(zmq::sockopt::fd); }
  /// The last thing done to this socket was a Receive that found nothing: the next message
  /// shows on fd(). Every other call may have swallowed its sign.
  bool armed() const { return armed_; }

 private:
  Socket(Context& context, zmq::socket_type type);
  void SetCommon(const Context& context, std::int64_t max_message_bytes, int linger_ms);
  SendStatus SendMessage(zmq::message_t& message, Frame frame);
  zmq::socket_t socket_;
  bool armed_ = false;
};

}  // namespace pipedup
