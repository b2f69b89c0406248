// The file that a cursor is in: held by one process at a time, written in place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "journal/cursor.h"
#include "os/fd.h"

namespace pipedup {

class CursorFile {
 public:
  /// Opens `path`, makes it (mode 0600) if need be, and holds it locked until destroyed or the
  /// process dies. Throws Error, with the way out, if another process holds it (and goes on to
  /// for a second: one that was killed may need that to be gone), it is not a cursor, or it
  /// cannot be opened or written.
  explicit CursorFile(const std::string& path);

  /// What it held when it was opened: nothing in a new one, or if it was damaged().
  const std::optional<Cursor>& loaded() const { return loaded_; }
  bool damaged() const { return damaged_; }

  /// Replaces what it holds, with one write into the older of its slots: 0, or the errno. What
  /// was there before then still counts.
  [[nodiscard]] int Store(const Cursor& cursor);

 private:
  UniqueFd fd_;
  std::optional<Cursor> loaded_;
  bool damaged_ = false;
  std::uint64_t number_ = 0;
};

}  // namespace pipedup
