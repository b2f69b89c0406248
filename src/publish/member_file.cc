#include "publish/member_file.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "base/text.h"

namespace pipedup {
namespace {

constexpr std::size_t kMostRestored = 100'000;

}  // namespace

std::string EncodeMembers(const Members& members) {
  std::string text;
  for (const auto& [id, member] : members.all()) {
    if (member.role == control::Role::kTop) continue;
    text += id + " " + std::string(control::ToText(member.role)) +
            (member.key.empty() ? "" : "@" + member.key) + " " +
            std::to_string(member.position) + " " + Escape(member.name, 256) + "\n";
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
    const bool is_id = member.id.size() <= 64 &&
                       member.id.find_first_not_of("0123456789abcdef") == std::string::npos;
    const std::size_t at = std::min(role.find('@'), role.size());
    member.key = role.substr(std::min(at + 1, role.size()));
    const auto known = control::ParseRole(role.substr(0, at));
    if (!is_id || !known || *known == control::Role::kTop) continue;
    member.role = *known;
    member.position = std::clamp(member.position, tail, head);
    member.confirmed_any = member.restored = true;
    member.heard = member.progressed = now;
    members->Restore(std::move(member));
  }
}

}  // namespace pipedup
