// Files, directories, mappings and locks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/secret.h"
#include "os/fd.h"

namespace pipedup {

/// A mapping: of a file, read-only, or of private memory, writable. Move-only; unmaps what it
/// owns.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  /// Maps the first `bytes` of `fd`, which may reach beyond its end: only what the file holds
  /// may be read (anything else is SIGBUS). Throws Error.
  static Mapping OfFile(int fd, std::size_t bytes);
  /// Zeroed memory that takes no room until it is written. Throws Error.
  static Mapping OfMemory(std::size_t bytes);

  const std::byte* data() const { return data_; }
  /// For OfMemory only.
  std::byte* writable() { return data_; }

 private:
  Mapping(std::byte* data, std::size_t bytes) : data_(data), bytes_(bytes) {}
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Who may read what is made, beside this user.
enum class Readers : std::uint8_t { kNobody, kGroup, kEveryone };

/// Creates `path` (mode 0600, 0640 or 0644) for reading and writing; it must not exist. On
/// failure no descriptor, and `*error` is the errno.
UniqueFd CreateFile(const std::string& path, int* error, Readers readers = Readers::kNobody);

/// Opens `path` for reading. On failure no descriptor, and `*error` is the errno.
UniqueFd OpenForReading(const std::string& path, int* error);

/// Opens `path` (made with mode 0600 if need be) for writing; its content stays. On failure no
/// descriptor, and `*error` is the errno.
UniqueFd OpenToAppend(const std::string& path, int* error);

/// Reads up to `into.size()` bytes of the file at `offset`: how many there were, 0 at its end
/// or after an error.
std::size_t ReadAt(int fd, std::span<std::byte> into, std::uint64_t offset);

/// Opens `path` for writing from its beginning, as a shell's `>` does: created (mode 0666 and
/// the umask) or emptied. Waits for a reader if it is a named pipe. On failure no descriptor,
/// and
/// `*error` is the errno.
UniqueFd OpenForWriting(const std::string& path, int* error);

/// Opens `path` for reading and writing, creating it (mode 0600) if need be. Never waits. On
/// failure no descriptor, and `*error` is the errno.
UniqueFd OpenOrCreate(const std::string& path, int* error);

/// Size of an open file; 0 if nobody can say.
std::uint64_t FileBytes(int fd);
/// Size of the plain file `path`; nothing if there is none.
std::optional<std::uint64_t> FileBytes(const std::string& path);
/// When the file `path` was written last, ns since the epoch; nothing if there is none.
std::optional<std::int64_t> ModifiedNs(const std::string& path);

/// Cuts the file to its first `bytes` bytes, so that a crash of the machine does not bring the
/// rest back. 0, or an errno.
int TruncateFile(const std::string& path, std::uint64_t bytes);

/// Waits until what was written to the file would survive a crash of the machine. 0, or an
/// errno: then nobody knows what is there.
int SyncFile(int fd);
/// The same for the names in a directory: files that were made in it, or renamed. 0 as well
/// where a file system knows no such thing.
int SyncDirectory(const std::string& path);

/// Makes `text` the whole content of `path` (mode 0600, or 0640), at once: whoever looks sees
/// the old content or the new. With `durable` it survives a crash of the machine. 0, or an
/// errno: the old content stays then, unless it is only the crash that it would not survive.
int ReplaceFile(const std::string& path, const std::string& text, Readers readers,
                bool durable);

/// Gives a file another name in the same directory. 0, or an errno.
int RenameFile(const std::string& from, const std::string& to);

/// Which regular file it is that is open, and how long.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t bytes = 0;
};
/// Nothing if `fd` is no regular file.
std::optional<FileIdentity> IdentifyFile(int fd);

/// Locks the open file against other processes until it is closed or the process dies. False
/// if another one has.
bool TryLock(int fd);

/// Cuts the file to `bytes`: 0, or the errno.
int TruncateFile(int fd, std::uint64_t bytes);

/// Moves the file's position to its end: 0, or the errno.
int SeekToEnd(int fd);

/// Removes a file; false if it could not be (it may be gone already).
bool RemoveFile(const std::string& path);

/// Makes a directory with mode 0700 unless there is one. False, with `*why`, if there is none
/// afterwards, or it is a link, another user's, or open to others.
bool MakePrivateDirectory(const std::string& path, std::string* why);

/// The same for one that a group may read and enter (mode 2750), so that files in it are the
/// group's too.
bool MakeGroupDirectory(const std::string& path, std::uint32_t group, std::string* why);

/// Whether there is something at `path` that is not a socket: a file, a directory, a link.
bool IsOtherThanSocket(const std::string& path);

/// Whether users and groups that do not own the directory may enter it.
bool OthersMayEnter(const std::string& path);

/// Makes the directory `path` with mode 0700 (2750 with a group, which may then read it) unless
/// there is one. One that was there keeps its mode, but must not be open for others to write.
/// False, with `*why`, if there is none afterwards, or it is another user's.
bool MakeNamedDirectory(const std::string& path, std::optional<std::uint32_t> group,
                        std::string* why);

/// Removes a directory and the plain files in it. Best effort, never follows links.
void RemoveDirectory(const std::string& path);

/// `path` without links and dots, from the root on; as it is if nobody can say.
std::string CanonicalPath(const std::string& path);

/// The names in a directory, without "." and ".."; none if it cannot be read.
std::vector<std::string> ListDirectory(const std::string& path);

/// Holds the directory `path` itself against other processes, until the descriptor is closed: a
/// lock file can be removed. None, if another one holds it.
UniqueFd LockDirectory(const std::string& path);

/// Holds `path` (created with mode 0600 if need be) locked against other processes until
/// destroyed or the process dies. The file says which process that is.
class FileLock {
 public:
  /// Nothing if somebody else holds it, or it could not be opened: `*why` says which, and who.
  static std::optional<FileLock> TryAcquire(const std::string& path, std::string* why);

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

/// The whole file as text, or nothing with `*why`: more than 1 MiB is too much. Waits for the
/// writer of a named pipe.
std::optional<std::string> ReadTextFile(const std::string& path, std::string* why);

/// The same of a regular file, at most 64 MiB. Anything else is refused, and waited for by
/// nobody.
std::optional<std::string> ReadRegularFile(const std::string& path, std::string* why);

/// The same for what only its owner may read: it belongs to this user, without any right for
/// group or others, or to root, who may let its group read it. `*why` has the command that
/// mends the rights.
std::optional<Secret> ReadSecretFile(const std::string& path, std::string* why);

}  // namespace pipedup
