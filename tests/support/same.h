// Comparing long texts in tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

namespace pipedup {

/// Whether two long texts are the same. (EXPECT_EQ would look for the shortest difference, for
/// which megabytes of lines are too much: the process is killed for want of memory.)
inline testing::AssertionResult Same(std::string_view a, std::string_view b) {
  if (a == b) return testing::AssertionSuccess();
  const auto differ = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return testing::AssertionFailure()
         << a.size() << " and " << b.size() << " bytes, which differ at "
         << (differ.first - a.begin());
}

}  // namespace pipedup
