// The rows of the answer to `stats`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "journal/journal.h"
#include "publish/members.h"
#include "wire/control.h"

namespace pipedup {

/// A row for each member, those that lag most first, and no more than an answer can hold.
/// `waits_for` is the id of the member that the producer waits for, "" if it does not.
/// `secret` makes the rows' ids: whoever knows a member's own may take its place.
std::vector<control::SubscriberRow> MakeRows(const Members& members, const Journal& journal,
                                             const std::string& waits_for,
                                             std::uint64_t secret);

}  // namespace pipedup
