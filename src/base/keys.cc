#include "base/keys.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace pipedup {
namespace {

constexpr std::string_view kDigits =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
constexpr std::string_view kBlanks = " \t\r";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // some editors begin UTF-8 with it
constexpr std::size_t kGroup = 5;  // characters that stand for 4 bytes

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("._@-").find(c) != std::string_view::npos;
}

bool IsKeyName(std::string_view text) {
  return !text.empty() && text.size() <= kMaxKeyName &&
         std::ranges::all_of(text, IsNameCharacter);
}

/// Takes the first word off `line`; "" if there is none.
std::string_view TakeWord(std::string_view* line) {
  line->remove_prefix(std::min(line->find_first_not_of(kBlanks), line->size()));
  const std::string_view word = line->substr(0, line->find_first_of(kBlanks));
  line->remove_prefix(word.size());
  return word;
}

struct KeyLine {
  std::size_t number = 0;
  std::string_view key;
  std::string_view name;  // "" if there is none
};

std::string At(std::size_t line) {
  return "line " + std::to_string(line) + ": ";
}

/// The lines of a file that are neither blank nor comments; nothing, with `*why`, if one is
/// wrong.
std::optional<std::vector<KeyLine>> ParseLines(std::string_view file, std::string* why) {
  std::vector<KeyLine> lines;
  if (file.starts_with(kByteOrderMark)) file.remove_prefix(kByteOrderMark.size());
  for (std::size_t number = 1; !file.empty(); ++number) {
    std::string_view rest = file.substr(0, file.find('\n'));
    file.remove_prefix(std::min(rest.size() + 1, file.size()));
    KeyLine line{number, TakeWord(&rest), TakeWord(&rest)};
    if (line.key.empty() || line.key[0] == '#') continue;
    if (!DecodeKey(line.key)) {
      // Not repeated: it may be a secret with a typing mistake.
      *why =
          At(number) + "not a key, which is 40 characters of Z85 as pipedup-keygen makes them";
      return std::nullopt;
    }
    if (line.name.starts_with('#')) {
      line.name = {};
    } else if (!line.name.empty() && !IsKeyName(line.name)) {
      *why = At(number) + "'" + std::string(line.name.substr(0, kMaxKeyName)) +
             "' is not a name of a key: 1 to 64 letters, digits, '.', '_', '@' or '-'";
      return std::nullopt;
    } else if (const std::string_view more = TakeWord(&rest);
               !more.empty() && !more.starts_with('#')) {
      *why = At(number) + "there is something behind the name, which is one word";
      return std::nullopt;
    }
    lines.push_back(line);
  }
  return lines;
}

/// The only line; nothing, with `*why`, if there are more or less, or it is of the other kind.
std::optional<KeyLine> ParseOnlyLine(std::string_view file, bool is_public, std::string* why) {
  const auto lines = ParseLines(file, why);
  if (!lines) return std::nullopt;
  if (lines->empty()) {
    *why = "there is no key in it";
    return std::nullopt;
  }
  const KeyLine& line = lines->front();
  if (is_public && line.name.empty()) {
    *why = At(line.number) +
           "a key without a name is a secret one, and a public key is needed here (PREFIX.pub: "
           "KEY NAME)";
  } else if (!is_public && !line.name.empty()) {
    *why = At(line.number) +
           "a key with a name is a public one, and a secret key is needed here (PREFIX.secret)";
  } else if (lines->size() > 1) {
    *why = At((*lines)[1].number) + "a second key, and one is needed here";
  } else {
    return line;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Secret> DecodeKey(std::string_view text) {
  if (text.size() != kKeyCharacters) return std::nullopt;
  std::string key;
  key.reserve(kKeyBytes);  // it never moves, and leaves nothing behind
  for (; !text.empty(); text.remove_prefix(kGroup)) {
    std::uint64_t value = 0;
    for (const char c : text.substr(0, kGroup)) {
      const std::size_t digit = kDigits.find(c);
      if (digit == std::string_view::npos) return std::nullopt;
      value = value * kDigits.size() + digit;
    }
    if (value > UINT32_MAX) return std::nullopt;
    for (int shift = 24; shift >= 0; shift -= 8) {
      key += static_cast<char>((value >> shift) & 0xff);
    }
  }
  return Secret(std::move(key));
}

std::string MakeKeyName(std::string_view text) {
  std::string name(text.substr(0, kMaxKeyName));
  for (char& c : name) {
    if (!IsNameCharacter(c)) c = '-';
  }
  return name.empty() ? "key" : name;
}

std::optional<Secret> ParseSecretKey(std::string_view file, std::string* why) {
  const auto line = ParseOnlyLine(file, false, why);
  return line ? std::optional<Secret>(std::string(line->key)) : std::nullopt;
}

std::optional<std::string> ParsePublicKey(std::string_view file, std::string* why) {
  const auto line = ParseOnlyLine(file, true, why);
  return line ? std::optional<std::string>(line->key) : std::nullopt;
}

std::optional<AllowList> AllowList::Parse(std::string_view file, std::string* why) {
  const auto lines = ParseLines(file, why);
  if (!lines) return std::nullopt;
  AllowList list;
  std::map<std::string, std::size_t, std::less<>> line_of;  // of each key and name
  for (const KeyLine& line : *lines) {
    if (line.name.empty()) {
      *why =
          At(line.number) +
          "a public key is followed by its name (PREFIX.pub has both); a secret key does not "
          "belong here";
      return std::nullopt;
    }
    for (const std::string_view word : {line.key, line.name}) {
      const auto [first, is_new] = line_of.emplace(word, line.number);
      if (is_new) continue;
      *why = At(line.number) +
             (word == line.name ? "the name '" + std::string(word) + "'" : "the key") +
             " is in line " + std::to_string(first->second) + " already";
      return std::nullopt;
    }
    list.names_.emplace(DecodeKey(line.key)->text(), line.name);
  }
  return list;
}

const std::string* AllowList::NameOf(std::string_view key) const {
  const auto found = names_.find(key);
  return found == names_.end() ? nullptr : &found->second;
}

bool AllowList::HasName(std::string_view name) const {
  return std::ranges::any_of(names_,
                             [name](const auto& entry) { return entry.second == name; });
}

std::vector<std::string> AllowList::NamesNotIn(const AllowList& other) const {
  std::vector<std::string> names;
  for (const auto& [key, name] : names_) {
    const std::string* const there = other.NameOf(key);
    if (there == nullptr || *there != name) names.push_back(name);
  }
  return names;
}

}  // namespace pipedup
