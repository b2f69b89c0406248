// A peer that speaks ZMTP by hand, as far as a test wants it to, and then does as it likes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/endpoint.h"
#include "os/fd.h"
#include "support/wait.h"
#include "support/zmtp.h"

namespace pipedup::test {

/// The command READY of a socket type, with `padding` bytes of metadata more.
std::string Ready(std::string_view type, std::size_t padding = 0);

enum class Port { kData, kControl };

class ZmtpPeer {
 public:
  /// Connects; does not fail if nobody takes the connection.
  ZmtpPeer(const Endpoint& endpoint, Port port, int receive_buffer = 0);

  /// Greeting and READY, sent at once.
  void Shake(std::string_view type) { (void)Send(ZmtpGreeting() + Ready(type)); }
  /// Greeting and READY, and those of the other side, waited for: it takes no message before.
  /// False: it has closed.
  [[nodiscard]] bool Join(std::string_view type) { return JoinWith(Ready(type)); }
  [[nodiscard]] bool JoinWith(std::string_view ready);
  /// All of it, unless the other side closes, or does not read it within `patience`: false.
  bool Send(std::string_view bytes, Duration patience = kPatience);
  /// One message of one frame; nothing if the other side closed or sent none in time.
  std::optional<std::string> ReceiveMessage(Duration patience = kPatience);
  /// What there is, without waiting.
  std::string Received();
  /// Reads what there is and forgets it. Whether the other side has closed.
  [[nodiscard]] bool IsClosed();

 private:
  std::optional<std::string> Take(std::size_t bytes, Duration patience);

  UniqueFd socket_;
};

}  // namespace pipedup::test
