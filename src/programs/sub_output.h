// What the options of a subscriber say of its output.
#pragma once

#include <memory>

#include "consume/consumers.h"
#include "consume/output.h"
#include "consume/write_notes.h"
#include "net/loop.h"
#include "os/signals.h"
#include "pipedup/subscribe.h"

namespace pipedup {

/// The signals that a subscriber takes for itself: with consumers also SIGCHLD.
SignalQueue MakeSubSignals(const SubscribeOptions& options);

/// Consumers if `options` name any, which are running then, else the descriptor. `loop`,
/// `notes` (none: nullptr) and `events` outlive it. Throws Error if a consumer cannot be run.
std::unique_ptr<Output> MakeSubOutput(EventLoop& loop, const SubscribeOptions& options,
                                      WriteNotes* notes, ConsumersEvents& events);

}  // namespace pipedup
