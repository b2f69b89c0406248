// What pipedup-top knows at a moment. Plain values, of which the table, the JSON and the
// verdict are made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "wire/control.h"

namespace pipedup::top {

/// Bytes per second; nothing before there are two answers.
using Rate = std::optional<double>;

struct StreamView {
  control::Stats stats = {};
  bool ended = false;
  Rate rate = {};                      ///< of its head
  std::vector<Rate> subscribers = {};  ///< of their positions, as in `stats`

  /// The largest of all subscribers.
  std::uint64_t lag_bytes() const;
  double lag_seconds() const;
  /// What those that are there have lost, together.
  std::uint64_t lost() const;
};

struct EndpointView {
  enum class State : std::uint8_t {
    kAsked,    ///< there is no answer yet, and it is not late
    kAnswers,  ///< `streams` is what it said
    kAway,     ///< it does not answer; `streams` is what it said last
    kRefused,  ///< it does not answer this: see `why`
  };
  std::string endpoint = {};
  State state = State::kAsked;
  Duration silent = {};  ///< kAway: nothing was heard for so long
  std::string why = {};  ///< kRefused: in the words of the peer
  std::vector<StreamView> streams = {};
};

enum class Sort : std::uint8_t { kLag, kRate, kLost, kName };

/// The order of the streams of an endpoint, and of the subscribers of a stream: largest first,
/// names from a to z. What is equal stays as it was.
void SortView(Sort sort, EndpointView* endpoint);

/// Which of two subscribers, each with its rate, comes first.
bool ComesFirst(Sort sort, const control::SubscriberRow& a, const Rate& a_rate,
                const control::SubscriberRow& b, const Rate& b_rate);
/// The same of streams.
bool ComesFirst(Sort sort, const StreamView& a, const StreamView& b);

std::string_view ToText(EndpointView::State state);
std::string_view ToText(Sort sort);
/// The one after it, and after the last the first.
Sort Next(Sort sort);

}  // namespace pipedup::top
