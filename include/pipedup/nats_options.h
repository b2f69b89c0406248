// The options of programs that may read or keep a stream in a NATS cluster.
#pragma once

#include <string>
#include <vector>

#include "pipedup/command_line.h"
#include "pipedup/nats.h"

namespace pipedup {

/// They fill in `*to`, and CompleteNats checks them.
std::vector<cli::Option> NatsOptions(NatsAccess* to);
/// `used`: something in a cluster is read or written. Returns "" or what is wrong.
std::string CompleteNats(const NatsAccess& options, bool used);

}  // namespace pipedup
