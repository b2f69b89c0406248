#include "cli/log_line.h"

#include <nlohmann/json.hpp>
#include <variant>

#include "base/units.h"

namespace pipedup::cli {
namespace {

struct LevelLook {
  std::string_view word;
  std::string_view color;  ///< SGR sequence
};

LevelLook LookOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return {"debug", "\x1b[36m"};
    case LogLevel::kInfo:
      return {"info", "\x1b[32m"};
    case LogLevel::kWarning:
      return {"warning", "\x1b[33m"};
    case LogLevel::kError:
      break;
  }
  return {"error", "\x1b[31m"};
}

}  // namespace

std::string TextLine(const ReporterOptions& options, LogLevel level, std::string_view text) {
  const LevelLook look = LookOf(level);
  std::string line = options.program + ": ";
  if (options.color) line += look.color;
  line += look.word;
  if (options.color) line += "\x1b[0m";
  line += ": ";
  for (const char c : text) line += c == '\n' || c == '\r' ? ' ' : c;
  return line + '\n';
}

std::string JsonLine(const ReporterOptions& options, LogLevel level, std::string_view event,
                     std::string_view text, const Fields& fields, std::int64_t time_ns) {
  nlohmann::ordered_json line;
  line["time"] = FormatTime(time_ns);
  line["level"] = LookOf(level).word;
  line["program"] = options.program;
  line["event"] = event;
  line["message"] = text;
  for (const auto& [name, value] : fields) {
    if (line.contains(name)) continue;
    std::visit([&line, &key = name](const auto& plain) { line[key] = plain; }, value);
  }
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace pipedup::cli
