// A build without NATS.
#include "base/error.h"
#include "programs/cluster_journal.h"

namespace pipedup {

std::unique_ptr<ClusterJournal> ClusterJournal::Open(ClusterJournalOptions, SessionId,
                                                     Reporter&) {
  throw Error("nats://: this was built without NATS (-DPIPEDUP_NATS=ON)", kExitUsage);
}

}  // namespace pipedup
