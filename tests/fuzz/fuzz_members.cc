// The members that a publisher leaves for the next one: any text is read without harm, and
// whoever may be a member is one of the next publisher too, as what it was.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "input.h"
#include "publish/member_file.h"
#include "wire/control.h"

namespace {

using namespace pipedup;
using fuzz::Input;
using fuzz::Require;

constexpr TimePoint kNow{std::chrono::hours(1)};
constexpr Position kTail = 1000;
constexpr Position kHead = 1'000'000;

Members Restored(std::string_view text) {
  Members members;
  RestoreMembers(text, kTail, kHead, kNow, &members);
  return members;
}

/// The same members, with what matters of them.
void RequireSame(const Members& a, const Members& b) {
  Require(a.size() == b.size());
  auto other = b.all().begin();
  for (const auto& [id, member] : a.all()) {
    Require(other->first == id && other->second.id == id);
    Require(other->second.role == member.role);
    Require(other->second.position == member.position);
    Require(other->second.name == member.name);
    ++other;
  }
}

void CheckText(std::string_view text) {
  const Members members = Restored(text);
  for (const auto& [id, member] : members.all()) {
    Require(id == member.id && !id.empty() && id.size() <= 64);
    Require(member.role != control::Role::kTop);
    Require(member.position >= kTail && member.position <= kHead);
    Require(member.restored && member.confirmed_any && member.heard == kNow);
    Require(member.name.size() <= 256);  // as a hello has it
  }
  RequireSame(members, Restored(EncodeMembers(members)));
}

/// Such as hellos make.
void CheckMembers(Input input) {
  constexpr std::string_view kDigits = "0123456789abcdefABCDEF";
  Members members;
  while (!input.empty() && members.size() < 16) {
    std::string id(1 + input.Byte() % 64, '0');
    for (std::size_t i = 0; i < 3 && i < id.size(); ++i) id[i] = kDigits[input.Byte() % 22];
    Member& member = members.Join(id, "route" + id);
    member.role = static_cast<control::Role>(input.Byte() % 3);
    member.position = kTail + input.Number() % (kHead - kTail);
    member.name = input.Text();
  }
  RequireSame(members, Restored(EncodeMembers(members)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  CheckText(AsText(std::as_bytes(std::span(data, size))));
  CheckMembers(Input(data, size));
  return 0;
}
