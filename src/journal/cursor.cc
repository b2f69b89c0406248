#include "journal/cursor.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/checksum.h"
#include "base/text.h"
#include "wire/block_header.h"

namespace pipedup {
namespace {

constexpr std::string_view kMagic = "pipedup cursor 1\n";
constexpr std::string_view kHolder = "opened by process ";
constexpr std::string_view kCheck = "check ";
constexpr std::size_t kMaxIdBytes = 64;
constexpr int kHexBase = 16;

/// Fills a sector up with blanks, so that the file can be read line by line.
std::string ToSector(std::string text) {
  text.resize(kCursorSectorBytes - 1, ' ');
  return text + '\n';
}

/// Takes words and numbers off the front of a text; once something is missing it stays failed.
class Reader {
 public:
  explicit Reader(std::string_view text) : left_(text) {}

  bool Skip(std::string_view word) {
    if (!left_.starts_with(word)) return false;
    left_.remove_prefix(word.size());
    return true;
  }
  void Expect(std::string_view word) { failed_ |= !Skip(word); }
  template <typename Integer>
  Integer Number(int base = 10) {
    Integer value = 0;
    const auto [end, error] =
        std::from_chars(left_.data(), left_.data() + left_.size(), value, base);
    failed_ |= error != std::errc();
    left_.remove_prefix(static_cast<std::size_t>(end - left_.data()));
    return value;
  }
  std::string Word() {
    const std::size_t length = std::min(left_.find_first_of(" \n"), left_.size());
    std::string word(left_.substr(0, length));
    left_.remove_prefix(length);
    return word;
  }
  bool failed() const { return failed_; }

 private:
  std::string_view left_;
  bool failed_ = false;
};

bool IsId(std::string_view text) {
  return !text.empty() && text.size() <= kMaxIdBytes &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// What a cursor says cannot be wrong in a way that arithmetic with it goes astray.
bool IsSound(const Cursor& cursor) {
  if (!IsId(cursor.id)) return false;
  if (cursor.session == 0 ? !cursor.stream.empty() : !IsValidStreamName(cursor.stream)) {
    return false;
  }
  if (cursor.file &&
      (cursor.file->base > cursor.position || cursor.file->base_length > cursor.file->length)) {
    return false;
  }
  return !cursor.write || (cursor.write->to > cursor.position && cursor.write->bytes > 0);
}

struct Slot {
  Cursor cursor;
  std::uint64_t number = 0;
};

std::optional<Slot> ParseSlot(std::string_view sector) {
  const std::size_t check_at = sector.rfind(kCheck);
  if (check_at == std::string_view::npos) return std::nullopt;
  Reader check(sector.substr(check_at + kCheck.size()));
  const auto sum = check.Number<std::uint64_t>(kHexBase);
  if (check.failed() || sum != Checksum(AsBytes(sector.substr(0, check_at)))) {
    return std::nullopt;
  }
  Slot slot;
  Cursor& cursor = slot.cursor;
  Reader reader(sector.substr(0, check_at));
  reader.Expect("slot ");
  slot.number = reader.Number<std::uint64_t>();
  reader.Expect("\nid ");
  cursor.id = reader.Word();
  reader.Expect("\nboot ");
  cursor.boot = reader.Number<std::uint64_t>(kHexBase);
  if (reader.Skip("\nstream ")) {
    cursor.stream = reader.Word();
    reader.Expect("\nsession ");
    cursor.session = reader.Number<std::uint64_t>(kHexBase);
  }
  reader.Expect("\nposition ");
  cursor.position = reader.Number<Position>();
  cursor.ended = reader.Skip(" end");
  if (reader.Skip("\nfile ")) {
    Cursor::File& file = *(cursor.file = Cursor::File());
    file.device = reader.Number<std::uint64_t>();
    reader.Expect(" ");
    file.inode = reader.Number<std::uint64_t>();
    reader.Expect(" length ");
    file.length = reader.Number<std::uint64_t>();
    reader.Expect(" since ");
    file.base = reader.Number<Position>();
    reader.Expect(" at ");
    file.base_length = reader.Number<std::uint64_t>();
    file.labelled = reader.Skip(" labelled");
  }
  if (reader.Skip("\nwriting to ")) {
    Cursor::Write& write = *(cursor.write = Cursor::Write());
    write.to = reader.Number<Position>();
    reader.Expect(" bytes ");
    write.bytes = reader.Number<std::uint64_t>();
  }
  reader.Expect("\n");
  if (reader.failed() || !IsSound(cursor)) return std::nullopt;
  return slot;
}

}  // namespace

std::string EncodeCursorHeader(std::int64_t holder) {
  return ToSector(std::string(kMagic) + std::string(kHolder) + std::to_string(holder) + "\n");
}

std::string EncodeCursorSlot(const Cursor& cursor, std::uint64_t number) {
  std::string text;
  text.reserve(kCursorSectorBytes);
  text += "slot " + std::to_string(number) + "\nid " + cursor.id + "\nboot " + Hex(cursor.boot);
  if (cursor.session != 0) {
    text += "\nstream " + cursor.stream + "\nsession " + Hex(cursor.session);
  }
  text += "\nposition " + std::to_string(cursor.position);
  if (cursor.ended) text += " end";
  if (cursor.file) {
    text += "\nfile " + std::to_string(cursor.file->device) + " " +
            std::to_string(cursor.file->inode) + " length " +
            std::to_string(cursor.file->length) + " since " +
            std::to_string(cursor.file->base) + " at " +
            std::to_string(cursor.file->base_length);
    if (cursor.file->labelled) text += " labelled";
  }
  if (cursor.write) {
    text += "\nwriting to " + std::to_string(cursor.write->to) + " bytes " +
            std::to_string(cursor.write->bytes);
  }
  text += "\n";
  text += std::string(kCheck) + Hex(Checksum(AsBytes(text))) + "\n";
  return ToSector(std::move(text));
}

ParsedCursor ParseCursor(ByteSpan file) {
  ParsedCursor parsed;
  const std::string_view text = AsText(file);
  Reader header(text);
  const bool magic = header.Skip(kMagic);
  if (magic && header.Skip(kHolder)) {
    const auto holder = header.Number<std::int64_t>();
    parsed.holder = header.failed() ? 0 : std::max<std::int64_t>(holder, 0);
  }
  for (const std::size_t at : {CursorSlotOffset(0), CursorSlotOffset(1)}) {
    if (text.size() < at + kCursorSectorBytes) break;
    std::optional<Slot> slot = ParseSlot(text.substr(at, kCursorSectorBytes));
    if (!slot || (parsed.cursor && slot->number < parsed.number)) continue;
    parsed.cursor = std::move(slot->cursor);
    parsed.number = slot->number;
  }
  if (parsed.cursor || text.empty()) return parsed;
  if (magic && text.size() <= kCursorSectorBytes)
    return parsed;  // killed before its first slot
  // A file system that lost what was not safe yet leaves zeros, or a part of it.
  const bool zeros = text.find_first_not_of('\0') == std::string_view::npos;
  parsed.damaged = magic || zeros || text.size() == kCursorBytes;
  parsed.foreign = !parsed.damaged;
  return parsed;
}

}  // namespace pipedup
