// Where a subscriber goes on that was interrupted: the whole decision. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "journal/cursor.h"
#include "pipedup/types.h"

namespace pipedup {

/// The regular file that the output is now.
struct OutputFile {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t length = 0;
};

struct ResumePlan {
  Position position = 0;  ///< goes on here
  /// Positions from `position` up to here may have been written before, too.
  std::optional<Position> repeated_to;
  /// Behind this length is a piece that was cut short: it goes, and is written again.
  std::optional<std::uint64_t> truncate_to;
  bool new_base = false;  ///< the file begins a new stretch here: see Cursor::File
  std::string why;        ///< for people; empty: nothing unusual
};

/// `output`: nothing if it is no regular file. `boot` of the system as it runs now.
ResumePlan PlanResume(const Cursor& cursor, const std::optional<OutputFile>& output,
                      std::uint64_t boot);

}  // namespace pipedup
