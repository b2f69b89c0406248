// What lies in the directory of a journal: the names, and the file that says whose it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/file.h"
#include "pipedup/types.h"

namespace pipedup {

/// `directory`/<begin, 20 digits>`suffix`: names sort as positions do.
std::string SegmentPath(const std::string& directory, Position begin, const char* suffix);
/// The position in such a name; nothing if `name` is another.
std::optional<Position> SegmentBegin(const std::string& name, const std::string& suffix);

inline constexpr const char* kLogSuffix = ".log";    ///< stream bytes and nothing else
inline constexpr const char* kIndexSuffix = ".idx";  ///< a block header of 64 bytes each

/// A session whose positions go on in another one: what it published from `end` on was lost
/// with the machine.
struct PastSession {
  SessionId session = 0;
  Position end = 0;
};

/// How soon what is appended is safe from a crash of the machine.
enum class SyncMode : std::uint8_t { kNever, kInterval, kAlways };

/// The file `journal` says whose bytes these are, to readers in other processes and to the next
/// process that goes on with them:
///
///     pipedup journal 1
///     session 1f2e3d4c5b6a7988
///     segment 4194304
///
/// and, on disk, also `from`, `used`, `stream`, `records`, `boot`, `sync`, `closed` and `past`
/// lines, and `check`, the XXH3-64 of what stands before it. Unknown lines are for later
/// versions.
struct JournalLabel {
  SessionId session = 0;
  std::size_t segment_bytes = 0;  ///< the most that one .log holds
  /// What stands before it was written by earlier processes: only the publisher, which looks at
  /// the checksums, reads that.
  Position from = 0;
  // Of a journal on disk.
  bool durable = false;
  bool lapsed = false;  ///< see LapseJournalLabel; WriteJournalLabel ends it
  std::string stream = {};
  RecordFormat records = RecordFormat::kLines;
  std::string boot = {};  ///< of the machine that the last process wrote on
  SyncMode sync = SyncMode::kNever;
  /// Positions before it have been published, whether the segments still have them or not, and
  /// so many records have ended there.
  Position used = 0;
  std::uint64_t used_records = 0;
  std::optional<Position> closed = {};  ///< the head at a clean end
  std::vector<PastSession> past = {};   ///< oldest first, at most kMostPast
};
inline constexpr std::size_t kMostPast = 16;

std::string EncodeLabel(const JournalLabel& label);
/// Nothing if it is no label that this version knows.
std::optional<JournalLabel> ParseLabel(std::string_view text);

/// A label on disk takes the old one's place at once and for good, or not at all. 0, or an
/// errno.
int WriteJournalLabel(const std::string& directory, const JournalLabel& label, Readers readers);
/// Marks a journal on disk: something of it is in memory only. Needs no room. False if it
/// cannot be marked.
bool LapseJournalLabel(const std::string& directory);
void RemoveJournalLabel(const std::string& directory);
/// Nothing, with `*why`, if there is none or it is of another kind.
std::optional<JournalLabel> ReadJournalLabel(const std::string& directory, std::string* why);

}  // namespace pipedup
