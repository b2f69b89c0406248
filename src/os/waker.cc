#include "os/waker.h"

#include <fcntl.h>
#include <unistd.h>
#if defined(__linux__) && !defined(PIPEDUP_PORTABLE)
#include <sys/eventfd.h>
#endif

#include <array>
#include <cerrno>
#include <cstdint>

#include "base/error.h"
#include "os/io.h"

namespace pipedup {

Waker::Waker() {
#if defined(__linux__) && !defined(PIPEDUP_PORTABLE)
  read_end_ = UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!read_end_) throw Error("eventfd: " + ErrnoText(errno));
#else
  std::tie(read_end_, write_end_) = MakePipe();
  ::fcntl(read_end_.get(), F_SETFL, O_NONBLOCK);
  ::fcntl(write_end_.get(), F_SETFL, O_NONBLOCK);
#endif
}

void Waker::Wake() {
  const std::uint64_t one = 1;
  const int fd = write_end_ ? write_end_.get() : read_end_.get();
  // Full means that a wake is pending already.
  while (::write(fd, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void Waker::Clear() {
  std::array<std::uint64_t, 32> sink{};
  while (::read(read_end_.get(), sink.data(), sizeof sink) ==
         static_cast<ssize_t>(sizeof sink)) {
  }
}

}  // namespace pipedup
