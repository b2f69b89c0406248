#include "os/watch.h"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__linux__) && !defined(PIPEDUP_PORTABLE)
#include <limits.h>
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
  directory_ = ::inotify_add_watch(fd_.get(), path.c_str(), IN_CREATE | IN_ONLYDIR);
  return directory_ >= 0;
}

bool FileWatch::SetFile(const std::string& path) {
  if (file_ >= 0) ::inotify_rm_watch(fd_.get(), file_);
  file_ = ::inotify_add_watch(fd_.get(), path.c_str(), IN_MODIFY);
  return file_ >= 0;
}

bool FileWatch::Clear() {
  constexpr std::size_t kLargestEvent = sizeof(inotify_event) + NAME_MAX + 1;
  std::array<char, 4096> events;
  bool made = false;
  std::size_t count = events.size();
  // A read that leaves room for another event has taken all there were.
  while (count + kLargestEvent > events.size()) {
    const ssize_t n = ::read(fd_.get(), events.data(), events.size());
    if (n <= 0) break;
    count = static_cast<std::size_t>(n);
    for (std::size_t at = 0; at < count;) {
      inotify_event event{};
      std::memcpy(&event, events.data() + at, sizeof event);
      made = made || event.wd == directory_ || (event.mask & IN_Q_OVERFLOW) != 0;
      at += sizeof event + event.len;
    }
  }
  return made;
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
bool FileWatch::Clear() {
  return true;
}

#endif

}  // namespace pipedup
