// How much a connection may ask for. Pure. Source of the numbers: PROTOCOL.md, "Limits".
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/clock.h"

namespace pipedup {

/// A bucket of tokens: `most` at first, `per_second` more while there are fewer.
class TokenBucket {
 public:
  TokenBucket(double most, double per_second)
      : most_(most), per_second_(per_second), tokens_(most) {}

  /// Takes `cost` tokens if there is one at all: what costs more leaves a debt.
  bool Take(double cost, TimePoint now) {
    Refill(now);
    if (tokens_ < 1) return false;
    tokens_ -= cost;
    return true;
  }
  void Charge(double cost) { tokens_ -= cost; }
  bool IsFull(TimePoint now) const { return tokens_ + Since(now) >= most_; }

 private:
  double Since(TimePoint now) const {
    if (at_ == TimePoint{} || now <= at_) return 0;
    return per_second_ * std::chrono::duration<double>(now - at_).count();
  }
  void Refill(TimePoint now) {
    tokens_ = std::min(most_, tokens_ + Since(now));
    at_ = now;
  }

  double most_;
  double per_second_;
  double tokens_;
  TimePoint at_{};
};

// Of each connection. Ordinary subscribers send 4 requests a second, and some hundreds when
// they catch up or are waited for.
inline constexpr double kBurst = 10'000;  ///< tokens
inline constexpr double kPerSecond = 5'000;
// What a request costs: 1, but
inline constexpr double kCostlyRequest = 500;    ///< hello and stats of a member
inline constexpr double kStrangerRequest = 200;  ///< of one that is no member
inline constexpr double kBadRequest = 50;        ///< of a member, that makes no sense
// Of all that are no members together, in requests.
inline constexpr double kStrangersBurst = 10'000;
inline constexpr double kStrangersPerSecond = 2'000;
inline constexpr std::size_t kMostIgnored = 1'000;  ///< requests; then it is cut off

/// What to do about a request.
enum class Verdict : std::uint8_t {
  kServe,
  kIgnore,  ///< no answer: it would only feed a flood
  kCut,     ///< the connection, if that can be done; said once
};

/// All connections by ROUTER's name for them. A connection that is gone is not told of, but one
/// that has been silent for some seconds is as good as new, and forgotten.
class RequestLimits {
 public:
  /// One more request of that connection.
  Verdict Take(const std::string& route, bool is_member, TimePoint now);
  /// The one that was just taken costs that much more.
  void Charge(const std::string& route, double more);
  /// Forgets the connections that have nothing to be remembered. To be called now and then.
  void Forget(TimePoint now);
  std::size_t size() const { return connections_.size(); }

 private:
  struct Connection {
    TokenBucket bucket{kBurst, kPerSecond};
    std::size_t ignored = 0;
  };
  std::unordered_map<std::string, Connection> connections_;
  TokenBucket strangers_{kStrangersBurst, kStrangersPerSecond};
};

}  // namespace pipedup
