// Tells when files of another process grow.
#pragma once

#include <optional>
#include <string>

#include "os/fd.h"

namespace pipedup {

/// Becomes readable when a watched file was written to, or something was made in a watched
/// directory. Linux only (inotify): elsewhere there is none.
class FileWatch {
 public:
  /// Nothing if there is no such thing here, or the user has too many of them (128 by default).
  static std::optional<FileWatch> Create();

  /// False if `path` cannot be watched: it is gone, most likely.
  bool AddDirectory(const std::string& path);
  /// In place of the file before. False: as above, and no file is watched.
  bool SetFile(const std::string& path);
  /// Forgets what has happened. Look at the files after that, not before. False: nothing was
  /// made in the directory.
  bool Clear();
  int fd() const { return fd_.get(); }

 private:
  explicit FileWatch(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
  int directory_ = -1;
  int file_ = -1;
};

}  // namespace pipedup
