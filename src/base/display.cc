#include "base/display.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>

#include "base/text.h"

namespace pipedup {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Unicode 15, East_Asian_Width W and F, and emoji, as runs that hold few others.
constexpr std::array kWide = {
    Range{0x1100, 0x115F},   Range{0x231A, 0x231B},   Range{0x23E9, 0x23EC},
    Range{0x2E80, 0x303E},   Range{0x3041, 0x33FF},   Range{0x3400, 0x4DBF},
    Range{0x4E00, 0x9FFF},   Range{0xA000, 0xA4CF},   Range{0xA960, 0xA97F},
    Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},   Range{0xFE30, 0xFE6F},
    Range{0xFF00, 0xFF60},   Range{0xFFE0, 0xFFE6},   Range{0x16FE0, 0x18CFF},
    Range{0x1AFF0, 0x1B2FF}, Range{0x1F300, 0x1F64F}, Range{0x1F680, 0x1F6FF},
    Range{0x1F900, 0x1FAFF}, Range{0x20000, 0x3FFFD}};
// Marks that stand over or under the character before them.
constexpr std::array kJoining = {
    Range{0x0300, 0x036F}, Range{0x0483, 0x0489},  Range{0x0591, 0x05BD}, Range{0x064B, 0x065F},
    Range{0x1AB0, 0x1AFF}, Range{0x1DC0, 0x1DFF},  Range{0x20D0, 0x20F0}, Range{0xFE00, 0xFE0F},
    Range{0xFE20, 0xFE2F}, Range{0xE0100, 0xE01EF}};
// Controls, and what is not seen but changes how the rest is.
constexpr std::array kUnfit = {
    Range{0x00, 0x1F},       Range{0x7F, 0x9F},       Range{0xAD, 0xAD},
    Range{0x061C, 0x061C},   Range{0x180E, 0x180E},   Range{0x200B, 0x200F},
    Range{0x2028, 0x202E},   Range{0x2060, 0x206F},   Range{0xD800, 0xF8FF},
    Range{0xFEFF, 0xFEFF},   Range{0xFFF0, 0xFFFB},   Range{0xFFFE, 0xFFFF},
    Range{0xE0000, 0xE00FF}, Range{0xF0000, 0x10FFFF}};

template <typename Ranges>
bool IsIn(const Ranges& ranges, char32_t c) {
  return std::ranges::any_of(ranges,
                             [c](const Range& r) { return c >= r.first && c <= r.last; });
}

/// The character that `text` begins with, and its bytes; nothing if they are no UTF-8.
struct Character {
  char32_t code = 0;
  std::size_t bytes = 0;
};
std::optional<Character> FirstOf(std::string_view text) {
  const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return Character{lead, 1};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return std::nullopt;
  char32_t code = lead & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((at(i) & 0xC0) != 0x80) return std::nullopt;
    code = (code << 6) | (at(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[bytes] || code > 0x10FFFF) return std::nullopt;
  return Character{code, bytes};
}

std::size_t ColumnsOf(char32_t c) {
  if (c < 0x300) return 1;
  return IsIn(kJoining, c) ? 0 : IsIn(kWide, c) ? 2 : 1;
}

std::string Escaped(char32_t code) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "\\u{%x}", static_cast<unsigned>(code));
  return text.data();
}

}  // namespace

std::string Displayable(std::string_view text, bool utf8) {
  std::string out;
  while (!text.empty()) {
    const std::optional<Character> character = FirstOf(text);
    const std::size_t bytes = character ? character->bytes : 1;
    const std::string_view raw = text.substr(0, bytes);
    if (!utf8 || bytes == 1) {
      out += Escape(raw);
    } else if (IsIn(kUnfit, character->code)) {
      out += Escaped(character->code);
    } else {
      out += raw;
    }
    text.remove_prefix(bytes);
  }
  return out;
}

std::size_t DisplayColumns(std::string_view displayable) {
  std::size_t columns = 0;
  while (!displayable.empty()) {
    const Character character = FirstOf(displayable).value_or(Character{'?', 1});
    columns += ColumnsOf(character.code);
    displayable.remove_prefix(character.bytes);
  }
  return columns;
}

std::string CutToColumns(std::string_view displayable, std::size_t columns, bool utf8) {
  if (DisplayColumns(displayable) <= columns) return std::string(displayable);
  if (columns == 0) return "";
  std::size_t bytes = 0;
  std::size_t used = 0;
  while (true) {
    const Character next = FirstOf(displayable.substr(bytes)).value_or(Character{'?', 1});
    if (used + ColumnsOf(next.code) > columns - 1) break;
    used += ColumnsOf(next.code);
    bytes += next.bytes;
  }
  return std::string(displayable.substr(0, bytes)) + (utf8 ? "…" : "~");
}

}  // namespace pipedup
