#include "support/cursors.h"

#include <string_view>

#include "journal/cursor.h"
#include "support/files.h"

namespace pipedup::test {

bool LeaveWriteOpen(const std::string& file, std::uint64_t position, std::uint64_t to) {
  std::string bytes = ReadFile(file);
  ParsedCursor parsed = ParseCursor(AsBytes(bytes));
  if (!parsed.cursor) return false;
  parsed.cursor->position = position;
  parsed.cursor->write = Cursor::Write{to, to - position};
  bytes.replace(CursorSlotOffset(parsed.number), kCursorSectorBytes,
                EncodeCursorSlot(*parsed.cursor, parsed.number));
  WriteFile(file, bytes);
  return true;
}

bool DamageCursor(const std::string& file, Slots which) {
  std::string bytes = ReadFile(file);
  const ParsedCursor parsed = ParseCursor(AsBytes(bytes));
  if (!parsed.cursor) return false;
  constexpr std::size_t kSomewhere = 20;
  bytes[CursorSlotOffset(parsed.number) + kSomewhere] ^= 1;
  if (which == Slots::kBoth) bytes[CursorSlotOffset(parsed.number + 1) + kSomewhere] ^= 1;
  WriteFile(file, bytes);
  return true;
}

}  // namespace pipedup::test
