// What is said about losses, in words and in fields.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "pipedup/reporter.h"
#include "pipedup/subscribe.h"
#include "pipedup/types.h"
#include "subscribe/stream_reader.h"
#include "wire/control.h"

namespace pipedup {

/// Nothing has come for so long: this is said, once.
inline constexpr auto kSayWaitingAfter = std::chrono::seconds(2);

/// A gap of the stream itself, on its way here.
void ReportGap(Reporter& reporter, const std::string& stream, const Gap& gap);

/// What was read of one of several streams.
void ReportStreamStats(Reporter& reporter, const std::string& stream, Position begin,
                       Position position, const StreamReader& reader);

/// One consumer of several stands still, `behind` bytes behind, and has begun to lose data.
void ReportConsumerPassed(Reporter& reporter, const std::string& consumer,
                          std::uint64_t behind);

/// " at tcp://…", " from tcp://…"; "" for the only one, which needs no name.
std::string At(const std::string& endpoint);
std::string From(const std::string& endpoint);

/// An endpoint has `session`, while `read` is read from others.
void ReportStandsApart(Reporter& reporter, const std::string& endpoint,
                       const control::Welcome& session, SessionId read);

/// The endpoints, as messages name them.
std::string Endpoints(const SubscribeOptions& options);

/// Why a subscriber gives up. `welcomed`: the publisher has let it in once; `keys`: it has
/// some.
std::string GiveUpText(const SubscribeOptions& options, bool welcomed, bool keys);

/// What that one has lost, once it is known.
void ReportConsumerGap(Reporter& reporter, const std::string& stream,
                       const std::string& consumer, const Gap& gap);

}  // namespace pipedup
