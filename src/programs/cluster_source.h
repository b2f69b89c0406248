// A stream that is read from a NATS cluster. In a build without NATS whoever asks for it is
// told so.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/endpoint.h"
#include "net/loop.h"
#include "pipedup/nats.h"
#include "subscribe/any_range_reader.h"
#include "subscribe/any_receiver.h"

namespace pipedup {

/// Ranges of `session` in the log of `endpoint`. All must outlive it. Throws as
/// ReadFromCluster.
std::unique_ptr<AnyRangeReader> ReadRangesFromCluster(EventLoop& loop, const Endpoint& endpoint,
                                                      const NatsAccess& access,
                                                      SessionId session,
                                                      RangeReaderEvents& events);

/// How the log of `endpoint` is read. Throws Error: a file cannot be read, or there is no NATS.
MakeReceiver ReadFromCluster(const Endpoint& endpoint, const NatsAccess& access);

/// Asks which stream it is that the log of an endpoint holds, until it is known.
class ClusterStream {
 public:
  /// `on_name` is called once, from the loop. Everything must outlive it.
  static std::unique_ptr<ClusterStream> Find(EventLoop& loop, const Endpoint& endpoint,
                                             const NatsAccess& access,
                                             std::function<void(const std::string&)> on_name);
  virtual ~ClusterStream() = default;
};

}  // namespace pipedup
