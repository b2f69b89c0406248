// A subscriber's cursor: what it has written so far, as text in a file that is never half
// valid. Pure: no files here, see cursor_file.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "pipedup/types.h"

namespace pipedup {

struct Cursor {
  /// A regular file that the stream is written to.
  struct File {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t length = 0;  ///< when it held everything before `position`, and no more
    /// Where it began to hold the session without a seam: its byte at `base_length` is the
    /// session's at `base`. From there on lengths and positions go on together, unless labels
    /// come between.
    Position base = 0;
    std::uint64_t base_length = 0;
    bool labelled = false;
    bool operator==(const File&) const = default;
  };
  /// Bytes from `position` on that are being written, or were when nobody could note it any
  /// more.
  struct Write {
    Position to = 0;
    std::uint64_t bytes = 0;  ///< as they are written; with labels more than the stream's
    bool operator==(const Write&) const = default;
  };

  std::string id;          ///< random hex, kept for the cursor's life
  std::uint64_t boot = 0;  ///< another number after each start of the machine
  std::string stream;      ///< empty, with session 0: nothing was begun yet
  SessionId session = 0;
  Position position = 0;  ///< every byte before it was taken by the output, or reported lost
  bool ended = false;     ///< and that is all: the stream has ended there
  std::optional<File> file;
  std::optional<Write> write;
  bool operator==(const Cursor&) const = default;
};

/// The file: a header for people, and two slots that are overwritten in turn, each inside one
/// sector, so that whatever interrupts a write leaves the other one whole. The newest valid one
/// counts. A write in place costs a microsecond; a new file and a rename for each note would
/// cost twenty.
inline constexpr std::size_t kCursorSectorBytes = 512;
inline constexpr std::size_t kCursorBytes = 3 * kCursorSectorBytes;

/// One sector each; `number` grows with every slot that is written, and `number` % 2 tells
/// which of the two it is.
std::string EncodeCursorHeader(std::int64_t holder);
std::string EncodeCursorSlot(const Cursor& cursor, std::uint64_t number);
inline constexpr std::size_t CursorSlotOffset(std::uint64_t number) {
  return (1 + number % 2) * kCursorSectorBytes;
}

struct ParsedCursor {
  std::optional<Cursor> cursor;  ///< the newest valid one
  std::uint64_t number = 0;      ///< its
  std::int64_t holder = 0;       ///< process that has opened the file last; 0: not known
  bool damaged = false;          ///< there should be a cursor, and neither slot is valid
  bool foreign = false;          ///< it is some other file
};

/// Reads the bytes of a whole file, whatever they are. None at all are a cursor that is not yet
/// written: none of the above.
ParsedCursor ParseCursor(ByteSpan file);

}  // namespace pipedup
