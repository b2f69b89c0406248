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

std::vector<Content> Corpus() {
  using namespace std::string_literals;
  return {
      {"Empty", ""},
      {"OneDelimiter", "\n"},
      {"OneNul", "\0"s},
      {"OneByte", "x"},
      {"Nul", "a\0b\0\0c\n\0\nd\0"s},
      {"CarriageReturn", "one\r\ntwo\r\rthree\r\n\r\n"},
      {"BlankLines", "\n\n\nx\n\n\n"},
      {"NoFinalNewline", "first\nsecond without an end"},
      {"InvalidUtf8", "\xff\xfe\x80\xc3\n\xed\xa0\x80 \xf8\x88\n\xc0\xaf\n"},
      {"EveryByte", MakeRecords(3, 300'000)},
      {"HugeRecords", std::string(10 * kMiB, 'r') + "\n" + std::string(10 * kMiB, 's') + "\n"},
      {"HugeUnfinishedRecord", std::string(10 * kMiB, 'u')},
  };
}

}  // namespace pipedup::test
