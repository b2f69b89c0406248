// Sizes ("64MiB") and durations ("250ms") as people type and read them. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pipedup {

using Duration = std::chrono::nanoseconds;

/// "4096", "64KiB", "1MB", "1.5GiB": KiB, MiB, GiB, TiB are powers of 1024, kB, MB, GB, TB of
/// 1000; K, M, G, T alone mean powers of 1024. Case does not matter. Nothing if it is no size
/// or does not fit.
std::optional<std::uint64_t> ParseSize(std::string_view text);

/// "250ms", "5s", "1.5h", "2m", "3d", "10us", and sums of them ("1m30s"); a bare number is
/// seconds. Nothing if it is no duration, is negative, or does not fit.
std::optional<Duration> ParseDuration(std::string_view text);

/// "64MiB", "1.5GiB", "123B": at most one decimal; exact sizes stay exact.
std::string FormatSize(std::uint64_t bytes);

/// "250ms", "5s", "1m30s".
std::string FormatDuration(Duration duration);

/// RFC 3339 in UTC, microseconds: "2026-01-31T12:00:00.000000Z".
std::string FormatTime(std::int64_t ns_since_epoch);

}  // namespace pipedup
