// The oracle: knows every byte that was produced, and holds a subscriber to its promise that
// delivered and reported lost together are exactly that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pipedup::test {

/// A gap as the subscriber reported it. Positions are offsets in the produced bytes.
struct GapReport {
  std::string session = {};
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::uint64_t bytes = 0;
  std::uint64_t first_record = 0;
  std::uint64_t records = 0;
  bool records_known = true;  ///< else the two above were not said
  std::string reason = {};
};

/// What a subscriber wrote, and what it said about it.
struct Account {
  std::string delivered = {};
  std::vector<GapReport> gaps = {};
  std::uint64_t begin = 0;           ///< position of the first byte that it was to deliver
  std::uint64_t position = 0;        ///< every byte before it was delivered or reported lost
  std::uint64_t received_bytes = 0;  ///< at least what was delivered
  std::uint64_t lost_bytes = 0;
  std::uint64_t lost_records = 0;
};

struct Expected {
  std::string_view produced;             ///< by one session, from position 0
  std::optional<char> delimiter = '\n';  ///< that ends a record; nothing: there are none
  enum class Until {
    kEnd,     ///< the account goes to the last byte produced
    kAnyByte  ///< it was cut short: what there is must be right, up to any byte
  } until = Until::kEnd;
};

/// Walks the produced bytes from `begin` on, through what was delivered and the gaps in turn:
/// in order, nothing twice, byte for byte, and the counts in the reports. "" if all of it adds
/// up, else the first thing that does not.
std::string CheckEquation(const Expected& expected, const Account& account);

/// Length of the longest prefix that both have.
std::size_t CommonPrefix(std::string_view a, std::string_view b);

}  // namespace pipedup::test
