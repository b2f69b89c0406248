// A build without NATS.
#include "base/error.h"
#include "programs/cluster_source.h"

namespace pipedup {

MakeReceiver ReadFromCluster(const Endpoint&, const NatsAccess&) {
  throw Error("nats://: this was built without NATS (-DPIPEDUP_NATS=ON)", kExitUsage);
}

std::unique_ptr<ClusterStream> ClusterStream::Find(EventLoop&, const Endpoint&,
                                                   const NatsAccess&,
                                                   std::function<void(const std::string&)>) {
  throw Error("nats://: this was built without NATS (-DPIPEDUP_NATS=ON)", kExitUsage);
}

}  // namespace pipedup
