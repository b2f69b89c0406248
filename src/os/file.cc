#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/units.h"
#include "os/io.h"

namespace pipedup {

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
}

Mapping Mapping::OfFile(int fd, std::size_t bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) throw Error("map a segment: " + ErrnoText(errno));
  return {static_cast<std::byte*>(at), bytes};
}

Mapping Mapping::OfMemory(std::size_t bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED)
    throw Error("map " + std::to_string(bytes) + " bytes: " + ErrnoText(errno));
  return {static_cast<std::byte*>(at), bytes};
}

UniqueFd CreateFile(const std::string& path, int* error, Readers readers) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  *error = fd ? 0 : errno;
  // By hand, because a umask would take it away.
  const mode_t mode = readers == Readers::kEveryone ? 0644 : 0640;
  if (fd && readers != Readers::kNobody && ::fchmod(fd.get(), mode) != 0) {
    *error = errno;
    fd.Reset();
    ::unlink(path.c_str());
  }
  return fd;
}

UniqueFd OpenForReading(const std::string& path, int* error) {
  // O_NONBLOCK: a named pipe in the place of a file must not stop anybody.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  *error = fd ? 0 : errno;
  return fd;
}

UniqueFd OpenToAppend(const std::string& path, int* error) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  *error = fd ? 0 : errno;
  return fd;
}

UniqueFd OpenForWriting(const std::string& path, int* error) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666));
  *error = fd ? 0 : errno;
  return fd;
}

std::size_t ReadAt(int fd, std::span<std::byte> into, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t n =
        ::pread(fd, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (n == 0 || errno != EINTR) {
      break;
    }
  }
  return done;
}

std::uint64_t FileBytes(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

UniqueFd OpenOrCreate(const std::string& path, int* error) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600));
  *error = fd ? 0 : errno;
  return fd;
}

std::optional<FileIdentity> IdentifyFile(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return FileIdentity{static_cast<std::uint64_t>(info.st_dev),
                      static_cast<std::uint64_t>(info.st_ino),
                      static_cast<std::uint64_t>(info.st_size)};
}

bool TryLock(int fd) {
  return ::flock(fd, LOCK_EX | LOCK_NB) == 0;
}

int TruncateFile(int fd, std::uint64_t bytes) {
  return ::ftruncate(fd, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
}

int SeekToEnd(int fd) {
  return ::lseek(fd, 0, SEEK_END) >= 0 ? 0 : errno;
}

std::optional<std::uint64_t> FileBytes(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(info.st_size);
}

std::optional<std::int64_t> ModifiedNs(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return std::nullopt;
  return std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

int TruncateFile(const std::string& path, std::uint64_t bytes) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) return errno;
  return SyncFile(fd.get());
}

int SyncFile(int fd) {
  while (::fsync(fd) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

int SyncDirectory(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const int error = fd ? SyncFile(fd.get()) : errno;
  return IsUnsupported(error) ? 0 : error;
}

int ReplaceFile(const std::string& path, const std::string& text, Readers readers,
                bool durable) {
  const std::string temporary = path + ".new";
  ::unlink(temporary.c_str());  // of a process that was killed meanwhile
  int error = 0;
  UniqueFd fd = CreateFile(temporary, &error, readers);
  if (!fd) return error;
  error = WriteAt(fd.get(), AsBytes(text), 0).error;
  if (error == 0 && durable) error = SyncFile(fd.get());
  if (error == 0) error = RenameFile(temporary, path);
  if (error != 0) {
    ::unlink(temporary.c_str());
    return error;
  }
  const std::size_t slash = path.rfind('/');
  return durable ? SyncDirectory(slash == std::string::npos ? "." : path.substr(0, slash + 1))
                 : 0;
}

int RenameFile(const std::string& from, const std::string& to) {
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

UniqueFd LockDirectory(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) fd.Reset();
  return fd;
}

bool RemoveFile(const std::string& path) {
  return ::unlink(path.c_str()) == 0;
}

namespace {

bool IsOurDirectory(const std::string& path, struct stat* info, std::string* why) {
  if (::lstat(path.c_str(), info) != 0) {
    *why = path + ": " + ErrnoText(errno);
  } else if (!S_ISDIR(info->st_mode)) {
    *why = path + ": not a directory";
  } else if (info->st_uid != ::geteuid()) {
    *why = path + ": belongs to another user";
  } else {
    return true;
  }
  return false;
}

}  // namespace

bool MakePrivateDirectory(const std::string& path, std::string* why) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    *why = path + ": " + ErrnoText(errno);
    return false;
  }
  struct stat info {};
  if (!IsOurDirectory(path, &info, why)) return false;
  if ((info.st_mode & 077) != 0) {
    *why = path + ": open to other users (chmod 700 it)";
  } else {
    return true;
  }
  return false;
}

bool MakeGroupDirectory(const std::string& path, std::uint32_t group, std::string* why) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    *why = path + ": " + ErrnoText(errno);
    return false;
  }
  struct stat info {};
  if (!IsOurDirectory(path, &info, why)) return false;
  // The group first: a change of it may take mode bits away.
  if (::chown(path.c_str(), static_cast<uid_t>(-1), group) != 0 ||
      ::chmod(path.c_str(), 02750) != 0) {
    *why = path + ": " + ErrnoText(errno);
    return false;
  }
  return true;
}

bool MakeNamedDirectory(const std::string& path, std::optional<std::uint32_t> group,
                        std::string* why) {
  const bool made = ::mkdir(path.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) {
    *why = path + ": " + ErrnoText(errno);
    return false;
  }
  if (group) return MakeGroupDirectory(path, *group, why);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    *why = path + ": " + ErrnoText(errno);
  } else if (!S_ISDIR(info.st_mode)) {
    *why = path + ": not a directory";
  } else if (info.st_uid != ::geteuid() && ::geteuid() != 0) {
    *why = path + ": belongs to another user";
  } else if ((info.st_mode & 022) != 0) {
    *why = path + ": other users may write to it (chmod 700 it)";
  } else {
    return true;
  }
  return false;
}

bool IsOtherThanSocket(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode);
}

bool OthersMayEnter(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && (info.st_mode & S_IXOTH) != 0;
}

void RemoveDirectory(const std::string& path) {
  for (const std::string& name : ListDirectory(path)) RemoveFile(path + "/" + name);
  ::rmdir(path.c_str());
}

std::string CanonicalPath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path canonical = std::filesystem::canonical(path, error);
  return error ? path : canonical.string();
}

std::vector<std::string> ListDirectory(const std::string& path) {
  std::vector<std::string> names;
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  ::closedir(directory);
  return names;
}

std::optional<FileLock> FileLock::TryAcquire(const std::string& path, std::string* why) {
  while (true) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) {
      *why = path + ": " + ErrnoText(errno);
      return std::nullopt;
    }
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      std::array<std::byte, 20> holder{};
      const std::size_t length = ReadAt(fd.get(), holder, 0);
      const std::string pid(AsText(ByteSpan(holder).first(length)));
      const std::size_t digits = pid.find_first_not_of("0123456789");
      *why = path + ": held by another process";
      if (digits != 0 && !pid.empty()) *why += " (pid " + pid.substr(0, digits) + ")";
      return std::nullopt;
    }
    // Whoever held it may have removed the file meanwhile: then this lock guards nothing.
    struct stat held {};
    struct stat named {};
    if (::fstat(fd.get(), &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
        held.st_ino == named.st_ino && held.st_dev == named.st_dev) {
      // For people: if it cannot be written, the lock holds all the same.
      if (::ftruncate(fd.get(), 0) == 0) {
        (void)WriteAt(fd.get(), AsBytes(std::to_string(::getpid()) + "\n"), 0);
      }
      return FileLock(std::move(fd));
    }
  }
}

namespace {

constexpr std::size_t kMostText = 1024 * 1024;
constexpr std::size_t kMostRegular = 64 * 1024 * 1024;
constexpr std::size_t kFirstText = 4096;  // of a file that does not say how large it is

std::optional<std::string> ReadAll(const UniqueFd& fd, const std::string& path,
                                   std::size_t most, std::string* why) {
  // One byte more shows that it has ended. A file that says its size is read into one place: a
  // secret leaves no copies behind.
  std::string text(std::max<std::size_t>(FileBytes(fd.get()), kFirstText) + 1, '\0');
  text.resize(std::min(text.size(), most + 1));
  std::size_t used = 0;
  while (true) {
    if (used == text.size()) {
      if (used > most) {
        *why = path + ": larger than " + FormatSize(most);
        return std::nullopt;
      }
      text.resize(std::min(2 * used, most + 1));
    }
    const IoResult result =
        ReadSome(fd.get(), std::as_writable_bytes(std::span(text)).subspan(used));
    if (result.status == IoStatus::kEnd) break;
    if (result.status != IoStatus::kOk) {
      *why = path + ": " + ErrnoText(result.error);
      return std::nullopt;
    }
    used += result.count;
  }
  text.resize(used);
  return text;
}

/// Opened without waiting for anybody; none, with `*why`, if it is not a regular file.
UniqueFd OpenRegular(const std::string& path, struct stat* info, std::string* why) {
  // O_NONBLOCK: a named pipe is told apart only once it is open.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd || ::fstat(fd.get(), info) != 0) {
    *why = path + ": " + ErrnoText(errno);
  } else if (!S_ISREG(info->st_mode)) {
    *why = path + ": not a regular file";
  } else {
    return fd;
  }
  return UniqueFd();
}

/// `path` as a shell takes it.
std::string ShellQuote(const std::string& path) {
  std::string quoted = "'";
  for (const char c : path) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

}  // namespace

std::optional<std::string> ReadTextFile(const std::string& path, std::string* why) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    *why = path + ": " + ErrnoText(errno);
    return std::nullopt;
  }
  return ReadAll(fd, path, kMostText, why);
}

std::optional<std::string> ReadRegularFile(const std::string& path, std::string* why) {
  struct stat info {};
  const UniqueFd fd = OpenRegular(path, &info, why);
  return fd ? ReadAll(fd, path, kMostRegular, why) : std::nullopt;
}

std::optional<Secret> ReadSecretFile(const std::string& path, std::string* why) {
  struct stat info {};
  const UniqueFd fd = OpenRegular(path, &info, why);
  if (!fd) return std::nullopt;
  // With a file of root's the group is whom root gives it to: a credential of systemd is read
  // by an access list, whose mask stands in place of the group's rights.
  const bool given_by_root = info.st_uid == 0 && ::geteuid() != 0;
  const mode_t others = given_by_root ? 037 : 077;
  if (info.st_uid != ::geteuid() && info.st_uid != 0) {
    *why = path + ": belongs to another user, who can read and change it";
  } else if ((info.st_mode & others) != 0) {
    *why = path + ": other users have access to it: chmod 600 " + ShellQuote(path);
  } else if (std::optional<std::string> text = ReadAll(fd, path, kMostText, why)) {
    return Secret(std::move(*text));
  }
  return std::nullopt;
}

}  // namespace pipedup
