// Where a journal in memory lives, and who sweeps up after a process that died.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "os/file.h"

namespace pipedup {

/// A directory of this process alone, locked while it runs and removed at the end. A process
/// that was killed leaves its directory behind, unlocked: the next one to start removes it.
class JournalDirectory {
 public:
  /// Makes `<base>/pipedup-<uid>/<name>`, in the first of `bases` that can hold it, and removes
  /// abandoned ones beside it. With a group, `<base>/pipedup-<uid>-<gid>/<name>`, which the
  /// group may read, in the first that others may enter. Nothing if none can; `warn` was then
  /// told why for each.
  static std::optional<JournalDirectory> Create(
      const std::vector<std::string>& bases, const std::string& name,
      const std::function<void(const std::string&)>& warn,
      std::optional<std::uint32_t> group = std::nullopt);

  JournalDirectory(JournalDirectory&&) noexcept = default;
  JournalDirectory& operator=(JournalDirectory&&) = delete;
  ~JournalDirectory();

  const std::string& path() const { return path_; }

 private:
  JournalDirectory(std::string path, FileLock lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  std::optional<FileLock> lock_;
};

}  // namespace pipedup
