#include "os/watch.h"

#include <array>

#if defined(__linux__) && !defined(PIPEDUP_PORTABLE)
#include <sys/inotify.h>
#include <unistd.h>
#endif

namespace pipedup {

#if defined(__linux__) && !defined(PIPEDUP_PORTABLE)

std::optional<FileWatch> FileWatch::Create() {
  UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd) return std::nullopt;
  return FileWatch(std::move(fd));
}

bool FileWatch::AddDirectory(const std::string& path) {
  return ::inotify_add_watch(fd_.get(), path.c_str(), IN_CREATE | IN_ONLYDIR) >= 0;
}

bool FileWatch::SetFile(const std::string& path) {
  if (file_ >= 0) ::inotify_rm_watch(fd_.get(), file_);
  file_ = ::inotify_add_watch(fd_.get(), path.c_str(), IN_MODIFY);
  return file_ >= 0;
}

void FileWatch::Clear() {
  std::array<char, 4096> events;
  while (::read(fd_.get(), events.data(), events.size()) > 0) {
  }
}

#else

std::optional<FileWatch> FileWatch::Create() {
  return std::nullopt;
}
bool FileWatch::AddDirectory(const std::string&) {
  return false;
}
bool FileWatch::SetFile(const std::string&) {
  return false;
}
void FileWatch::Clear() {}

#endif

}  // namespace pipedup
