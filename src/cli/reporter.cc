#include "pipedup/reporter.h"

#include <exception>
#include <mutex>

#include "base/clock.h"
#include "cli/log_line.h"
#include "os/io.h"
#include "os/process.h"

namespace pipedup {
namespace {

constexpr std::string_view kClearLine = "\r\x1b[K";

// A process has one stderr, however many reporters write to it.
std::mutex& StderrMutex() {
  static std::mutex mutex;
  return mutex;
}

/// Best effort: there is nobody left to tell that stderr is gone. A signal must not cut a line.
void WriteToStderr(std::string_view line) {
  ByteSpan left = AsBytes(line);
  IoResult result;
  do {
    result = WriteAll(kStderr, left);
    left = left.subspan(result.count);
  } while (result.status == IoStatus::kInterrupted);
}

}  // namespace

void Reporter::Debug(std::string_view event, std::string_view text, const Fields& fields) {
  if (options_.verbosity > 0) Say(LogLevel::kDebug, event, text, fields);
}

void Reporter::Info(std::string_view event, std::string_view text, const Fields& fields) {
  if (options_.verbosity >= 0) Say(LogLevel::kInfo, event, text, fields);
}

void Reporter::Warn(std::string_view event, std::string_view text, const Fields& fields) {
  Say(LogLevel::kWarning, event, text, fields);
}

void Reporter::Error(std::string_view event, std::string_view text, const Fields& fields) {
  Say(LogLevel::kError, event, text, fields);
}

std::string Reporter::Line(LogLevel level, std::string_view event, std::string_view text,
                           const Fields& fields) const {
  return options_.json ? cli::JsonLine(options_, level, event, text, fields, WallNow())
                       : cli::TextLine(options_, level, text);
}

void Reporter::Say(LogLevel level, std::string_view event, std::string_view text,
                   const Fields& fields) {
  try {
    std::string line = Line(level, event, text, fields);
    const std::lock_guard lock(StderrMutex());
    if (!progress_.empty()) line = std::string(kClearLine) + line + progress_;
    WriteToStderr(line);
  } catch (const std::exception&) {
    // Out of memory: the event is lost, the stream goes on.
  }
}

// ---- progress ----

ProgressStyle Reporter::progress_style(bool force) const {
  if (options_.verbosity < 0) return ProgressStyle::kNone;
  if (options_.json) return ProgressStyle::kEvents;
  if (IsTerminal(kStderr) && Environment("TERM") != "dumb") return ProgressStyle::kLine;
  return force ? ProgressStyle::kEvents : ProgressStyle::kNone;
}

void Reporter::ShowProgress(std::string_view line, int fd) {
  try {
    const std::unique_lock lock(StderrMutex(), std::try_to_lock);
    if (!lock) return;  // somebody waits for the terminal
    progress_ = line;
    (void)WriteReady(fd, AsBytes(std::string(kClearLine) + progress_));
  } catch (const std::exception&) {
    // As above.
  }
}

void Reporter::ReportProgress(std::string_view text, const Fields& fields, int fd) {
  try {
    const std::string line = Line(LogLevel::kInfo, "progress", text, fields);
    const std::unique_lock lock(StderrMutex(), std::try_to_lock);
    if (lock) (void)WriteReady(fd, AsBytes(line));
  } catch (const std::exception&) {
    // As above.
  }
}

void Reporter::EndProgress() {
  const std::lock_guard lock(StderrMutex());
  if (progress_.empty()) return;
  progress_.clear();
  (void)WriteReady(kStderr, AsBytes("\n"));
}

}  // namespace pipedup
