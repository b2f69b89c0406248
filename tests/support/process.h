// A program that a test starts, feeds, listens to and ends.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "os/fd.h"
#include "support/wait.h"

namespace pipedup::test {

/// Where one of a program's descriptors 0 and 1 leads.
struct Stdio {
  enum class Kind { kPipe, kNull, kClosed, kFile, kDescriptor };
  Kind kind = Kind::kNull;
  std::string path = {};
  int fd = -1;

  static Stdio Pipe() { return {Kind::kPipe}; }
  static Stdio Null() { return {Kind::kNull}; }
  static Stdio Closed() { return {Kind::kClosed}; }
  static Stdio File(std::string file) { return {Kind::kFile, std::move(file)}; }
  /// The test's own descriptor, which stays its own.
  static Stdio Descriptor(int fd) { return {Kind::kDescriptor, {}, fd}; }
};

struct Command {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment = {};  ///< added to the test's own
  Stdio input = Stdio::Null();
  Stdio output = Stdio::Null();
};

/// Statuses above 128 are signals, as a shell has them.
inline constexpr int kStillRunning = -1;

/// Runs in a process group of its own; what is left of that is killed when the program has
/// ended, and the program at the end of the test. Its stderr is read all the time, line by
/// line, by a thread; everything else happens in the caller's.
class Process {
 public:
  /// Throws std::system_error if it could not be started.
  explicit Process(const Command& command);
  virtual ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }

  // ---- stdin, where it is a pipe ----

  /// Writes all of it, as fast as it is read. False if the reader left or `patience` was over.
  [[nodiscard]] bool Write(std::string_view bytes, Duration patience = kPatience);
  /// Writes what the pipe takes at once; how much.
  std::size_t WriteWhatFits(std::string_view bytes);
  /// Bytes in the pipe that were written and not read yet.
  std::size_t unread_input() const;
  void CloseInput() { input_.Reset(); }

  // ---- stdout, where it is a pipe ----

  /// The next `bytes` bytes, fewer at the end of the file or of `patience`.
  std::string Read(std::size_t bytes, Duration patience = kPatience);
  /// Everything up to the end of the file.
  std::string ReadAll(Duration patience = kPatience);
  /// For another program to read: from now on the test does not. Reads of it block.
  UniqueFd TakeOutput();

  // ---- stderr ----

  using LineTest = std::function<bool(const std::string& line)>;
  std::vector<std::string> lines() const;
  /// The first line, of all it ever wrote, that passes; nothing if none came within `patience`,
  /// or before stderr was closed.
  std::optional<std::string> WaitForLine(const LineTest& test, Duration patience = kPatience);
  std::optional<std::string> WaitForLine(const std::string& regex,
                                         Duration patience = kPatience);
  /// All it wrote, to show beside a failure.
  std::string log() const;

  // ---- the end ----

  void Signal(int number) const;
  /// Its exit status, or kStillRunning when `patience` was over. Then everything that it wrote
  /// to stderr has been read as well.
  int Wait(Duration patience = kPatience);
  bool running() { return Wait(Duration(0)) == kStillRunning; }

 private:
  void ReadErrors();
  bool Reap();

  pid_t pid_ = -1;
  UniqueFd input_;
  UniqueFd output_;
  UniqueFd errors_;
  std::optional<int> status_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;  // under mutex_
  bool errors_ended_ = false;       // under mutex_
  std::thread reader_;
};

}  // namespace pipedup::test
