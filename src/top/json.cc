#include "top/json.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace pipedup::top {
namespace {

using nlohmann::ordered_json;

ordered_json ToJson(const Rate& rate) {
  return rate ? ordered_json(*rate) : ordered_json(nullptr);
}

ordered_json ToJson(const control::SubscriberRow& row, const Rate& rate) {
  auto object = ordered_json::object({{"id", row.id},
                                      {"name", row.name},
                                      {"host", row.host},
                                      {"pid", row.pid},
                                      {"address", row.address},
                                      {"key", row.key},
                                      {"role", control::ToText(row.role)},
                                      {"mode", control::ToText(row.mode)},
                                      {"position", row.position},
                                      {"bytes_per_second", ToJson(rate)},
                                      {"lag_bytes", row.lag_bytes},
                                      {"lag_seconds", row.lag_seconds},
                                      {"lost_bytes", row.lost},
                                      {"holds", row.holds}});
  for (const control::Replica& replica : row.replicas) {
    object["replicas"].push_back(ordered_json::object(
        {{"name", replica.name}, {"state", control::ToText(replica.state)}}));
  }
  return object;
}

ordered_json ToJson(const StreamView& stream) {
  ordered_json subscribers = ordered_json::array();
  for (std::size_t i = 0; i < stream.stats.subscribers.size(); ++i) {
    const Rate rate = i < stream.subscribers.size() ? stream.subscribers[i] : Rate();
    subscribers.push_back(ToJson(stream.stats.subscribers[i], rate));
  }
  return ordered_json::object({{"stream", stream.stats.stream},
                               {"session", Hex(stream.stats.session)},
                               {"ended", stream.ended},
                               {"tail", stream.stats.tail},
                               {"head", stream.stats.head},
                               {"bytes_per_second", ToJson(stream.rate)},
                               {"lag_bytes", stream.lag_bytes()},
                               {"lag_seconds", stream.lag_seconds()},
                               {"lost_bytes", stream.lost()},
                               {"counters", stream.stats.counters},
                               {"subscribers_total", stream.stats.subscribers_total},
                               {"subscribers", std::move(subscribers)}});
}

ordered_json ToJson(const EndpointView& endpoint) {
  auto object = ordered_json::object(
      {{"endpoint", endpoint.endpoint}, {"state", ToText(endpoint.state)}});
  if (endpoint.state == EndpointView::State::kAway) {
    object["silent_seconds"] = std::chrono::duration<double>(endpoint.silent).count();
  }
  if (!endpoint.why.empty()) object["why"] = endpoint.why;
  object["streams"] = ordered_json::array();
  for (const StreamView& stream : endpoint.streams) object["streams"].push_back(ToJson(stream));
  return object;
}

}  // namespace

std::string JsonText(const std::vector<EndpointView>& endpoints, std::int64_t time_ns) {
  auto object = ordered_json::object(
      {{"time", FormatTime(time_ns)}, {"endpoints", ordered_json::array()}});
  for (const EndpointView& endpoint : endpoints) {
    object["endpoints"].push_back(ToJson(endpoint));
  }
  // Controls are escaped by JSON itself, all but ASCII here: it may be shown on a terminal.
  return object.dump(-1, ' ', true, ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace pipedup::top
