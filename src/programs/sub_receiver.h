// What the options of a subscriber say of where and how it reads.
#pragma once

#include <vector>
#include "pipedup/subscribe.h"
#include "programs/sub_cursor.h"

#include "subscribe/receiver.h"

namespace pipedup {

/// The stream is a pattern of names.
bool HasPattern(const SubscribeOptions& options);

/// One for each endpoint. `cursor`: nullptr if there is none. Throws Error if an option is out
/// of range.
std::vector<ReceiverOptions> MakeReceiverOptions(const SubscribeOptions& options,
                                                 const SubCursor* cursor);

}  // namespace pipedup
