// What a program says to people and to log collectors: on stderr, never on stdout.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace pipedup {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

/// One member of an event: name and value.
using Field = std::pair<std::string,
                        std::variant<std::int64_t, std::uint64_t, double, bool, std::string>>;
using Fields = std::vector<Field>;

struct ReporterOptions {
  std::string program;  ///< "pipedup-sub"
  bool json = false;    ///< --log-format json
  bool color = false;   ///< already decided: terminal, NO_COLOR, --color
  int verbosity = 0;    ///< -1 quiet (warnings and errors only), 0 normal, 1 verbose (debug)
};

/// How it is said how far a program is.
enum class ProgressStyle : std::uint8_t {
  kNone,    ///< not at all
  kLine,    ///< on a line that is drawn in place
  kEvents,  ///< as events
};

/// Writes one line per event, with a single write(2), so that lines of several processes do not
/// mix.
///
/// As text, `pipedup-sub: warning: gap: lost 100 bytes`. As JSON, one object with the members
/// time (RFC 3339), level, program, event, message, and the fields; what is not UTF-8 gets
/// U+FFFD.
///
/// Text from peers and users must have gone through Escape. Never throws for what is said, nor
/// when stderr is closed. Threads: any, one line at a time.
class Reporter {
 public:
  explicit Reporter(ReporterOptions options) : options_(std::move(options)) {}

  void Debug(std::string_view event, std::string_view text, const Fields& fields = {});
  void Info(std::string_view event, std::string_view text, const Fields& fields = {});
  void Warn(std::string_view event, std::string_view text, const Fields& fields = {});
  void Error(std::string_view event, std::string_view text, const Fields& fields = {});

  /// A line where stderr is a terminal; events in JSON, and elsewhere if that is forced;
  /// nothing if this is quiet.
  ProgressStyle progress_style(bool force) const;
  /// Draws a line over the last one. Events that follow come before it. `fd` is stderr, or
  /// another description of the same terminal, which may be one that never blocks: neither this
  /// nor the next one waits for whoever reads there, what does not fit is left out.
  void ShowProgress(std::string_view line, int fd);
  /// The event `progress`.
  void ReportProgress(std::string_view text, const Fields& fields, int fd);
  /// Leaves the line where it is. What follows comes below.
  void EndProgress();
  bool json() const { return options_.json; }

 private:
  std::string Line(LogLevel level, std::string_view event, std::string_view text,
                   const Fields& fields) const;
  void Say(LogLevel level, std::string_view event, std::string_view text, const Fields& fields);
  ReporterOptions options_;
  std::string progress_ = {};  // as it is shown
};

}  // namespace pipedup
