// A peer that speaks no pipedup: sends bytes of its own and keeps what comes back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "os/fd.h"
#include "support/wait.h"

namespace pipedup::test {

class RawPeer {
 public:
  /// Connects to 127.0.0.1. Throws std::system_error.
  explicit RawPeer(std::uint16_t port);

  /// Best effort: the other side may have closed already.
  void Send(std::string_view bytes);
  /// Everything that has come so far, without waiting.
  const std::string& Received();
  /// Everything up to the end of the connection, or of `patience`.
  const std::string& ReceivedToTheEnd(Duration patience = kPatience);
  /// The other side has closed the connection, and everything was received.
  bool ended() const { return ended_; }

 private:
  UniqueFd socket_;
  std::string received_;
  bool ended_ = false;
};

/// The port of "tcp://127.0.0.1:5590".
std::uint16_t PortOf(const std::string& endpoint);

}  // namespace pipedup::test
