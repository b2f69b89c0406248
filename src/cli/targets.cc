// The typed targets: each reads one kind of value, checks its range and stores it.
#include <algorithm>
#include <charconv>
#include <optional>

#include "base/text.h"
#include "base/units.h"
#include "cli/boolean.h"
#include "pipedup/command_line.h"

namespace pipedup::cli {
namespace {

std::string NotBool(std::string_view text) {
  return Quote(text) + " is neither true (1, yes, on) nor false (0, no, off)";
}

std::optional<std::uint64_t> ParseCount(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string FormatCount(std::uint64_t value) {
  return std::to_string(value);
}

/// As FormatDuration, but "1h" for "60m" and "365d" for "525600m": limits are round.
std::string FormatLimit(Duration value) {
  constexpr Duration kHour = std::chrono::hours(1);
  constexpr Duration kDay = std::chrono::hours(24);
  if (value != Duration{0} && value % kDay == Duration{0}) {
    return std::to_string(value / kDay) + "d";
  }
  if (value != Duration{0} && value % kHour == Duration{0}) {
    return std::to_string(value / kHour) + "h";
  }
  return FormatDuration(value);
}

/// What numbers, sizes and durations have in common.
template <typename T>
struct Kind {
  std::optional<T> (*parse)(std::string_view);
  std::string (*format)(T);
  const char* noun;
  T least;
  T most;
};

const Kind<std::uint64_t> kCount{ParseCount, FormatCount, "a whole number", 0, kNoLimit};
const Kind<std::uint64_t> kSize{ParseSize, FormatSize, "a size (like 64MiB)", 0, kNoLimit};
const Kind<Duration> kTime{ParseDuration, FormatLimit, "a duration (like 250ms or 2m)",
                           Duration{0}, kForever};

template <typename T>
std::string RangeText(const Kind<T>& kind, T min, T max) {
  if (max != kind.most) return kind.format(min) + " to " + kind.format(max);
  return min == kind.least ? "" : "at least " + kind.format(min);
}

/// `To` is a T, or an optional T.
template <typename T, typename To>
Store StoreInRange(const Kind<T>& kind, To* to, T min, T max) {
  return [&kind, to, min, max](std::string_view text) -> std::string {
    const std::optional<T> value = kind.parse(text);
    if (!value) return Quote(text) + " is not " + kind.noun;
    if (*value < min || *value > max) {
      return Quote(text) + " is out of range: " + RangeText(kind, min, max);
    }
    *to = *value;
    return "";
  };
}

template <typename T>
Target Ranged(const Kind<T>& kind, T* to, T min, T max) {
  return {.store = StoreInRange(kind, to, min, max),
          .initial = kind.format(*to),
          .range = RangeText(kind, min, max)};
}

template <typename T>
Target Ranged(const Kind<T>& kind, std::optional<T>* to, T min, T max) {
  return {.store = StoreInRange(kind, to, min, max),
          .initial = *to ? kind.format(**to) : "",
          .range = RangeText(kind, min, max)};
}

Target AsNumber(Target target) {
  target.form = Target::Form::kNumber;
  return target;
}

/// `To` is a string, or an optional one.
template <typename To>
Store StoreText(To* to, Store check) {
  return [to, check = std::move(check)](std::string_view text) -> std::string {
    if (check) {
      if (std::string wrong = check(text); !wrong.empty()) return wrong;
    }
    *to = std::string(text);
    return "";
  };
}

}  // namespace

std::string Quote(std::string_view text) {
  return "'" + Escape(text) + "'";
}

Target Flag(bool* to, bool when_given) {
  return {.form = Target::Form::kFlag,
          .store = [to, when_given](std::string_view text) -> std::string {
            const std::optional<bool> value = ParseBool(text);
            if (!value) return NotBool(text);
            *to = *value == when_given;
            return "";
          },
          .initial = *to == when_given ? "true" : "false"};
}

Target Text(std::string* to, Store check) {
  return {.store = StoreText(to, std::move(check)), .initial = *to};
}

Target Text(std::optional<std::string>* to, Store check) {
  return {.store = StoreText(to, std::move(check)), .initial = to->value_or("")};
}

Target Count(std::uint64_t* to, std::uint64_t min, std::uint64_t max) {
  return AsNumber(Ranged(kCount, to, min, max));
}

Target Count(std::optional<std::uint64_t>* to, std::uint64_t min, std::uint64_t max) {
  return AsNumber(Ranged(kCount, to, min, max));
}

Target Size(std::uint64_t* to, std::uint64_t min, std::uint64_t max) {
  return Ranged(kSize, to, min, max);
}

Target Time(Duration* to, Duration min, Duration max) {
  return Ranged(kTime, to, min, max);
}

Target Time(std::optional<Duration>* to, Duration min, Duration max) {
  return Ranged(kTime, to, min, max);
}

Target Custom(Store store, std::string initial) {
  return {.store = std::move(store), .initial = std::move(initial)};
}

Target List(Store store, std::string initial) {
  return {
      .form = Target::Form::kList, .store = std::move(store), .initial = std::move(initial)};
}

Target Words(std::vector<std::string> words, std::size_t initial,
             std::function<void(std::size_t)> chosen) {
  Target target;
  target.initial = words.at(initial);
  target.words = words;
  target.store = [words = std::move(words),
                  chosen = std::move(chosen)](std::string_view text) -> std::string {
    const auto found = std::ranges::find(words, text);
    if (found != words.end()) {
      chosen(static_cast<std::size_t>(found - words.begin()));
      return "";
    }
    std::string list;
    for (const std::string& word : words) list += (list.empty() ? "" : ", ") + word;
    const std::vector<std::string_view> candidates(words.begin(), words.end());
    const std::string_view nearest = Nearest(text, candidates);
    return Quote(text) + " is none of " + list +
           (nearest.empty() ? "" : " (did you mean " + std::string(nearest) + "?)");
  };
  return target;
}

}  // namespace pipedup::cli
