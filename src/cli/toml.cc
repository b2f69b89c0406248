#include "cli/toml.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/text.h"
#include "pipedup/command_line.h"

namespace pipedup::cli {
namespace {

bool IsBare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         c == '-' || c == '_';
}

std::string Utf8(std::uint32_t code) {
  const auto byte = [](std::uint32_t value) { return static_cast<char>(value); };
  if (code < 0x80) return {byte(code)};
  if (code < 0x800) return {byte(0xC0 | (code >> 6)), byte(0x80 | (code & 0x3F))};
  if (code < 0x10000) {
    return {byte(0xE0 | (code >> 12)), byte(0x80 | ((code >> 6) & 0x3F)),
            byte(0x80 | (code & 0x3F))};
  }
  return {byte(0xF0 | (code >> 18)), byte(0x80 | ((code >> 12) & 0x3F)),
          byte(0x80 | ((code >> 6) & 0x3F)), byte(0x80 | (code & 0x3F))};
}

bool IsNumber(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  if (whole.empty() || !std::ranges::all_of(whole, is_digit)) return false;
  if (point == std::string_view::npos) return true;
  text.remove_prefix(point + 1);
  return !text.empty() && std::ranges::all_of(text, is_digit);
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  }

  TomlFile Read() {
    while (file_.wrong.empty()) {
      SkipToNextLine();
      if (text_.empty()) break;
      if (file_.wrong.empty()) Entry();
    }
    return std::move(file_);
  }

 private:
  void Wrong(std::string what) {
    if (!file_.wrong.empty()) return;
    file_.wrong = std::move(what);
    file_.line = line_;
  }

  bool Take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  void SkipBlanks() {
    while (Take(' ') || Take('\t')) {
    }
  }

  void SkipComment() {
    SkipBlanks();
    if (text_.starts_with('#')) text_.remove_prefix(std::min(text_.find('\n'), text_.size()));
  }

  bool TakeLineEnd() {
    if (text_.starts_with("\r\n")) text_.remove_prefix(1);
    if (!Take('\n')) return false;
    ++line_;
    return true;
  }

  void SkipToNextLine() {
    do SkipComment();
    while (TakeLineEnd());
  }

  void Entry() {
    if (text_.starts_with('[')) return Wrong("tables are not used here: write name = value");
    TomlEntry entry;
    entry.line = line_;
    if (text_.starts_with('"') || text_.starts_with('\'')) {
      entry.name = String();
    } else {
      entry.name = Bare();
    }
    if (entry.name.empty()) return Wrong("expected name = value");
    for (const TomlEntry& other : file_.entries) {
      if (other.name == entry.name) {
        return Wrong(Escape(entry.name) + " is set twice, first on line " +
                     std::to_string(other.line));
      }
    }
    SkipBlanks();
    if (!Take('=')) return Wrong("expected = after " + Escape(entry.name));
    SkipBlanks();
    if (Take('[')) {
      entry.array = true;
      Array(&entry.values);
    } else {
      entry.values.push_back(Value());
    }
    if (!file_.wrong.empty()) return;
    SkipComment();
    if (!text_.empty() && !TakeLineEnd()) {
      return Wrong("unexpected text after the value of " + Escape(entry.name));
    }
    file_.entries.push_back(std::move(entry));
  }

  void Array(std::vector<std::string>* values) {
    while (file_.wrong.empty()) {
      SkipToNextLine();
      if (Take(']')) return;
      values->push_back(Value());
      SkipToNextLine();
      if (Take(',')) continue;
      if (!Take(']')) Wrong("an array ends with ]");
      return;
    }
  }

  std::string Bare() {
    const auto end = std::ranges::find_if_not(text_, IsBare);
    std::string word(text_.begin(), end);
    text_.remove_prefix(word.size());
    return word;
  }

  std::string Value() {
    if (text_.starts_with('"') || text_.starts_with('\'')) return String();
    const std::string word(
        text_.substr(0, std::min(text_.find_first_of(" \t\r\n,]#"), text_.size())));
    text_.remove_prefix(word.size());
    if (word.empty()) {
      Wrong("a value is missing");
    } else if (word != "true" && word != "false" && !IsNumber(word)) {
      Wrong("text stands in quotes: \"" + Escape(word) + "\"");
    }
    return word;
  }

  std::string String() {
    if (text_.starts_with("\"\"\"") || text_.starts_with("'''")) {
      Wrong("text over several lines is not used here");
      return "";
    }
    const char quote = text_[0];
    text_.remove_prefix(1);
    std::string out;
    while (!text_.empty()) {
      const char c = text_[0];
      if ((c >= 0 && c < 0x20 && c != '\t') || c == 0x7f) break;
      text_.remove_prefix(1);
      if (c == quote) return out;
      if (c == '\\' && quote == '"') {
        out += EscapeSequence();
      } else {
        out += c;
      }
    }
    Wrong("a quote is not closed");
    return out;
  }

  std::string EscapeSequence() {
    static constexpr std::string_view kLetters = "btnfr\"\\";
    static constexpr std::string_view kMeanings = "\b\t\n\f\r\"\\";
    const char letter = text_.empty() ? '\0' : text_[0];
    if (const std::size_t at = kLetters.find(letter); at != std::string_view::npos) {
      text_.remove_prefix(1);
      return {kMeanings[at]};
    }
    const std::size_t digits = letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    std::uint32_t code = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      static constexpr std::string_view kHex = "0123456789abcdef0123456789ABCDEF";
      const std::size_t digit =
          i + 1 < text_.size() ? kHex.find(text_[i + 1]) : std::string_view::npos;
      if (digit == std::string_view::npos) code = 0x110000;
      if (code < 0x1100000) code = code * 16 + static_cast<std::uint32_t>(digit % 16);
    }
    if (digits == 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
      Wrong("unknown escape in quotes; a backslash is written \\\\, or 'in single quotes'");
      return "";
    }
    text_.remove_prefix(digits + 1);
    return Utf8(code);
  }

  std::string_view text_;
  std::size_t line_ = 1;
  TomlFile file_;
};

}  // namespace

TomlFile ReadToml(std::string_view text) {
  return Reader(text).Read();
}

std::string TomlQuote(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if ((c >= 0 && c < 0x20) || c == 0x7f) {
      out += "\\u00";
      out += kHex[static_cast<std::size_t>(c) >> 4];
      out += kHex[static_cast<std::size_t>(c) & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace pipedup::cli
