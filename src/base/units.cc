#include "base/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <limits>

namespace pipedup {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr std::array<Unit, 14> kSizes{{{"b", 1},
                                       {"k", 1024.0},
                                       {"kib", 1024.0},
                                       {"kb", 1e3},
                                       {"m", 1048576.0},
                                       {"mib", 1048576.0},
                                       {"mb", 1e6},
                                       {"g", 1073741824.0},
                                       {"gib", 1073741824.0},
                                       {"gb", 1e9},
                                       {"t", 1099511627776.0},
                                       {"tib", 1099511627776.0},
                                       {"tb", 1e12},
                                       {"", 1}}};

constexpr std::array<Unit, 8> kDurations{{{"ns", 1},
                                          {"us", 1e3},
                                          {"ms", 1e6},
                                          {"s", 1e9},
                                          {"", 1e9},
                                          {"m", 60e9},
                                          {"h", 3600e9},
                                          {"d", 86400e9}}};

bool SameWord(std::string_view lower, std::string_view any) {
  if (lower.size() != any.size()) return false;
  for (std::size_t i = 0; i < any.size(); ++i) {
    const char c =
        any[i] >= 'A' && any[i] <= 'Z' ? static_cast<char>(any[i] - 'A' + 'a') : any[i];
    if (c != lower[i]) return false;
  }
  return true;
}

/// Takes "12", "1.5" off the front of `text`.
std::optional<double> TakeNumber(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && ((text[n] >= '0' && text[n] <= '9') || text[n] == '.')) ++n;
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + n, value, std::chars_format::fixed);
  if (n == 0 || error != std::errc() || end != text.data() + n) return std::nullopt;
  text.remove_prefix(n);
  return value;
}

/// Takes the letters up to the next digit off the front of `text`.
std::string_view TakeWord(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && !(text[n] >= '0' && text[n] <= '9') && text[n] != '.') ++n;
  const std::string_view word = text.substr(0, n);
  text.remove_prefix(n);
  return word;
}

template <std::size_t N>
std::optional<double> Scale(const std::array<Unit, N>& units, double value,
                            std::string_view word) {
  for (const Unit& unit : units) {
    if (SameWord(unit.name, word)) return value * unit.factor;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> ParseSize(std::string_view text) {
  // Whole numbers keep all 64 bits; a double would round them.
  std::uint64_t whole = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (error == std::errc() && (end == text.data() + text.size() || *end != '.')) {
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    const std::optional<double> scale = Scale(kSizes, 1, unit);
    if (!scale) return std::nullopt;
    const auto factor = static_cast<std::uint64_t>(*scale);
    if (whole > std::numeric_limits<std::uint64_t>::max() / factor) return std::nullopt;
    return whole * factor;
  }
  const std::optional<double> number = TakeNumber(text);
  if (!number) return std::nullopt;
  const std::optional<double> bytes = Scale(kSizes, *number, text);
  if (!bytes || *bytes >= 9.2e18) return std::nullopt;
  return static_cast<std::uint64_t>(std::llround(*bytes));
}

std::optional<Duration> ParseDuration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    const std::optional<double> number = TakeNumber(text);
    if (!number) return std::nullopt;
    const std::optional<double> ns = Scale(kDurations, *number, TakeWord(text));
    if (!ns) return std::nullopt;
    total += *ns;
  }
  if (total >= 9.2e18) return std::nullopt;
  return Duration(std::llround(total));
}

std::string FormatSize(std::uint64_t bytes) {
  static constexpr std::array<const char*, 5> kNames{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  auto value = static_cast<double>(bytes);
  while (value >= 1024 && unit + 1 < kNames.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 40> text{};
  const bool whole = value == std::floor(value);
  std::snprintf(text.data(), text.size(), whole ? "%.0f%s" : "%.1f%s", value, kNames[unit]);
  return text.data();
}

std::string FormatDuration(Duration duration) {
  const std::int64_t ns = duration.count();
  std::array<char, 48> text{};
  if (ns % 1'000'000'000 == 0 && ns >= 60'000'000'000) {
    const auto s = static_cast<long long>(ns / 1'000'000'000);
    if (s % 60 == 0) return std::to_string(s / 60) + "m";
    std::snprintf(text.data(), text.size(), "%lldm%llds", s / 60, s % 60);
  } else if (ns >= 1'000'000'000) {
    std::snprintf(text.data(), text.size(), "%.10gs", static_cast<double>(ns) / 1e9);
  } else if (ns >= 1'000'000) {
    std::snprintf(text.data(), text.size(), "%.10gms", static_cast<double>(ns) / 1e6);
  } else {
    std::snprintf(text.data(), text.size(), "%.10gus", static_cast<double>(ns) / 1e3);
  }
  return ns == 0 ? "0s" : text.data();
}

std::string FormatTime(std::int64_t ns_since_epoch) {
  std::int64_t seconds = ns_since_epoch / 1'000'000'000;
  std::int64_t rest = ns_since_epoch % 1'000'000'000;
  if (rest < 0) {
    rest += 1'000'000'000;
    --seconds;
  }
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 80> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
                parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                parts.tm_min, parts.tm_sec, static_cast<int>(rest / 1000));
  return text.data();
}

}  // namespace pipedup
