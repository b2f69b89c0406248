// What is published in tests: every byte of it can be told again from a seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pipedup::test {

inline constexpr std::size_t kMiB = 1024 * 1024;

/// `bytes` bytes of every value, cut by `delimiter` into records of 256 bytes on average; the
/// last one is finished. No part of it occurs a second time.
std::string MakeRecords(std::uint64_t seed, std::size_t bytes, char delimiter = '\n');

/// `count` numbered lines of text that begin with `label`: "A 00000017 …\n".
std::string MakeLines(char label, std::size_t count, std::size_t first = 0);

struct Content {
  const char* name;
  std::string bytes;
};

/// What is hard about bytes and records, one thing each.
std::vector<Content> Corpus();

}  // namespace pipedup::test
