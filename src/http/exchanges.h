// How long each connection has been at what it does, and which one makes room for another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>

#include "base/clock.h"
#include "base/units.h"

namespace pipedup::http {

struct ExchangeLimits {
  std::size_t most = 0;  ///< connections, all together
  /// From when it was opened, or its last answer was taken, to the end of its next request.
  Duration request = std::chrono::seconds(15);
  /// To take an answer; that of a stream may take any time.
  Duration answer = std::chrono::seconds(60);
};

/// Whoever sends a byte now and then is never idle, and so it is the whole that has a limit.
/// Where nearly as many are connected as may be, the one that has been longest at its request
/// or answer goes: so there is room for another one, whatever those do that read no stream.
///
/// Knows connections by what identifies them to its owner. Any thread; `close` is called with
/// the lock held, so that the descriptor is still that connection's.
class Exchanges {
 public:
  using Close = std::function<void(int descriptor)>;
  Exchanges(const ExchangeLimits& limits, Close close)
      : limits_(limits), close_(std::move(close)) {}

  /// A connection was opened; true if it is the only one.
  bool Open(const void* connection, int descriptor, TimePoint now);
  /// The connection has gone. Its descriptor must not have been closed yet.
  void Gone(const void* connection);
  void AwaitsRequest(const void* connection, TimePoint now);
  void TakesAnswer(const void* connection, TimePoint now);
  void TakesStream(const void* connection, TimePoint now);
  /// Closes those whose time is over. Whether there are any connections left.
  bool Look(TimePoint now);

  std::size_t count() const;

 private:
  enum class Doing : std::uint8_t { kRequest, kAnswer, kStream, kGoes };
  struct Exchange {
    int descriptor = -1;
    Doing doing = Doing::kRequest;
    TimePoint since{};
  };
  void Set(const void* connection, Doing doing, TimePoint now);
  void MakeRoom();
  void End(Exchange* exchange);

  const ExchangeLimits limits_;
  const Close close_;
  mutable std::mutex mutex_;
  std::map<const void*, Exchange> all_;  // under mutex_
};

}  // namespace pipedup::http
