#include "journal/directory.h"

#include <utility>

#include "base/error.h"
#include "os/process.h"

namespace pipedup {
namespace {

constexpr const char* kLockName = "/lock";

void RemoveAbandoned(const std::string& parent) {
  for (const std::string& name : ListDirectory(parent)) {
    const std::string path = parent + "/" + name;
    std::string why;
    if (const auto lock = FileLock::TryAcquire(path + kLockName, &why)) RemoveDirectory(path);
  }
}

}  // namespace

std::optional<JournalDirectory> JournalDirectory::Create(
    const std::vector<std::string>& bases, const std::string& name,
    const std::function<void(const std::string&)>& warn, std::optional<std::uint32_t> group) {
  const auto make = [&group](const std::string& path, std::string* why) {
    return group ? MakeGroupDirectory(path, *group, why) : MakePrivateDirectory(path, why);
  };
  for (const std::string& base : bases) {
    if (group && !OthersMayEnter(base)) continue;
    std::string parent = base + "/pipedup-" + std::to_string(UserId());
    if (group) parent += "-" + std::to_string(*group);
    std::string why;
    if (!make(parent, &why)) {
      warn("journal: " + why);
      continue;
    }
    RemoveAbandoned(parent);
    // Another process that starts now may take a directory without a lock for an abandoned one.
    for (int attempt = 0; attempt < 10; ++attempt) {
      std::string path = parent + "/" + name;
      if (!make(path, &why)) continue;
      if (auto lock = FileLock::TryAcquire(path + kLockName, &why)) {
        return JournalDirectory(std::move(path), std::move(*lock), false);
      }
    }
    warn("journal: " + why);
  }
  return std::nullopt;
}

JournalDirectory JournalDirectory::OnDisk(const std::string& path,
                                          std::optional<std::uint32_t> group) {
  std::string why;
  if (!MakeNamedDirectory(path, group, &why)) throw Error("journal: " + why);
  auto lock = FileLock::TryAcquire(path + kLockName, &why);
  if (!lock) throw Error("journal: " + why);
  JournalDirectory made(CanonicalPath(path), std::move(*lock), true);
  made.held_ = LockDirectory(path);
  if (!made.held_) throw Error("journal: " + path + ": held by another process");
  return made;
}

bool JournalDirectory::RemoveOnDisk(const std::string& path) {
  std::string why;
  const std::vector<std::string> names = ListDirectory(path);
  if (names.empty()) return true;
  const UniqueFd held = LockDirectory(path);
  const auto lock = FileLock::TryAcquire(path + kLockName, &why);
  if (!held || !lock) return false;
  RemoveDirectory(path);
  return true;
}

JournalDirectory::~JournalDirectory() {
  if (!stays_ && !path_.empty() && lock_) RemoveDirectory(path_);
}

}  // namespace pipedup
