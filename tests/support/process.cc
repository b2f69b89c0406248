#include "support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <regex>
#include <system_error>
#include <utility>

extern char** environ;

namespace pipedup::test {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr int kStderr = 2;

[[noreturn]] void Fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

std::pair<UniqueFd, UniqueFd> MakePipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) Fail(errno, "pipe");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

void SetNonBlocking(int fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/// Until `fd` is ready for `events`, or `deadline`. False at the deadline.
bool WaitUntilReady(int fd, short events, Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::max<long>(left.count(), 0)));
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) Fail(errno, "poll");
  }
}

class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;

  /// The test's end of the pipe, if it is one.
  UniqueFd Redirect(int target, const Stdio& to) {
    const bool reads = target == STDIN_FILENO;
    switch (to.kind) {
      case Stdio::Kind::kPipe: {
        auto [read_end, write_end] = MakePipe();
        UniqueFd& theirs = reads ? read_end : write_end;
        ::posix_spawn_file_actions_adddup2(&actions_, theirs.get(), target);
        UniqueFd ours = std::move(reads ? write_end : read_end);
        SetNonBlocking(ours.get());
        theirs_.push_back(std::move(theirs));
        return ours;
      }
      case Stdio::Kind::kClosed:
        ::posix_spawn_file_actions_addclose(&actions_, target);
        break;
      case Stdio::Kind::kDescriptor:
        ::posix_spawn_file_actions_adddup2(&actions_, to.fd, target);
        break;
      case Stdio::Kind::kNull:
      case Stdio::Kind::kFile: {
        const std::string path = to.kind == Stdio::Kind::kNull ? "/dev/null" : to.path;
        const int flags = reads ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
        ::posix_spawn_file_actions_addopen(&actions_, target, path.c_str(), flags, 0600);
        break;
      }
    }
    return UniqueFd();
  }
  /// What the test itself was started with is nobody else's business.
  void CloseRest() { ::posix_spawn_file_actions_addclosefrom_np(&actions_, kStderr + 1); }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
  std::vector<UniqueFd> theirs_;
};

/// The test's environment without what would configure the programs, and with what is added.
std::vector<std::string> MakeEnvironment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> made;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (text.starts_with("PIPEDUP_") || added.contains(text.substr(0, text.find('='))))
      continue;
    made.push_back(text);
  }
  for (const auto& [name, value] : added) made.push_back(name + "=" + value);
  return made;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Process::Process(const Command& command) {
  ::signal(SIGPIPE, SIG_IGN);  // a program that does not read is a result, not the test's end
  FileActions actions;
  input_ = actions.Redirect(STDIN_FILENO, command.input);
  output_ = actions.Redirect(STDOUT_FILENO, command.output);
  errors_ = actions.Redirect(kStderr, Stdio::Pipe());
  actions.CloseRest();

  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t defaults;
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  ::sigaddset(&defaults, SIGHUP);  // a test may be run by nohup
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> arguments = command.argv;
  std::vector<std::string> environment = MakeEnvironment(command.environment);
  const int error = ::posix_spawnp(&pid_, arguments[0].c_str(), actions.get(), &attributes,
                                   Pointers(arguments).data(), Pointers(environment).data());
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) Fail(error, "start " + arguments[0]);
  reader_ = std::thread([this] { ReadErrors(); });
}

Process::~Process() {
  Signal(SIGKILL);
  Wait();
  reader_.join();
}

// ---- stdin ----

bool Process::Write(std::string_view bytes, Duration patience) {
  const auto deadline = Clock::now() + patience;
  while (!bytes.empty()) {
    const ssize_t count = ::write(input_.get(), bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EAGAIN && errno != EINTR) {
      return false;
    } else if (!WaitUntilReady(input_.get(), POLLOUT, deadline)) {
      return false;
    }
  }
  return true;
}

std::size_t Process::WriteWhatFits(std::string_view bytes) {
  std::size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t count = ::write(input_.get(), bytes.data() + written, bytes.size() - written);
    if (count <= 0) break;
    written += static_cast<std::size_t>(count);
  }
  return written;
}

std::size_t Process::unread_input() const {
  int count = 0;
  ::ioctl(input_.get(), FIONREAD, &count);
  return static_cast<std::size_t>(count);
}

// ---- stdout ----

std::string Process::Read(std::size_t bytes, Duration patience) {
  const auto deadline = Clock::now() + patience;
  std::string got;
  while (got.size() < bytes) {
    std::array<char, kReadBytes> part{};
    const std::size_t wanted = std::min(part.size(), bytes - got.size());
    const ssize_t count = ::read(output_.get(), part.data(), wanted);
    if (count == 0) break;
    if (count > 0) {
      got.append(part.data(), static_cast<std::size_t>(count));
    } else if (errno != EAGAIN && errno != EINTR) {
      Fail(errno, "read a program's output");
    } else if (!WaitUntilReady(output_.get(), POLLIN, deadline)) {
      break;
    }
  }
  return got;
}

UniqueFd Process::TakeOutput() {
  ::fcntl(output_.get(), F_SETFL, ::fcntl(output_.get(), F_GETFL) & ~O_NONBLOCK);
  return std::move(output_);
}

std::string Process::ReadAll(Duration patience) {
  return Read(SIZE_MAX, patience);
}

// ---- stderr ----

void Process::ReadErrors() {
  std::string line;
  std::array<char, kReadBytes> part{};
  while (WaitUntilReady(errors_.get(), POLLIN, Clock::now() + std::chrono::hours(1))) {
    const ssize_t count = ::read(errors_.get(), part.data(), part.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count <= 0) break;
    const std::lock_guard lock(mutex_);
    for (const char c : std::string_view(part.data(), static_cast<std::size_t>(count))) {
      if (c == '\n') {
        lines_.push_back(std::exchange(line, {}));
      } else {
        line += c;
      }
    }
    changed_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  if (!line.empty()) lines_.push_back(std::move(line));
  errors_ended_ = true;
  changed_.notify_all();
}

std::vector<std::string> Process::lines() const {
  const std::lock_guard lock(mutex_);
  return lines_;
}

std::optional<std::string> Process::WaitForLine(const LineTest& test, Duration patience) {
  const auto deadline = Clock::now() + patience;
  std::unique_lock lock(mutex_);
  for (std::size_t at = 0;; ++at) {
    while (at == lines_.size()) {
      if (errors_ended_) return std::nullopt;
      if (changed_.wait_until(lock, deadline) == std::cv_status::timeout &&
          at == lines_.size()) {
        return std::nullopt;
      }
    }
    if (test(lines_[at])) return lines_[at];
  }
}

std::optional<std::string> Process::WaitForLine(const std::string& regex, Duration patience) {
  const std::regex wanted(regex);
  return WaitForLine([&](const std::string& line) { return std::regex_search(line, wanted); },
                     patience);
}

std::string Process::log() const {
  std::string all;
  for (const std::string& line : lines()) all += line + "\n";
  return all;
}

// ---- the end ----

void Process::Signal(int number) const {
  if (!status_) ::kill(pid_, number);
}

bool Process::Reap() {
  siginfo_t ended{};
  const auto id = static_cast<id_t>(pid_);
  if (::waitid(P_PID, id, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid != pid_) {
    return false;
  }
  ::kill(-pid_, SIGKILL);  // what it left behind, while nobody else can have its id
  int status = 0;
  ::waitpid(pid_, &status, 0);
  status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return true;
}

int Process::Wait(Duration patience) {
  if (!status_ && !Eventually([this] { return Reap(); }, patience)) return kStillRunning;
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kPatience, [this] { return errors_ended_; });
  return *status_;
}

}  // namespace pipedup::test
