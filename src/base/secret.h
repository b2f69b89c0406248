// Text that nobody is to find in memory once it has served.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace pipedup {

/// Zeroes all that `text` holds, also when nobody looks at it any more.
inline void Wipe(std::string* text) {
  volatile char* const bytes = text->data();
  for (std::size_t i = 0; i < text->size(); ++i) bytes[i] = '\0';
}

/// Owns a text, and zeroes it at its end. Move-only; what it was moved from is empty. Copies
/// that a library makes of it are that library's.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(Secret&& other) noexcept { *this = std::move(other); }
  Secret& operator=(Secret&& other) noexcept {
    text_.swap(other.text_);
    Wipe(&other.text_);
    other.text_.clear();
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { Wipe(&text_); }

  std::string_view text() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  std::string text_;
};

}  // namespace pipedup
