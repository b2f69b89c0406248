#include "publish/member_file.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <utility>

#include "base/text.h"

namespace pipedup {
namespace {

constexpr std::size_t kMostRestored = 100'000;
constexpr std::size_t kMaxNameBytes = 256;

bool IsId(std::string_view text) {
  return text.size() <= 64 && text.find_first_not_of("0123456789abcdefABCDEF") == text.npos;
}

std::optional<int> HexDigit(char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::size_t digit = kDigits.find(c);
  return digit == kDigits.npos ? std::nullopt : std::optional(static_cast<int>(digit));
}

/// What Escape was given; whatever it cannot have made is taken as it is.
std::string Unescape(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("\\\\")) {
      ++at;
    } else if (rest.size() >= 4 && rest.starts_with("\\x")) {
      const auto high = HexDigit(rest[2]);
      const auto low = HexDigit(rest[3]);
      if (high && low) {
        out += static_cast<char>(*high * 16 + *low);
        at += 3;
        continue;
      }
    }
    out += text[at];
  }
  return out.substr(0, kMaxNameBytes);
}

}  // namespace

std::string EncodeMembers(const Members& members) {
  std::string text;
  for (const auto& [id, member] : members.all()) {
    if (member.role == control::Role::kTop) continue;
    text += id + " " + std::string(control::ToText(member.role)) +
            (member.key.empty() ? "" : "@" + member.key) + " " +
            std::to_string(member.position) + " " + Escape(member.name, kMaxNameBytes) + "\n";
  }
  return text;
}

void RestoreMembers(std::string_view text, Position tail, Position head, TimePoint now,
                    Members* members) {
  std::istringstream lines{std::string(text)};
  std::string line;
  while (std::getline(lines, line) && members->size() < kMostRestored) {
    std::istringstream words(line);
    std::string role;
    Member member;
    if (!(words >> member.id >> role >> member.position)) continue;
    if (words.get() == ' ') std::getline(words, member.name);
    member.name = Unescape(member.name);
    const std::size_t at = std::min(role.find('@'), role.size());
    member.key = role.substr(std::min(at + 1, role.size()));
    const auto known = control::ParseRole(role.substr(0, at));
    if (!IsId(member.id) || !known || *known == control::Role::kTop) continue;
    member.role = *known;
    member.position = std::clamp(member.position, tail, head);
    member.confirmed_any = member.restored = true;
    member.heard = member.progressed = now;
    members->Restore(std::move(member));
  }
}

}  // namespace pipedup
