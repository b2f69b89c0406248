// What fuzz targets share: an input that is used up number by number, and a check that says
// which one it was.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace pipedup::fuzz {

inline void Require(bool holds, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%d: does not hold\n", file, line);
  std::abort();
}

/// Takes numbers off the input; zeros when it is used up.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  bool empty() const { return left_ == 0; }
  std::uint64_t Byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  /// Mostly near the others, now and then anything.
  std::uint64_t Number() {
    const std::uint64_t kind = Byte();
    if (kind < 224) return kind * 256 + Byte();
    if (kind < 240) return kind * 1024 * 1024;
    std::uint64_t number = 0;
    for (int i = 0; i < 8; ++i) number = number << 8 | Byte();
    return number;
  }
  /// A length byte, and as many bytes as that.
  std::string Text() {
    const std::size_t length = std::min<std::size_t>(Byte(), left_);
    std::string text(reinterpret_cast<const char*>(data_), length);
    data_ += length;
    left_ -= length;
    return text;
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

}  // namespace pipedup::fuzz
