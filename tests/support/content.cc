#include "support/content.h"

#include <algorithm>
#include <cstring>

namespace pipedup::test {

std::string MakeRecords(std::uint64_t seed, std::size_t bytes, char delimiter) {
  std::string made(bytes, '\0');
  std::uint64_t state = seed;
  for (std::size_t at = 0; at < bytes; at += sizeof state) {
    // splitmix64
    std::uint64_t mixed = state += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    mixed ^= mixed >> 31;
    std::memcpy(made.data() + at, &mixed, std::min(sizeof mixed, bytes - at));
  }
  if (!made.empty()) made.back() = delimiter;
  return made;
}

std::string MakeLines(char label, std::size_t count, std::size_t first) {
  constexpr std::size_t kDigits = 8;
  std::string made;
  for (std::size_t i = first; i < first + count; ++i) {
    const std::string number = std::to_string(i);
    made += label;
    made += ' ';
    made.append(kDigits - std::min(kDigits, number.size()), '0');
    made += number + " of some lines\n";
  }
  return made;
}

}  // namespace pipedup::test
