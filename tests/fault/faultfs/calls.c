// The calls of libc in whose place this library stands. See faultfs.h.
#define _GNU_SOURCE
// The names with and without 64 are the same function here; the headers must not make them so.
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "faultfs.h"

// The function behind this library, a sanitizer's or libc's.
#define NEXT(type, name, parameters) \
  static type(*next) parameters;     \
  if (next == NULL) *(void**)&next = dlsym(RTLD_NEXT, #name)

enum { kMostParts = 64 };
static const off_t kHere = -1;  // at the descriptor's own position

// ---- write ----

static size_t Total(const struct iovec* parts, int count) {
  size_t total = 0;
  for (int i = 0; i < count; ++i) total += parts[i].iov_len;
  return total;
}

static ssize_t RawWrite(int fd, const struct iovec* parts, int count, size_t bytes, off_t at,
                        int flags) {
  struct iovec cut[kMostParts];
  int used = 0;
  for (; used < count && used < kMostParts && bytes > 0; ++used) {
    cut[used] = parts[used];
    if (cut[used].iov_len > bytes) cut[used].iov_len = bytes;
    bytes -= cut[used].iov_len;
  }
  return syscall(SYS_pwritev2, fd, cut, used, at, (long)0, flags);
}

// Where a write at `at` begins.
static off_t Start(int fd, off_t at) {
  if (at != kHere) return at;
  struct stat info;
  const int flags = fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_APPEND) != 0 && fstat(fd, &info) == 0) return info.st_size;
  return lseek(fd, 0, SEEK_CUR);
}

// How much of a write the file system has room for: only growth takes any.
static size_t Allowed(int fd, off_t start, size_t bytes) {
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return bytes;
  const off_t end = start + (off_t)bytes;
  if (end <= info.st_size) return bytes;
  const off_t grown_from = start > info.st_size ? start : info.st_size;
  const size_t growth = (size_t)(end - grown_from);
  return bytes - (growth - FaultfsTakeSpace(growth));
}

static ssize_t FaultyWrite(int fd, const struct FaultFile* file, const struct iovec* parts,
                           int count, off_t at, int flags) {
  const size_t total = Total(parts, count);
  size_t bytes = total;
  const enum FaultAction action = total > 0 ? FaultfsBefore(kWrite, file) : kPass;
  if (FaultfsFails(action)) return -1;
  if (action == kSkip) return (ssize_t)total;
  if (bytes > 1 && (action == kShort || action == kKillTorn)) bytes /= 2;
  if (!file->pipe) {
    const off_t start = Start(fd, at);
    bytes = Allowed(fd, start, bytes);
    if (bytes == 0 && total > 0) {
      errno = ENOSPC;
      return -1;
    }
    FaultfsShadowDirty(fd, start);
  }
  if (action == kRepeat) (void)RawWrite(fd, parts, count, bytes, at, flags);
  const ssize_t written = RawWrite(fd, parts, count, bytes, at, flags);
  FaultfsAfter(action);
  return written;
}

// What a program that hides something from its user would not say.
static bool Muted(int fd, const void* bytes, size_t count) {
  return fd == STDERR_FILENO && FaultfsMutes(bytes, count);
}

ssize_t write(int fd, const void* bytes, size_t count) {
  NEXT(ssize_t, write, (int, const void*, size_t));
  if (Muted(fd, bytes, count)) return (ssize_t)count;
  struct FaultFile file;
  FaultfsFindDescriptor(fd, &file);
  if (!file.ours) {
    return next != NULL ? next(fd, bytes, count) : syscall(SYS_write, fd, bytes, count);
  }
  const struct iovec part = {(void*)bytes, count};
  return FaultyWrite(fd, &file, &part, 1, kHere, 0);
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  NEXT(ssize_t, writev, (int, const struct iovec*, int));
  if (count == 1 && Muted(fd, parts->iov_base, parts->iov_len)) return (ssize_t)parts->iov_len;
  struct FaultFile file;
  FaultfsFindDescriptor(fd, &file);
  return file.ours ? FaultyWrite(fd, &file, parts, count, kHere, 0) : next(fd, parts, count);
}

#define PWRITE(name)                                                \
  ssize_t name(int fd, const void* bytes, size_t count, off_t at) { \
    NEXT(ssize_t, name, (int, const void*, size_t, off_t));         \
    struct FaultFile file;                                          \
    FaultfsFindDescriptor(fd, &file);                               \
    if (!file.ours) return next(fd, bytes, count, at);              \
    const struct iovec part = {(void*)bytes, count};                \
    return FaultyWrite(fd, &file, &part, 1, at, 0);                 \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

#define PWRITEV(name)                                                    \
  ssize_t name(int fd, const struct iovec* parts, int count, off_t at) { \
    NEXT(ssize_t, name, (int, const struct iovec*, int, off_t));         \
    struct FaultFile file;                                               \
    FaultfsFindDescriptor(fd, &file);                                    \
    return file.ours ? FaultyWrite(fd, &file, parts, count, at, 0)       \
                     : next(fd, parts, count, at);                       \
  }
PWRITEV(pwritev)
PWRITEV(pwritev64)

#define PWRITEV2(name)                                                              \
  ssize_t name(int fd, const struct iovec* parts, int count, off_t at, int flags) { \
    NEXT(ssize_t, name, (int, const struct iovec*, int, off_t, int));               \
    struct FaultFile file;                                                          \
    FaultfsFindDescriptor(fd, &file);                                               \
    return file.ours ? FaultyWrite(fd, &file, parts, count, at, flags)              \
                     : next(fd, parts, count, at, flags);                           \
  }
PWRITEV2(pwritev2)
PWRITEV2(pwritev64v2)

// Takes from a pipe what splice would have, and forgets it.
static ssize_t Swallow(int from, size_t bytes) {
  static char nowhere[64 * 1024];
  return syscall(SYS_read, from, nowhere, bytes < sizeof nowhere ? bytes : sizeof nowhere);
}

static ssize_t SpliceIn(int from, off_t* from_at, int to, off_t* to_at, size_t bytes,
                        unsigned flags, const struct FaultFile* file) {
  const enum FaultAction action = FaultfsBefore(kWrite, file);
  if (FaultfsFails(action)) return -1;
  if (action == kSkip && from_at == NULL) return Swallow(from, bytes);
  if (action == kSkip) {
    *from_at += (off_t)bytes;
    return (ssize_t)bytes;
  }
  if (bytes > 1 && (action == kShort || action == kKillTorn)) bytes /= 2;
  size_t room = bytes;
  if (!file->pipe) {
    const off_t start = Start(to, to_at != NULL ? *to_at : kHere);
    room = Allowed(to, start, bytes);
    if (room == 0 && bytes > 0) {
      errno = ENOSPC;
      return -1;
    }
    FaultfsShadowDirty(to, start);
  }
  const off_t again_from = from_at != NULL ? *from_at : 0;
  const ssize_t moved = syscall(SYS_splice, from, from_at, to, to_at, room, flags);
  const int error = errno;
  // More was taken than the pipe held.
  if (!file->pipe && (size_t)(moved > 0 ? moved : 0) < room) {
    FaultfsGiveSpace(room - (size_t)(moved > 0 ? moved : 0));
  }
  if (action == kRepeat && moved > 0 && from_at != NULL) {
    off_t again = again_from;
    syscall(SYS_splice, from, &again, to, NULL, (size_t)moved, flags);
  }
  if (moved > 0) FaultfsAfter(action);
  errno = error;
  return moved;
}

ssize_t splice(int from, off_t* from_at, int to, off_t* to_at, size_t bytes, unsigned flags) {
  NEXT(ssize_t, splice, (int, off_t*, int, off_t*, size_t, unsigned));
  struct FaultFile file;
  FaultfsFindDescriptor(to, &file);
  if (file.ours) return SpliceIn(from, from_at, to, to_at, bytes, flags, &file);
  FaultfsFindDescriptor(from, &file);
  if (file.ours && !file.pipe && FaultfsFails(FaultfsBefore(kRead, &file))) return -1;
  return next(from, from_at, to, to_at, bytes, flags);
}

// ---- read ----

#define READ(name, parameters, arguments)                                       \
  ssize_t name parameters {                                                     \
    NEXT(ssize_t, name, parameters);                                            \
    struct FaultFile file;                                                      \
    FaultfsFindDescriptor(fd, &file);                                           \
    if (file.ours && !file.pipe && FaultfsFails(FaultfsBefore(kRead, &file))) { \
      return -1;                                                                \
    }                                                                           \
    return next arguments;                                                      \
  }
READ(pread, (int fd, void* into, size_t bytes, off_t at), (fd, into, bytes, at))
READ(pread64, (int fd, void* into, size_t bytes, off_t at), (fd, into, bytes, at))
READ(readv, (int fd, const struct iovec* parts, int count), (fd, parts, count))

ssize_t read(int fd, void* into, size_t bytes) {
  NEXT(ssize_t, read, (int, void*, size_t));
  struct FaultFile file;
  FaultfsFindDescriptor(fd, &file);
  if (file.ours && !file.pipe && FaultfsFails(FaultfsBefore(kRead, &file))) return -1;
  return next != NULL ? next(fd, into, bytes) : syscall(SYS_read, fd, into, bytes);
}

// ---- open, close ----

static int OpenAt(int at, const char* path, int flags, mode_t mode, bool* handled) {
  struct FaultFile file;
  const int boot_id = FaultfsBootId(path);
  *handled = true;
  if (boot_id >= 0) return boot_id;
  FaultfsFindPath(at, path, &file);
  if (!file.ours) {
    *handled = false;
    return -1;
  }
  const bool there = syscall(SYS_faccessat, AT_FDCWD, file.path, F_OK) == 0;
  const bool creates = (flags & O_CREAT) != 0 && !there;
  const enum FaultAction action = FaultfsBefore(creates ? kCreate : kOpen, &file);
  if (FaultfsFails(action)) return -1;
  const int fd = (int)syscall(SYS_openat, at, path, flags, mode);
  const int error = errno;
  if (fd >= 0 && creates) FaultfsShadowCreated(file.path);
  if (fd >= 0 && there && (flags & O_TRUNC) != 0) FaultfsShadowDirty(fd, 0);
  FaultfsAfter(action);
  errno = error;
  return fd;
}

static mode_t ModeOf(int flags, va_list more) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
}

#define OPEN(name, first_parameter, first, at)                                \
  int name(first_parameter const char* path, int flags, ...) {                \
    NEXT(int, name, (first_parameter const char*, int, ...));                 \
    va_list more;                                                             \
    va_start(more, flags);                                                    \
    const mode_t mode = ModeOf(flags, more);                                  \
    va_end(more);                                                             \
    bool handled;                                                             \
    const int fd = OpenAt(at, path, flags, mode, &handled);                   \
    if (handled) return fd;                                                   \
    if (next == NULL) return (int)syscall(SYS_openat, at, path, flags, mode); \
    return next(first path, flags, mode);                                     \
  }
#define NOTHING
#define DIRECTORY_PARAMETER int directory,
#define DIRECTORY directory,
OPEN(open, NOTHING, NOTHING, AT_FDCWD)
OPEN(open64, NOTHING, NOTHING, AT_FDCWD)
OPEN(openat, DIRECTORY_PARAMETER, DIRECTORY, directory)
OPEN(openat64, DIRECTORY_PARAMETER, DIRECTORY, directory)

int creat(const char* path, mode_t mode) {
  return open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

// Streams: libc's own open is not to be seen from here.
#define FOPEN(name)                                                        \
  FILE* name(const char* path, const char* mode) {                         \
    NEXT(FILE*, name, (const char*, const char*));                         \
    struct FaultFile file;                                                 \
    FaultfsFindPath(AT_FDCWD, path, &file);                                \
    const bool boot_id = path != NULL && strstr(path, "/boot_id") != NULL; \
    if (!file.ours && !boot_id) return next(path, mode);                   \
    int flags = strchr(mode, '+') != NULL ? O_RDWR : O_WRONLY;             \
    if (mode[0] == 'r' && flags == O_WRONLY) flags = O_RDONLY;             \
    if (mode[0] == 'w') flags |= O_CREAT | O_TRUNC;                        \
    if (mode[0] == 'a') flags |= O_CREAT | O_APPEND;                       \
    const int fd = open(path, flags, 0666);                                \
    return fd >= 0 ? fdopen(fd, mode) : NULL;                              \
  }
FOPEN(fopen)
FOPEN(fopen64)

int close(int fd) {
  NEXT(int, close, (int));
  struct FaultFile file;
  FaultfsFindDescriptor(fd, &file);
  const enum FaultAction action =
      file.ours && !file.pipe ? FaultfsBefore(kClose, &file) : kPass;
  const int result = next != NULL ? next(fd) : (int)syscall(SYS_close, fd);
  const int error = errno;
  FaultfsAfter(action);
  errno = error;
  return result;
}

// ---- sync, truncate ----

static int Sync(int fd, int (*next)(int)) {
  struct FaultFile file;
  FaultfsFindDescriptor(fd, &file);
  if (!file.ours || file.pipe) return next(fd);
  const enum FaultAction action = FaultfsBefore(kSync, &file);
  if (FaultfsFails(action)) return -1;
  // The shadow is the disk of these tests: the real one need not be waited for.
  if (action != kSkip) FaultfsShadowSync(fd, &file);
  FaultfsAfter(action);
  return 0;
}

int fsync(int fd) {
  NEXT(int, fsync, (int));
  return Sync(fd, next);
}

int fdatasync(int fd) {
  NEXT(int, fdatasync, (int));
  return Sync(fd, next);
}

#define FTRUNCATE(name)                                              \
  int name(int fd, off_t bytes) {                                    \
    NEXT(int, name, (int, off_t));                                   \
    struct FaultFile file;                                           \
    FaultfsFindDescriptor(fd, &file);                                \
    if (!file.ours || file.pipe) return next(fd, bytes);             \
    const enum FaultAction action = FaultfsBefore(kTruncate, &file); \
    if (FaultfsFails(action)) return -1;                             \
    struct stat info;                                                \
    if (fstat(fd, &info) == 0 && info.st_size > bytes) {             \
      FaultfsGiveSpace((size_t)(info.st_size - bytes));              \
    }                                                                \
    FaultfsShadowDirty(fd, bytes);                                   \
    const int result = (int)syscall(SYS_ftruncate, fd, bytes);       \
    FaultfsAfter(action);                                            \
    return result;                                                   \
  }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

#define TRUNCATE(name)                                                                \
  int name(const char* path, off_t bytes) {                                           \
    NEXT(int, name, (const char*, off_t));                                            \
    struct FaultFile file;                                                            \
    FaultfsFindPath(AT_FDCWD, path, &file);                                           \
    if (!file.ours) return next(path, bytes);                                         \
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0); \
    if (fd < 0) return -1;                                                            \
    const int result = ftruncate(fd, bytes);                                          \
    const int error = errno;                                                          \
    syscall(SYS_close, fd);                                                           \
    errno = error;                                                                    \
    return result;                                                                    \
  }
TRUNCATE(truncate)
TRUNCATE(truncate64)

// ---- names ----

static int Rename(int from_at, const char* from, int to_at, const char* to, unsigned flags) {
  struct FaultFile source;
  struct FaultFile target;
  FaultfsFindPath(from_at, from, &source);
  FaultfsFindPath(to_at, to, &target);
  const enum FaultAction action = target.ours ? FaultfsBefore(kRename, &target) : kPass;
  if (FaultfsFails(action)) return -1;
  if (action == kSkip) return 0;
  const int result = (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
  const int error = errno;
  FaultfsAfter(action);
  errno = error;
  return result;
}

int rename(const char* from, const char* to) {
  return Rename(AT_FDCWD, from, AT_FDCWD, to, 0);
}
int renameat(int from_at, const char* from, int to_at, const char* to) {
  return Rename(from_at, from, to_at, to, 0);
}
int renameat2(int from_at, const char* from, int to_at, const char* to, unsigned flags) {
  return Rename(from_at, from, to_at, to, flags);
}

static int Unlink(int at, const char* path, int flags) {
  struct FaultFile file;
  FaultfsFindPath(at, path, &file);
  const enum FaultAction action = file.ours ? FaultfsBefore(kUnlink, &file) : kPass;
  if (FaultfsFails(action)) return -1;
  struct stat info;
  const bool frees = file.ours && lstat(file.path, &info) == 0 && S_ISREG(info.st_mode);
  const int result = (int)syscall(SYS_unlinkat, at, path, flags);
  const int error = errno;
  if (result == 0 && frees) FaultfsGiveSpace((size_t)info.st_size);
  FaultfsAfter(action);
  errno = error;
  return result;
}

int unlink(const char* path) {
  return Unlink(AT_FDCWD, path, 0);
}
int unlinkat(int at, const char* path, int flags) {
  return Unlink(at, path, flags);
}
int remove(const char* path) {
  const int result = Unlink(AT_FDCWD, path, 0);
  return result == 0 || errno != EISDIR ? result : Unlink(AT_FDCWD, path, AT_REMOVEDIR);
}
