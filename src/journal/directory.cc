#include "journal/directory.h"

#include <utility>

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
    const std::function<void(const std::string&)>& warn) {
  for (const std::string& base : bases) {
    const std::string parent = base + "/pipedup-" + std::to_string(UserId());
    std::string why;
    if (!MakePrivateDirectory(parent, &why)) {
      warn("journal: " + why);
      continue;
    }
    RemoveAbandoned(parent);
    // Another process that starts now may take a directory without a lock for an abandoned one.
    for (int attempt = 0; attempt < 10; ++attempt) {
      std::string path = parent + "/" + name;
      if (!MakePrivateDirectory(path, &why)) break;
      if (auto lock = FileLock::TryAcquire(path + kLockName, &why)) {
        return JournalDirectory(std::move(path), std::move(*lock));
      }
    }
    warn("journal: " + why);
  }
  return std::nullopt;
}

JournalDirectory::~JournalDirectory() {
  if (!path_.empty() && lock_) RemoveDirectory(path_);
}

}  // namespace pipedup
