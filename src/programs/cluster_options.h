// What libnats is told of a log, as programs are told it.
#pragma once

#include "base/endpoint.h"
#include "nats/log.h"
#include "pipedup/nats.h"

namespace pipedup {

/// Throws Error: the password cannot be read.
nats::LogOptions MakeLogOptions(const Endpoint& endpoint, const NatsAccess& access);

}  // namespace pipedup
