// Views as tests make them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "top/view.h"

namespace pipedup::top {

struct Subscriber {
  std::string name;
  std::uint64_t lag = 0;
  double seconds = 0;
  std::uint64_t lost = 0;
  Rate rate = {};
};

inline StreamView MakeStream(const std::string& name, std::uint64_t head,
                             const std::vector<Subscriber>& subscribers) {
  StreamView stream;
  stream.stats.stream = name;
  stream.stats.session = 0x1f2e3d4c5b6a7988;
  stream.stats.tail = head / 4;
  stream.stats.head = head;
  for (const Subscriber& one : subscribers) {
    control::SubscriberRow row;
    row.id = "0a0b" + std::to_string(stream.subscribers.size());
    row.name = one.name;
    row.host = "worker";
    row.address = "192.0.2.17";
    row.mode = control::Mode::kLive;
    row.position = head - one.lag;
    row.lag_bytes = one.lag;
    row.lag_seconds = one.seconds;
    row.lost = one.lost;
    stream.stats.subscribers.push_back(row);
    stream.subscribers.push_back(one.rate);
  }
  stream.stats.subscribers_total = subscribers.size();
  return stream;
}

inline EndpointView MakeEndpoint(std::vector<StreamView> streams) {
  EndpointView endpoint;
  endpoint.endpoint = "tcp://127.0.0.1:5590";
  endpoint.state = EndpointView::State::kAnswers;
  endpoint.streams = std::move(streams);
  return endpoint;
}

}  // namespace pipedup::top
