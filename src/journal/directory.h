// Where a journal lives, whose it is, and who sweeps up after a process that died.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "os/file.h"

namespace pipedup {

/// A directory of this process alone, locked while it runs. For a journal in memory it is
/// removed at the end; a process that was killed leaves its directory behind, unlocked, and the
/// next one to start removes it. For one on disk it stays.
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

  /// `path` as it is, made if need be, and left as it is at the end. Throws Error if it cannot
  /// be used, or another process holds it: then with that one's pid.
  static JournalDirectory OnDisk(const std::string& path, std::optional<std::uint32_t> group);

  /// Removes one on disk, if there is one. False if a process holds it.
  static bool RemoveOnDisk(const std::string& path);

  JournalDirectory(JournalDirectory&&) noexcept = default;
  JournalDirectory& operator=(JournalDirectory&&) = delete;
  ~JournalDirectory();

  const std::string& path() const { return path_; }

 private:
  JournalDirectory(std::string path, FileLock lock, bool stays)
      : path_(std::move(path)), stays_(stays), lock_(std::move(lock)) {}
  std::string path_;
  bool stays_;
  std::optional<FileLock> lock_;  // says who holds it
  UniqueFd held_;                 // of one on disk: the directory
};

}  // namespace pipedup
