// Whether publishers and their subscribers are well. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "top/view.h"

namespace pipedup::top {

/// What is asked beyond answers in time; a bound that is not set asks for nothing.
struct HealthBounds {
  std::optional<std::uint64_t> max_lag = {};   ///< bytes, of each subscriber
  std::optional<Duration> max_lag_time = {};   ///< likewise
  std::optional<std::uint64_t> max_lost = {};  ///< bytes, likewise
  std::optional<std::uint64_t> min_subs = {};  ///< of each stream that has not ended
};

/// What is wrong, in the words of an error, the endpoints' order and that of their streams;
/// empty: all is well. An endpoint is well when it has answered, has a stream, and is within
/// the bounds. `streams` is the pattern of those that were asked for, `hint` is said of one
/// that did not answer.
std::vector<std::string> Problems(const std::vector<EndpointView>& endpoints,
                                  const HealthBounds& bounds, const std::string& streams,
                                  const std::string& no_answer);

/// What is wrong with the endpoint itself, "" if it has answered. See Problems.
std::string ProblemOf(const EndpointView& endpoint, const std::string& no_answer);

}  // namespace pipedup::top
