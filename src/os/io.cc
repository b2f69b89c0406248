#include "os/io.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <vector>

#include "base/error.h"

namespace pipedup {
namespace {

IoResult FromErrno(int error, std::size_t count = 0) {
  switch (error) {
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
      return {IoStatus::kWouldBlock, count, error};
    case ENOSPC:
    case EDQUOT:
      return {IoStatus::kNoSpace, count, error};
    case EPIPE:
    case ECONNRESET:
      return {IoStatus::kClosed, count, error};
    default:
      return {IoStatus::kFailed, count, error};
  }
}

}  // namespace

void UniqueFd::Reset() {
  if (fd_ >= 0)
    ::close(fd_);  // NOLINT(clang-analyzer-core.UndefinedBinaryOperatorResult): -1 if none
  fd_ = -1;
}

bool IsNoSpace(int error) {
  return error == ENOSPC || error == EDQUOT;
}

bool IsUnsupported(int error) {
  return error == EOPNOTSUPP || error == EINVAL || error == ENOSYS;
}

std::string ErrnoText(int error) {
  return std::generic_category().message(error);
}

IoResult ReadSome(int fd, std::span<std::byte> into) {
  while (true) {
    const ssize_t n = ::read(fd, into.data(), into.size());
    if (n > 0) return {IoStatus::kOk, static_cast<std::size_t>(n), 0};
    if (n == 0) return {IoStatus::kEnd, 0, 0};
    if (errno == EIO && ::isatty(fd) == 1) return {IoStatus::kEnd, 0, 0};  // terminal hung up
    if (errno != EINTR) return FromErrno(errno);
  }
}

IoResult WriteAll(int fd, ByteSpan bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n >= 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno == EINTR) {
      return {IoStatus::kInterrupted, done, EINTR};
    } else {
      return FromErrno(errno, done);
    }
  }
  return {IoStatus::kOk, done, 0};
}

IoResult WriteSome(int fd, std::span<const ByteSpan> parts) {
  std::array<iovec, 64> pieces;
  const std::size_t count = std::min(parts.size(), pieces.size());
  for (std::size_t i = 0; i < count; ++i) {
    // writev does not write through the pointer; iovec has no const form.
    pieces[i] = {const_cast<std::byte*>(parts[i].data()), parts[i].size()};
  }
  const ssize_t n = ::writev(fd, pieces.data(), static_cast<int>(count));
  if (n >= 0) return {IoStatus::kOk, static_cast<std::size_t>(n), 0};
  if (errno == EINTR) return {IoStatus::kInterrupted, 0, EINTR};
  return FromErrno(errno);
}

#if defined(__linux__) && !defined(PIPEDUP_PORTABLE)

IoResult WriteNow(int fd, ByteSpan bytes) {
  const iovec piece = {const_cast<std::byte*>(bytes.data()), bytes.size()};
  while (true) {
    const ssize_t n = ::pwritev2(fd, &piece, 1, -1, RWF_NOWAIT);
    if (n >= 0) return {IoStatus::kOk, static_cast<std::size_t>(n), 0};
    if (errno != EINTR) return FromErrno(errno);
  }
}

bool CanWriteNow(int fd) {
  if (!IsPipe(fd)) return false;
  // An empty write asks the kernel whether it knows the flag for pipes, and changes nothing.
  // One that does not know it (before 6.4) would answer EOPNOTSUPP only to a write that has
  // bytes, so the question is put to a pipe of our own.
  const auto [read_end, write_end] = MakePipe();
  const std::array<std::byte, 1> byte{};
  return WriteNow(write_end.get(), byte).count == 1;
}

#else

IoResult WriteNow(int, ByteSpan) {
  return {IoStatus::kWouldBlock, 0, EAGAIN};
}
bool CanWriteNow(int) {
  return false;
}

#endif

namespace {

#if defined(__linux__) && !defined(PIPEDUP_PORTABLE)
constexpr short kPeerClosed = POLLRDHUP;
bool PeerHasClosed(int) {
  return true;  // nothing else was asked for
}
#else
constexpr short kPeerClosed = POLLIN;
bool PeerHasClosed(int fd) {
  char byte = 0;
  const ssize_t n = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}
#endif

}  // namespace

void Poll(std::span<PollItem> items, std::chrono::milliseconds timeout) {
  constexpr std::size_t kUsual = 64;
  std::array<pollfd, kUsual> usual;
  std::vector<pollfd> many(items.size() > kUsual ? items.size() : 0);
  pollfd* const polled = many.empty() ? usual.data() : many.data();
  for (std::size_t i = 0; i < items.size(); ++i) {
    short events = 0;
    if (items[i].what == PollItem::For::kRead) events = POLLIN;
    if (items[i].what == PollItem::For::kWrite) events = POLLOUT;
    if (items[i].what == PollItem::For::kPeerClosed) events = kPeerClosed;
    polled[i] = {items[i].fd, events, 0};
  }
  const int ready = ::poll(polled, items.size(), static_cast<int>(timeout.count()));
  if (ready < 0 && errno != EINTR) throw Error("poll: " + ErrnoText(errno));
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].ready = ready > 0 && polled[i].revents != 0;
    if (items[i].ready && items[i].what == PollItem::For::kPeerClosed) {
      items[i].ready = PeerHasClosed(items[i].fd);
    }
  }
}

bool IsReadable(int fd) {
  pollfd item{fd, POLLIN, 0};
  return ::poll(&item, 1, 0) > 0;
}

void ShutDown(int socket) {
  (void)::shutdown(socket, SHUT_RDWR);
}

void WaitWritable(int fd) {
  pollfd item{fd, POLLOUT, 0};
  (void)::poll(&item, 1,
               -1);  // a signal ends it early, and the write that follows says what is up
}

IoResult WriteAt(int fd, ByteSpan bytes, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::pwrite(fd, bytes.data() + done, bytes.size() - done,
                               static_cast<off_t>(offset + done));
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (n == 0) {
      return {IoStatus::kNoSpace, done, ENOSPC};
    } else if (errno != EINTR) {
      return FromErrno(errno, done);
    }
  }
  return {IoStatus::kOk, done, 0};
}

IoResult SpliceToFile(int from, int to, std::uint64_t offset, std::size_t max) {
#if defined(__linux__) && !defined(PIPEDUP_PORTABLE)
  while (true) {
    auto at = static_cast<loff_t>(offset);
    const ssize_t n = ::splice(from, nullptr, to, &at, max, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (n > 0) return {IoStatus::kOk, static_cast<std::size_t>(n), 0};
    if (n == 0) return {IoStatus::kEnd, 0, 0};
    if (errno != EINTR) return FromErrno(errno);
  }
#else
  (void)from, (void)to, (void)offset, (void)max;
  return {IoStatus::kFailed, 0, ENOSYS};
#endif
}

#if defined(__linux__) && !defined(PIPEDUP_PORTABLE)

namespace {

IoResult SpliceOut(int from, std::uint64_t offset, int to, std::size_t max, unsigned flags) {
  auto at = static_cast<loff_t>(offset);
  const ssize_t n = ::splice(from, &at, to, nullptr, max, flags | SPLICE_F_MOVE);
  if (n > 0) return {IoStatus::kOk, static_cast<std::size_t>(n), 0};
  if (n == 0) return {IoStatus::kEnd, 0, 0};
  if (errno == EINTR) return {IoStatus::kInterrupted, 0, EINTR};
  return FromErrno(errno);
}

}  // namespace

IoResult SpliceFromFile(int from, std::uint64_t offset, int to, std::size_t max) {
  while (true) {
    const IoResult result = SpliceOut(from, offset, to, max, SPLICE_F_NONBLOCK);
    if (result.status != IoStatus::kInterrupted) return result;
  }
}

IoResult SpliceFromFileWaiting(int from, std::uint64_t offset, int to, std::size_t max) {
  return SpliceOut(from, offset, to, max, 0);
}

#else

IoResult SpliceFromFile(int, std::uint64_t, int, std::size_t) {
  return {IoStatus::kFailed, 0, ENOSYS};
}
IoResult SpliceFromFileWaiting(int, std::uint64_t, int, std::size_t) {
  return {IoStatus::kFailed, 0, ENOSYS};
}

#endif

#if defined(__linux__) && !defined(PIPEDUP_PORTABLE)

IoResult TeePipe(int from, int to, std::size_t max) {
  while (true) {
    const ssize_t n = ::tee(from, to, max, SPLICE_F_NONBLOCK);
    if (n > 0) return {IoStatus::kOk, static_cast<std::size_t>(n), 0};
    if (n == 0) return {IoStatus::kEnd, 0, 0};
    if (errno != EINTR) return FromErrno(errno);
  }
}

IoResult SplicePipe(int from, int to, std::size_t max) {
  while (true) {
    const ssize_t n =
        ::splice(from, nullptr, to, nullptr, max, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (n > 0) return {IoStatus::kOk, static_cast<std::size_t>(n), 0};
    if (n == 0) return {IoStatus::kEnd, 0, 0};
    if (errno != EINTR) return FromErrno(errno);
  }
}

std::size_t PipeSize(int fd) {
  const int bytes = ::fcntl(fd, F_GETPIPE_SZ);
  return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

#else

IoResult TeePipe(int, int, std::size_t) {
  return {IoStatus::kFailed, 0, ENOSYS};
}
IoResult SplicePipe(int, int, std::size_t) {
  return {IoStatus::kFailed, 0, ENOSYS};
}
std::size_t PipeSize(int) {
  return 0;
}

#endif

IoResult WriteReady(int fd, ByteSpan bytes) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return FromErrno(errno);
  const bool socket = S_ISSOCK(info.st_mode);
  // A blocking write of more than PIPE_BUF bytes waits for the reader even if some would fit.
  const bool pieces =
      (S_ISFIFO(info.st_mode) || IsTerminal(fd)) && (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
  std::size_t done = 0;
  while (done < bytes.size()) {
    std::size_t size = bytes.size() - done;
    if (pieces) {
      pollfd item{fd, POLLOUT, 0};
      if (::poll(&item, 1, 0) == 0) return {IoStatus::kWouldBlock, done, EAGAIN};
      size = std::min<std::size_t>(size, PIPE_BUF);
    }
    const ssize_t n = socket ? ::send(fd, bytes.data() + done, size, MSG_DONTWAIT)
                             : ::write(fd, bytes.data() + done, size);
    if (n >= 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      return FromErrno(errno, done);
    }
  }
  return {IoStatus::kOk, done, 0};
}

void SetNonBlocking(int fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

std::pair<UniqueFd, UniqueFd> MakePipe() {
  std::array<int, 2> ends{};
#if defined(__linux__) && !defined(PIPEDUP_PORTABLE)
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw Error("pipe: " + ErrnoText(errno));
#else
  if (::pipe(ends.data()) != 0) throw Error("pipe: " + ErrnoText(errno));
  ::fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  ::fcntl(ends[1], F_SETFD, FD_CLOEXEC);
#endif
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::uint64_t AbandonedBytes(int pipe) {
  pollfd item{pipe, POLLOUT, 0};
  if (!IsPipe(pipe) || ::poll(&item, 1, 0) < 0 || (item.revents & POLLERR) == 0) return 0;
  int bytes = 0;
  return ::ioctl(pipe, FIONREAD, &bytes) == 0 ? static_cast<std::uint64_t>(bytes) : 0;
}

bool IsPipe(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode);
}

bool IsSocket(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode);
}

bool IsTerminal(int fd) {
  return ::isatty(fd) == 1;
}

UniqueFd ReopenTerminal(int fd) {
  // To open the other side by its name would make a new terminal.
  if (!IsTerminal(fd) || ::ptsname(fd) != nullptr) return UniqueFd();
#if defined(__linux__) && !defined(PIPEDUP_PORTABLE)
  // Also where the terminal has no name here, as in a container.
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
#else
  const char* const name = ::ttyname(fd);
  const std::string path = name == nullptr ? "" : name;
#endif
  UniqueFd again(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat first {};
  struct stat second {};
  const bool same = again && ::fstat(fd, &first) == 0 && ::fstat(again.get(), &second) == 0 &&
                    S_ISCHR(second.st_mode) && first.st_rdev == second.st_rdev;
  return same ? std::move(again) : UniqueFd();
}

bool IsOpen(int fd) {
  return ::fcntl(fd, F_GETFD) != -1;
}

void OpenMissingStandardDescriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (!IsOpen(fd))
      (void)::open("/dev/null", O_RDWR);  // takes the lowest free number: this one
  }
}

void ReplaceByNull(int fd) {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (null) ::dup2(null.get(), fd);
}

void GrowPipe(int fd, std::size_t bytes) {
#if defined(F_SETPIPE_SZ) && !defined(PIPEDUP_PORTABLE)
  if (IsPipe(fd) && ::fcntl(fd, F_GETPIPE_SZ) < static_cast<int>(bytes)) {
    ::fcntl(fd, F_SETPIPE_SZ, static_cast<int>(bytes));
  }
#else
  (void)fd;
  (void)bytes;
#endif
}

}  // namespace pipedup
