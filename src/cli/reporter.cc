#include "pipedup/reporter.h"

#include <exception>
#include <mutex>

#include "base/clock.h"
#include "cli/log_line.h"
#include "os/io.h"

namespace pipedup {
namespace {

constexpr int kStderr = 2;
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

void Reporter::Say(LogLevel level, std::string_view event, std::string_view text,
                   const Fields& fields) {
  try {
    std::string line = options_.json
                           ? cli::JsonLine(options_, level, event, text, fields, WallNow())
                           : cli::TextLine(options_, level, text);
    const std::lock_guard lock(StderrMutex());
    if (progress_shown_) line.insert(0, kClearLine);
    progress_shown_ = false;
    WriteToStderr(line);
  } catch (const std::exception&) {
    // Out of memory: the event is lost, the stream goes on.
  }
}

void Reporter::Progress(std::string_view text) {
  if (options_.json || options_.verbosity < 0 || !IsTerminal(kStderr)) return;
  try {
    const std::lock_guard lock(StderrMutex());
    if (text.empty() && !progress_shown_) return;
    progress_shown_ = !text.empty();
    WriteToStderr("\r" + std::string(text) + "\x1b[K");
  } catch (const std::exception&) {
    // As above.
  }
}

}  // namespace pipedup
