#include "top/view.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace pipedup::top {

std::uint64_t StreamView::lag_bytes() const {
  std::uint64_t most = 0;
  for (const auto& row : stats.subscribers) most = std::max(most, row.lag_bytes);
  return most;
}

double StreamView::lag_seconds() const {
  double most = 0;
  for (const auto& row : stats.subscribers) most = std::max(most, row.lag_seconds);
  return most;
}

std::uint64_t StreamView::lost() const {
  std::uint64_t sum = 0;
  for (const auto& row : stats.subscribers) {
    sum += std::min(row.lost, UINT64_MAX - sum);  // a peer's claims: the sum must not wrap
  }
  return sum;
}

bool ComesFirst(Sort sort, const control::SubscriberRow& a, const Rate& a_rate,
                const control::SubscriberRow& b, const Rate& b_rate) {
  switch (sort) {
    case Sort::kLag:
      return a.lag_bytes > b.lag_bytes;
    case Sort::kRate:
      return a_rate.value_or(-1) > b_rate.value_or(-1);
    case Sort::kLost:
      return a.lost > b.lost;
    case Sort::kName:
      break;
  }
  return a.name < b.name;
}

bool ComesFirst(Sort sort, const StreamView& a, const StreamView& b) {
  switch (sort) {
    case Sort::kLag:
      return a.lag_bytes() > b.lag_bytes();
    case Sort::kRate:
      return a.rate.value_or(-1) > b.rate.value_or(-1);
    case Sort::kLost:
      return a.lost() > b.lost();
    case Sort::kName:
      break;
  }
  return a.stats.stream < b.stats.stream;
}

void SortView(Sort sort, EndpointView* endpoint) {
  for (StreamView& stream : endpoint->streams) {
    std::vector<control::SubscriberRow>& rows = stream.stats.subscribers;
    stream.subscribers.resize(rows.size());
    std::vector<std::pair<control::SubscriberRow, Rate>> pairs;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      pairs.emplace_back(std::move(rows[i]), stream.subscribers[i]);
    }
    std::ranges::stable_sort(pairs, [sort](const auto& a, const auto& b) {
      return ComesFirst(sort, a.first, a.second, b.first, b.second);
    });
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i] = std::move(pairs[i].first);
      stream.subscribers[i] = pairs[i].second;
    }
  }
  std::ranges::stable_sort(endpoint->streams, [sort](const auto& a, const auto& b) {
    return ComesFirst(sort, a, b);
  });
}

std::string_view ToText(Sort sort) {
  switch (sort) {
    case Sort::kLag:
      return "lag";
    case Sort::kRate:
      return "rate";
    case Sort::kLost:
      return "lost";
    case Sort::kName:
      break;
  }
  return "name";
}

Sort Next(Sort sort) {
  return sort == Sort::kName ? Sort::kLag
                             : static_cast<Sort>(static_cast<std::uint8_t>(sort) + 1);
}

std::string_view ToText(EndpointView::State state) {
  switch (state) {
    case EndpointView::State::kAsked:
      return "asked";
    case EndpointView::State::kAnswers:
      return "answers";
    case EndpointView::State::kAway:
      return "away";
    case EndpointView::State::kRefused:
      break;
  }
  return "refused";
}

}  // namespace pipedup::top
