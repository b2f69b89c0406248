// A client of HTTP/1.1 that sees everything: how a response began, what it held, how it ended.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/raw_peer.h"
#include "support/wait.h"

namespace pipedup::test {

class HttpPeer {
 public:
  using Headers = std::map<std::string, std::string>;

  /// Asks 127.0.0.1 for `target` ("/stream?from=0"); reads nothing until it is told to.
  HttpPeer(std::uint16_t port, const std::string& target, const Headers& headers = {},
           const std::string& method = "GET");

  /// The status; 0 if none came within `patience`.
  int status(Duration patience = kPatience);
  /// In lower case; "" if it is not there.
  std::string header(const std::string& name);

  /// The body that has come so far, without waiting.
  const std::string& body();
  /// False if fewer than `bytes` of it have come within `patience`.
  [[nodiscard]] bool WaitForBytes(std::size_t bytes, Duration patience = kPatience);
  [[nodiscard]] bool WaitForText(std::string_view text, Duration patience = kPatience);
  /// All of it, up to the end of the response or of the connection.
  const std::string& ReadToTheEnd(Duration patience = kPatience);
  /// Nothing more comes: the response has ended, or the connection has.
  bool over() {
    Parse();
    return complete_ || peer_.ended();
  }
  /// All of the response came, and not only what came before the connection ended.
  bool complete() const { return complete_; }

 private:
  void Parse();
  bool ParseHead(const std::string& all);

  RawPeer peer_;
  std::size_t parsed_ = 0;  // of what was received
  int status_ = 0;
  Headers headers_;
  std::string body_;
  bool has_body_;
  bool complete_ = false;
};

/// A server-sent event.
struct HttpEvent {
  std::string name = "message";
  std::string id = {};
  std::string data = {};
};
/// All that are complete.
std::vector<HttpEvent> ParseEvents(std::string_view text);

}  // namespace pipedup::test
