#include "os/signals.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#if defined(__linux__) && !defined(PIPEDUP_PORTABLE)
#include <sys/signalfd.h>
#endif

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "os/io.h"

namespace pipedup {
namespace {

void SetHandler(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);  // without SA_RESTART: a blocked write must return
}

bool IsIgnored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

void DoNothing(int) {}

#if !defined(__linux__) || defined(PIPEDUP_PORTABLE)
int queue_write_end = -1;  // a handler can reach nothing but a global

void QueueSignal(int signal) {
  const int saved = errno;
  const auto byte = static_cast<unsigned char>(signal);
  while (::write(queue_write_end, &byte, 1) < 0 && errno == EINTR) {
  }
  errno = saved;
}
#endif

}  // namespace

void IgnoreBrokenPipe() {
  SetHandler(SIGPIPE, SIG_IGN);
}

#if defined(__linux__) && !defined(PIPEDUP_PORTABLE)

SignalQueue::SignalQueue(std::initializer_list<int> signals) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : signals) {
    if (IsIgnored(signal) && signal != SIGCHLD) continue;
    if (signal == SIGCHLD)
      SetHandler(SIGCHLD, SIG_DFL);  // ignored, children would not be waited for
    ::sigaddset(&set, signal);
    signals_.push_back(signal);
  }
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  fd_ = UniqueFd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd_) throw Error("signalfd: " + ErrnoText(errno));
}

SignalQueue::~SignalQueue() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : signals_) ::sigaddset(&set, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

SignalQueue::Signal SignalQueue::Next() {
  signalfd_siginfo info{};
  const ssize_t n = ::read(fd_.get(), &info, sizeof info);
  if (n != static_cast<ssize_t>(sizeof info)) return {};
  return {static_cast<int>(info.ssi_signo), info.ssi_code == SI_KERNEL};
}

#else

SignalQueue::SignalQueue(std::initializer_list<int> signals) {
  auto [read_end, write_end] = MakePipe();
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  ::fcntl(write_end.get(), F_SETFL, O_NONBLOCK);
  fd_ = std::move(read_end);
  queue_write_end = ::fcntl(write_end.get(), F_DUPFD_CLOEXEC, 3);  // closed by the destructor
  for (const int signal : signals) {
    if (IsIgnored(signal) && signal != SIGCHLD) continue;
    SetHandler(signal, QueueSignal);
    signals_.push_back(signal);
  }
}

SignalQueue::~SignalQueue() {
  for (const int signal : signals_) SetHandler(signal, SIG_DFL);
  ::close(queue_write_end);
  queue_write_end = -1;
}

SignalQueue::Signal SignalQueue::Next() {
  unsigned char byte = 0;
  while (true) {
    const ssize_t n = ::read(fd_.get(), &byte, 1);
    if (n == 1) return {byte, false};
    if (n < 0 && errno == EINTR) continue;
    return {};
  }
}

#endif

bool SignalQueue::Takes(int signal) const {
  return std::find(signals_.begin(), signals_.end(), signal) != signals_.end();
}

ScopedNoSignals::ScopedNoSignals() {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &saved_);
}

ScopedNoSignals::~ScopedNoSignals() {
  ::pthread_sigmask(SIG_SETMASK, &saved_, nullptr);
}

void InterruptThread(std::thread& thread) {
  // SIGURG does nothing by default, so one that comes late harms nobody.
  SetHandler(SIGURG, DoNothing);
  ::pthread_kill(thread.native_handle(), SIGURG);
}

}  // namespace pipedup
