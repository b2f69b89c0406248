#include "base/text.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace pipedup {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string Escape(std::string_view text, std::size_t max) {
  std::string out;
  for (const char c : text.substr(0, max)) {
    if (c >= 0x20 && c < 0x7f && c != '\\') {
      out += c;
    } else if (c == '\\') {
      out += "\\\\";
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += "\\x";
      out += kHexDigits[byte >> 4];
      out += kHexDigits[byte & 15];
    }
  }
  if (text.size() > max) out += "…";
  return out;
}

std::string_view Nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t best_distance = 3;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = EditDistance(word, candidate);
    if (distance < best_distance && distance < std::max<std::size_t>(candidate.size(), 2)) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string RandomHex(std::size_t count) {
  std::random_device device;
  std::uniform_int_distribution<unsigned> byte(0, 255);
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    const unsigned value = byte(device);
    out += kHexDigits[value >> 4];
    out += kHexDigits[value & 15];
  }
  return out;
}

std::uint64_t RandomId() {
  std::random_device device;
  std::uniform_int_distribution<std::uint64_t> any(1);
  return any(device);
}

std::string Hex(std::uint64_t value) {
  std::string out(16, '0');
  for (std::size_t i = 16; i-- > 0; value >>= 4) out[i] = kHexDigits[value & 15];
  return out;
}

}  // namespace pipedup
