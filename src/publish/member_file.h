// Who is waited for, for the publisher that comes after this one.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "pipedup/types.h"
#include "publish/members.h"

namespace pipedup {

/// With a journal on disk: a line for each member. To the publisher that is started next they
/// are members that have only been silent for a while: with --slow wait the producer waits for
/// them, and the end of the stream waits for all, so that a restart loses them nothing.
///
///     ID ROLE POSITION NAME
///     ID ROLE@KEY POSITION NAME    let in with the key of that name
std::string EncodeMembers(const Members& members);

/// Adds the members of such a text, confirmed up to their positions, heard at `now`. Lines that
/// are none are passed over: whoever is missing says hello.
void RestoreMembers(std::string_view text, Position tail, Position head, TimePoint now,
                    Members* members);

}  // namespace pipedup
