// Connections to the publisher whose bytes may not be wanted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "os/fd.h"
#include "peers.h"

namespace pipedup::fuzz {

class Connection {
 public:
  /// To 127.0.0.1. Throws std::runtime_error if it is not accepted.
  explicit Connection(std::uint16_t port);

  /// What can be sent at once.
  void Send(std::string_view bytes);
  /// The next `bytes` bytes; fewer if the other side closes, or sends nothing for 40 s.
  std::string Await(std::size_t bytes);
  /// The body of the next frame; "" likewise.
  std::string AwaitFrame();
  /// What there is, without waiting.
  std::string Received();
  void Finish(End end);

 private:
  UniqueFd socket_;
};

/// A sound handshake was not answered.
class NotAnswered : public std::runtime_error {
 public:
  NotAnswered() : std::runtime_error("a sound handshake is not answered") {}
};

/// Says one thing after the other.
class Peer {
 public:
  virtual ~Peer() = default;
  /// False when there was nothing left to send. Throws std::runtime_error if something does
  /// not hold.
  virtual bool SendNext() = 0;
  virtual bool stays() const = 0;
  virtual void Finish() = 0;
};

/// Whose every byte is known from the start.
class PlainPeer final : public Peer {
 public:
  PlainPeer(std::uint16_t port, const Conversation& conversation)
      : conversation_(conversation),
        connection_(static_cast<std::uint16_t>(port + (conversation.control ? 1 : 0))) {}
  bool SendNext() override;
  bool stays() const override { return conversation_.end == End::kStay; }
  void Finish() override { connection_.Finish(conversation_.end); }

 private:
  const Conversation& conversation_;
  Connection connection_;
  std::size_t next_ = 0;
};

}  // namespace pipedup::fuzz
