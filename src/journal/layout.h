// What lies in the directory of a journal: the names, and the file that says whose it is.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "os/file.h"
#include "pipedup/types.h"

namespace pipedup {

/// `directory`/<begin, 20 digits>`suffix`: names sort as positions do.
std::string SegmentPath(const std::string& directory, Position begin, const char* suffix);
/// The position in such a name; nothing if `name` is another.
std::optional<Position> SegmentBegin(const std::string& name, const std::string& suffix);

inline constexpr const char* kLogSuffix = ".log";    ///< stream bytes and nothing else
inline constexpr const char* kIndexSuffix = ".idx";  ///< a block header of 64 bytes each

/// The file `journal` says to readers in other processes whose bytes these are:
///
///     pipedup journal 1
///     session 1f2e3d4c5b6a7988
///     segment 4194304
struct JournalLabel {
  SessionId session = 0;
  std::size_t segment_bytes = 0;  ///< the most that one .log holds
};

/// False, with `*why`, if it could not be written.
bool WriteJournalLabel(const std::string& directory, const JournalLabel& label, Readers readers,
                       std::string* why);
void RemoveJournalLabel(const std::string& directory);
/// Nothing, with `*why`, if there is none or it is of another kind.
std::optional<JournalLabel> ReadJournalLabel(const std::string& directory, std::string* why);

}  // namespace pipedup
