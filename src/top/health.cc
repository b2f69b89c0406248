#include "top/health.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/text.h"

namespace pipedup::top {
namespace {

Duration FromSeconds(double seconds) {
  return std::chrono::milliseconds(std::llround(std::min(seconds, 1e9) * 1000));
}

std::string Who(const control::SubscriberRow& row) {
  return "subscriber '" + Escape(row.name.empty() ? row.id : row.name) + "'" +
         (row.address.empty() ? "" : " at " + Escape(row.address));
}

void CheckStream(const StreamView& stream, const HealthBounds& bounds, const std::string& at,
                 std::vector<std::string>* problems) {
  const std::string where = at + ": stream '" + stream.stats.stream + "': ";
  if (bounds.min_subs && !stream.ended && stream.stats.subscribers_total < *bounds.min_subs) {
    problems->push_back(where + std::to_string(stream.stats.subscribers_total) +
                        " subscribers, fewer than --min-subs " +
                        std::to_string(*bounds.min_subs));
  }
  for (const control::SubscriberRow& row : stream.stats.subscribers) {
    if (bounds.max_lag && row.lag_bytes > *bounds.max_lag) {
      problems->push_back(where + Who(row) + " is " + FormatSize(row.lag_bytes) +
                          " behind, more than --max-lag " + FormatSize(*bounds.max_lag));
    }
    const Duration behind = FromSeconds(row.lag_seconds);
    if (bounds.max_lag_time && behind > *bounds.max_lag_time) {
      problems->push_back(where + Who(row) + " is " + FormatDuration(behind) +
                          " behind, more than --max-lag-time " +
                          FormatDuration(*bounds.max_lag_time));
    }
    if (bounds.max_lost && row.lost > *bounds.max_lost) {
      problems->push_back(where + Who(row) + " has lost " + FormatSize(row.lost) +
                          ", more than --max-lost " + FormatSize(*bounds.max_lost));
    }
  }
}

}  // namespace

std::string ProblemOf(const EndpointView& endpoint, const std::string& no_answer) {
  switch (endpoint.state) {
    case EndpointView::State::kAnswers:
      return "";
    case EndpointView::State::kRefused:
      return endpoint.endpoint + ": refused: " + Escape(endpoint.why);
    case EndpointView::State::kAsked:
    case EndpointView::State::kAway:
      break;
  }
  return endpoint.endpoint + ": " + no_answer;
}

std::vector<std::string> Problems(const std::vector<EndpointView>& endpoints,
                                  const HealthBounds& bounds, const std::string& streams,
                                  const std::string& no_answer) {
  std::vector<std::string> problems;
  for (const EndpointView& endpoint : endpoints) {
    if (std::string problem = ProblemOf(endpoint, no_answer); !problem.empty()) {
      problems.push_back(std::move(problem));
      continue;
    }
    if (endpoint.streams.empty()) {
      problems.push_back(endpoint.endpoint + ": no stream" +
                         (streams == "*" ? " is there" : " '" + Escape(streams) + "'"));
    }
    for (const StreamView& stream : endpoint.streams) {
      CheckStream(stream, bounds, endpoint.endpoint, &problems);
    }
  }
  return problems;
}

}  // namespace pipedup::top
