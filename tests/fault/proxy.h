// A TCP proxy between a subscriber and its publisher that is as bad a network as it is told to
// be.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "os/fd.h"
#include "support/wait.h"

namespace pipedup::test {

/// Listens on two neighbouring ports of 127.0.0.1, for data and control as a publisher does,
/// and forwards to those of the publisher. Connections are made when they are asked for: where
/// nobody listens upstream, the subscriber's is reset. A thread of its own forwards; all
/// functions may be called from any other.
class Proxy {
 public:
  enum class Direction : std::uint8_t { kUp, kDown };  ///< to the publisher, to the subscriber
  enum class Cut : std::uint8_t { kReset, kFin };

  /// Throws std::system_error.
  Proxy(std::uint16_t upstream, std::uint64_t seed);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  std::string endpoint() const { return "tcp://127.0.0.1:" + std::to_string(port_); }

  // ---- how bad it is, from now on ----

  /// Every byte arrives this much later.
  void Delay(Direction direction, Duration by);
  /// At most so many bytes a second; 0: no limit.
  void Throttle(Direction direction, std::uint64_t bytes_per_second);
  /// Ends all connections there are, with what they have under way.
  void CutAll(Cut how);
  /// Nothing is forwarded and nothing closed, until it is told otherwise. New connections are
  /// accepted, and as silent.
  void HalfOpen(bool half_open);
  /// Changes one byte in each of the next `count` pieces of 4 KiB or more: in what a block
  /// carries, that is, not in what the two sides say to each other.
  void Corrupt(Direction direction, std::size_t count);
  /// The first 4 MiB that have passed, both ways and over all connections.
  std::string recorded();
  /// The next connection reaches the publisher after the one that is accepted behind it.
  void Reorder();

  std::uint64_t connections() const { return connections_; }
  std::uint64_t corrupted() const { return corrupted_; }

 private:
  struct Piece {
    Clock::time_point due;
    std::string bytes;
  };
  /// One direction of one connection.
  struct Flow {
    std::deque<Piece> pieces = {};
    std::size_t held = 0;
    bool ended = false;  // the source has closed its side
    bool ended_said = false;
  };
  struct Connection {
    UniqueFd down;  // to the subscriber
    UniqueFd up;    // to the publisher; none while it is held back
    std::uint16_t to;
    std::array<Flow, 2> flows = {};
    bool dead = false;
    bool reset = false;  // when it goes
    Clock::time_point accepted = {};
  };
  struct Quality {
    Duration delay{0};
    std::uint64_t rate = 0;
    double allowance = 0;  // bytes that may go now
    std::size_t corrupt = 0;
  };

  void Run();
  void Accept(std::size_t listener);
  bool ConnectUp(Connection& connection) const;
  void ReadFrom(Connection& connection, Direction direction);
  void WriteTo(Connection& connection, Direction direction);
  void Refill(Clock::time_point now);
  void ReleaseHeld(Clock::time_point now);
  void Bury();
  Quality& Of(Direction direction) { return qualities_[static_cast<std::size_t>(direction)]; }
  void Wake();

  const std::uint16_t upstream_;
  std::uint16_t port_ = 0;
  std::array<UniqueFd, 2> listeners_;
  UniqueFd wake_;
  std::atomic<std::uint64_t> connections_{0};
  std::atomic<std::uint64_t> corrupted_{0};

  std::mutex mutex_;
  // All below under mutex_.
  std::mt19937_64 random_;
  std::array<Quality, 2> qualities_;
  std::list<Connection> open_;
  std::string recorded_;
  Clock::time_point refilled_ = Clock::now();
  bool half_open_ = false;
  bool reorder_ = false;
  bool stop_ = false;

  std::thread thread_;
};

}  // namespace pipedup::test
