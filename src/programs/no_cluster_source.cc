// A build without NATS.
#include "base/error.h"
#include "programs/cluster_source.h"

namespace pipedup {
namespace {

[[noreturn]] void Refuse() {
  throw Error("nats://: this was built without NATS (-DPIPEDUP_NATS=ON)", kExitUsage);
}

}  // namespace

std::unique_ptr<AnyRangeReader> ReadRangesFromCluster(EventLoop&, const Endpoint&,
                                                      const NatsAccess&, SessionId,
                                                      RangeReaderEvents&) {
  Refuse();
}

MakeReceiver ReadFromCluster(const Endpoint&, const NatsAccess&) {
  Refuse();
}

std::unique_ptr<ClusterStream> ClusterStream::Find(EventLoop&, const Endpoint&,
                                                   const NatsAccess&,
                                                   std::function<void(const std::string&)>) {
  Refuse();
}

}  // namespace pipedup
