// What is said about losses, in words and in fields.
#pragma once

#include <cstdint>
#include <string>

#include "pipedup/reporter.h"
#include "pipedup/types.h"

namespace pipedup {

/// A gap of the stream itself, on its way here.
void ReportGap(Reporter& reporter, const std::string& stream, const Gap& gap);

/// One consumer of several stands still, `behind` bytes behind, and has begun to lose data.
void ReportConsumerPassed(Reporter& reporter, const std::string& consumer,
                          std::uint64_t behind);

/// What that one has lost, once it is known.
void ReportConsumerGap(Reporter& reporter, const std::string& stream,
                       const std::string& consumer, const Gap& gap);

}  // namespace pipedup
