// Who may come in: libzmq asks before it lets a peer talk.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/keys.h"
#include "net/loop.h"
#include "net/socket.h"

namespace pipedup {

/// Answers libzmq's questions about connecting peers (RFC 27). Its being there, with a domain
/// on every listener, is what keeps ZMTP 1 and 2 and plain HTTP out, also where there are no
/// keys. Must be made before the first listener is bound.
///
/// With a list, on data and control sockets alike, only peers with a key of the list come in,
/// and Message::key_name is its name. Without one, everybody does who asks for no encryption.
class ZapHandler {
 public:
  /// Of a peer that is not let in: its public key, "" if it has shown none, and its address.
  using OnRefused = std::function<void(const std::string& key, const std::string& address)>;

  ZapHandler(Context& context, EventLoop& loop, std::optional<AllowList> allowed,
             OnRefused on_refused);
  ~ZapHandler();
  ZapHandler(const ZapHandler&) = delete;
  ZapHandler& operator=(const ZapHandler&) = delete;

  const std::optional<AllowList>& allowed() const { return allowed_; }
  /// Of peers that come from now on.
  void Allow(AllowList allowed) { allowed_ = std::move(allowed); }

  std::uint64_t admitted() const { return admitted_; }
  std::uint64_t refused() const { return refused_; }

 private:
  void Answer();

  EventLoop& loop_;
  std::optional<AllowList> allowed_;
  const OnRefused on_refused_;
  Socket socket_;
  EventLoop::WatchId watch_;
  std::uint64_t admitted_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace pipedup
