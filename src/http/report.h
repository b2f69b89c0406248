// What there is to be told of the streams and their readers: for Prometheus, and as JSON. Pure
// but for the counters that it reads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "http/hub.h"

namespace pipedup::http {

/// Of the server itself.
struct ServerCounters {
  std::uint64_t connections = 0;  ///< open now
  std::uint64_t requests = 0;
  std::uint64_t refused = 0;  ///< answered with a status from 400 on
};

/// In the text format of Prometheus, version 0.0.4. Labels: `stream` and nothing else, so that
/// subscribers, who come and go, do not add up to ever more series.
std::string Metrics(const Snapshot& snapshot,
                    const std::vector<std::shared_ptr<Stream>>& streams,
                    const ServerCounters& server);

/// {"streams": [...], "http": {...}}: a stream is what pipedup's own `stats` says of it, with
/// its subscribers, and its readers here.
std::string StatsJson(const Snapshot& snapshot,
                      const std::vector<std::shared_ptr<Stream>>& streams,
                      const ServerCounters& server);

/// A value of a label: backslashes, quotes and line ends escaped.
std::string LabelValue(const std::string& text);

}  // namespace pipedup::http
