#include "os/process.h"

#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <array>
#include <cstdint>
#include <cstdlib>

#include "os/file.h"

namespace pipedup {

namespace {

// Of the process, as the limit itself is; set before there are threads.
rlimit g_first_limit{};
rlimit g_raised_limit{};

}  // namespace

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  rlimit raised = limit;
  raised.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) return;
  g_first_limit = limit;
  g_raised_limit = raised;
}

std::uint64_t DescriptorLimit() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : UINT64_MAX;
}

ScopedFirstDescriptorLimit::ScopedFirstDescriptorLimit() {
  if (g_raised_limit.rlim_cur != 0) ::setrlimit(RLIMIT_NOFILE, &g_first_limit);
}
ScopedFirstDescriptorLimit::~ScopedFirstDescriptorLimit() {
  if (g_raised_limit.rlim_cur != 0) ::setrlimit(RLIMIT_NOFILE, &g_raised_limit);
}

void KeepFreedBlocksInHeap() {
#if defined(__GLIBC__)
  ::mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 32 * 1024 * 1024);
#endif
}

std::string HostName() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

std::int64_t ProcessId() {
  return ::getpid();
}

std::uint32_t UserId() {
  return ::geteuid();
}

std::string BootId() {
  std::string why;
  const auto text = ReadTextFile("/proc/sys/kernel/random/boot_id", &why);
  return text ? text->substr(0, text->find('\n')) : "";
}

std::optional<std::uint32_t> GroupId(const std::string& name) {
  if (const group* entry = ::getgrnam(name.c_str())) return entry->gr_gid;
  if (name.empty() || name.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  const group* entry = ::getgrgid(static_cast<gid_t>(std::strtoul(name.c_str(), nullptr, 10)));
  return entry == nullptr ? std::nullopt : std::optional<std::uint32_t>(entry->gr_gid);
}

std::string Environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

Secret TakeVariable(const std::string& name) {
  char* const value = std::getenv(name.c_str());
  if (value == nullptr) return Secret();
  Secret taken(value);
  // The text stands where the kernel shows the environment, also when the name is gone.
  volatile char* const bytes = value;
  for (std::size_t i = 0; i < taken.text().size(); ++i) bytes[i] = '\0';
  ::unsetenv(name.c_str());
  return taken;
}

std::vector<std::string> RuntimeDirectories() {
  std::vector<std::string> found;
  for (const std::string& path : {Environment("XDG_RUNTIME_DIR"), std::string("/dev/shm"),
                                  Environment("TMPDIR"), std::string("/tmp")}) {
    if (!path.empty() && ::access(path.c_str(), W_OK | X_OK) == 0) found.push_back(path);
  }
  return found;
}

ScopedPrivateUmask::ScopedPrivateUmask() : saved_(::umask(077)) {}
ScopedPrivateUmask::~ScopedPrivateUmask() {
  ::umask(static_cast<mode_t>(saved_));
}

}  // namespace pipedup
