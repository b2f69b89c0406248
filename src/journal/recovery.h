// What an earlier process left of a journal on disk, and where the stream goes on.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "journal/layout.h"
#include "journal/stored_segment.h"
#include "os/file.h"
#include "wire/block_header.h"

namespace pipedup {

struct RecoveryOptions {
  std::string directory;
  Readers readers = Readers::kNobody;
  SessionId new_session = 0;  ///< for a journal that begins, or whose positions cannot go on
  std::string boot;           ///< of this machine, now; "": not known
  RecordFormat records = RecordFormat::kLines;  ///< which it must have
  std::string stream;                           ///< whose journal it must be
  std::int64_t now_ns = 0;                      ///< wall clock: publish time of what is adopted
  std::function<void(const std::string&)> warn;
  /// The session is another publisher's, who has or had the same bytes at the same positions:
  /// it is kept in any case, and what is missing at its end is no hole, but asked for again.
  bool copy = false;
};

/// What was found.
struct Recovered {
  JournalLabel label;  ///< with the session that goes on; its `from` and `closed` are old
  std::deque<StoredSegment::Found> segments;  ///< oldest first
  Position head = 0;                          ///< end of the last block
  bool began_session = false;                 ///< `label.session` is the new one
  bool same_boot = false;           ///< what was written last may be in the page cache only
  std::optional<BlockHeader> last;  ///< the last block, if any is left
};

/// Looks at the names and sizes of all segments and at every byte of the last one. Its time
/// grows with the number of segments a little, and with their bytes not at all: what is damaged
/// further back is found when it is read.
///
/// After a crash of the process (the machine has not been started since) the page cache is
/// right: the session goes on, and bytes that did not reach the index (they were read from the
/// producer, and not published yet) are given blocks where they are. After a crash
/// of the machine the last segment is cut behind the last block whose checksum holds. If bytes
/// may have been lost that subscribers have been told of, positions would be used twice: a new
/// session goes on at that position, and the old one is among the label's `past`.
///
/// Nothing (and no segment) if the directory has no journal. Throws Error if it cannot be read
/// or mended, or holds something else.
std::optional<Recovered> Recover(const RecoveryOptions& options);

}  // namespace pipedup
