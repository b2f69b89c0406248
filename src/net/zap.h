// Who may come in: libzmq asks before it lets a peer talk.
#pragma once

#include <cstdint>

#include "net/loop.h"
#include "net/socket.h"

namespace pipedup {

/// Answers libzmq's questions about connecting peers (RFC 27). Its being there, with a domain
/// on every listener, is what keeps ZMTP 1 and 2 and plain HTTP out, also where there are no
/// keys. Must be made before the first listener is bound.
class ZapHandler {
 public:
  ZapHandler(Context& context, EventLoop& loop);
  ~ZapHandler();
  ZapHandler(const ZapHandler&) = delete;
  ZapHandler& operator=(const ZapHandler&) = delete;

  std::uint64_t admitted() const { return admitted_; }
  std::uint64_t refused() const { return refused_; }

 private:
  void Answer();

  EventLoop& loop_;
  Socket socket_;
  EventLoop::WatchId watch_;
  std::uint64_t admitted_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace pipedup
