#include "os/memory.h"

#include <gtest/gtest.h>

#include <cstring>

#include "os/file.h"
#include "os/io.h"

namespace pipedup {
namespace {

constexpr std::size_t kBytes = 32 * 1024 * 1024;

TEST(Memory, PrivateMemoryCountsOnceItIsUsed) {
  const std::uint64_t before = PrivateBytes();
  if (before == 0) GTEST_SKIP() << "nobody can say here";
  Mapping mapping = Mapping::OfMemory(kBytes);
  std::memset(mapping.writable(), 1, kBytes);
  EXPECT_GE(PrivateBytes(), before + kBytes * 3 / 4);
}

TEST(Memory, OpenDescriptorsAreCounted) {
  const std::uint64_t before = OpenDescriptors();
  if (before == 0) GTEST_SKIP() << "nobody can say here";
  const auto pipe = MakePipe();
  EXPECT_EQ(OpenDescriptors(), before + 2);
}

}  // namespace
}  // namespace pipedup
