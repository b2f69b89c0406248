#include "base/checksum.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace pipedup {
namespace {

/// The bytes over which xxHash publishes its vectors (xxhsum's self-test: "sanity buffer").
std::string VectorBytes(std::size_t count) {
  std::string bytes;
  std::uint64_t generator = 0x9E3779B1;
  for (std::size_t i = 0; i < count; ++i) {
    bytes += static_cast<char>(generator >> 56);
    generator *= 0x9E3779B185EBCA8D;
  }
  return bytes;
}

struct Vector {
  std::size_t length;
  std::uint64_t checksum;
};

// One vector for each way in which XXH3 treats a length: 0, 1-3, 4-8, 9-16, 17-128, 129-240,
// one stripe, one block, several blocks with and without a rest.
TEST(Checksum, AgreesWithThePublishedVectorsOfXxh3) {
  for (const Vector vector :
       {Vector{0, 0x2D06800538D394C2}, Vector{1, 0xC44BDFF4074EECDB},
        Vector{6, 0x27B56A84CD2D7325}, Vector{12, 0xA713DAF0DFBB77E7},
        Vector{24, 0xA3FE70BF9D3510EB}, Vector{48, 0x397DA259ECBA1F11},
        Vector{80, 0xBCDEFBBB2C47C90A}, Vector{195, 0xCD94217EE362EC3A},
        Vector{403, 0xCDEB804D65C6DEA4}, Vector{512, 0x617E49599013CB6B},
        Vector{2048, 0xDD59E2C3A5F038E0}, Vector{2240, 0x6E73A90539CF2948},
        Vector{2367, 0xCB37AEB9E5D361ED}}) {
    EXPECT_EQ(Checksum(AsBytes(VectorBytes(vector.length))), vector.checksum)
        << "of " << vector.length << " bytes";
  }
}

TEST(Checksum, DoesNotDependOnWhereTheBytesLie) {
  const std::string bytes = VectorBytes(2367);
  for (std::size_t shift = 1; shift < 16; ++shift) {
    const std::string shifted = std::string(shift, 'x') + bytes;
    EXPECT_EQ(Checksum(AsBytes(shifted).subspan(shift)), 0xCB37AEB9E5D361ED);
  }
}

TEST(Checksum, NoticesEverySingleFlippedBitOfAHeader) {
  std::string bytes = VectorBytes(60);
  const std::uint64_t checksum = Checksum(AsBytes(bytes));
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    const auto mask = static_cast<char>(1U << (bit % 8));
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
    EXPECT_NE(Checksum(AsBytes(bytes)), checksum) << "bit " << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
  }
}

}  // namespace
}  // namespace pipedup
