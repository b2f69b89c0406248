// One event as one line of text or JSON. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pipedup/reporter.h"

namespace pipedup::cli {

/// `pipedup-sub: warning: text`; the event's name and fields are for JSON only. Ends with '\n'
/// and holds no other.
std::string TextLine(const ReporterOptions& options, LogLevel level, std::string_view text);

/// `time_ns` since the Unix epoch. A field never takes the place of "time", "level", "program",
/// "event" or "message".
std::string JsonLine(const ReporterOptions& options, LogLevel level, std::string_view event,
                     std::string_view text, const Fields& fields, std::int64_t time_ns);

}  // namespace pipedup::cli
