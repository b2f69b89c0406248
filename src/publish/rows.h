// The rows of the answer to `stats`.
#pragma once

#include <cstdint>
#include <vector>

#include "journal/journal.h"
#include "publish/members.h"
#include "wire/control.h"

namespace pipedup {

/// A row for each member, no more than an answer can hold. `secret` makes the rows' ids:
/// whoever knows a member's own may take its place.
std::vector<control::SubscriberRow> MakeRows(const Members& members, const Journal& journal,
                                             std::uint64_t secret);

}  // namespace pipedup
