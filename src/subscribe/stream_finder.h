// Which streams there are at an endpoint: asked now and then, as there may be more.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/endpoint.h"
#include "base/units.h"
#include "net/loop.h"
#include "net/socket.h"
#include "wire/control.h"

namespace pipedup {

class StreamFinder {
 public:
  /// Told of a name and its session each time that it is heard, from the loop.
  using OnStream = std::function<void(const control::Listed&)>;

  StreamFinder(Context& context, EventLoop& loop, Endpoint endpoint, Duration dead_after,
               OnStream on_stream);
  ~StreamFinder();
  StreamFinder(const StreamFinder&) = delete;
  StreamFinder& operator=(const StreamFinder&) = delete;

  /// When it last answered; when this was made, if never.
  TimePoint last_heard() const { return last_heard_; }

 private:
  void Connect();
  void Close();
  void Ask(const std::string& after);
  void Receive();
  void Tick();

  Context& context_;
  EventLoop& loop_;
  const Endpoint endpoint_;
  const Duration dead_after_;
  const OnStream on_stream_;
  std::optional<Socket> control_;
  EventLoop::WatchId watch_ = 0;
  EventLoop::TimerId tick_;
  bool ipv6_ = false;      // alternates for names, which may be of either family
  bool answered_ = false;  // by this socket
  TimePoint last_heard_;
  TimePoint asked_{};
  TimePoint connected_{};
  std::vector<Message> frames_;
};

}  // namespace pipedup
