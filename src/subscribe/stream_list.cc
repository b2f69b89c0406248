#include "subscribe/stream_list.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace pipedup {
namespace {

constexpr auto kAskEvery = std::chrono::seconds(1);

}  // namespace

bool IsPattern(std::string_view text) {
  return text.find_first_of("*?") != std::string_view::npos;
}

bool MatchesPattern(std::string_view pattern, std::string_view name) {
  // After a mismatch the last star takes one character more; earlier ones need not be tried.
  std::size_t at = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_at = 0;
  std::size_t i = 0;
  while (at < name.size()) {
    if (i < pattern.size() && pattern[i] == '*') {
      star = i++;
      star_at = at;
    } else if (i < pattern.size() && (pattern[i] == '?' || pattern[i] == name[at])) {
      ++i;
      ++at;
    } else if (star != std::string_view::npos) {
      i = star + 1;
      at = ++star_at;
    } else {
      return false;
    }
  }
  while (i < pattern.size() && pattern[i] == '*') ++i;
  return i == pattern.size();
}

StreamList::StreamList(Context& context, EventLoop& loop, Endpoint endpoint,
                       Duration dead_after, OnStream on_stream, OnUnknown on_unknown)
    : loop_(loop),
      dead_after_(dead_after),
      on_stream_(std::move(on_stream)),
      on_unknown_(std::move(on_unknown)),
      link_(context, loop, std::move(endpoint),
            [this](const control::Message& answer) { OnAnswer(answer); }) {
  Ask("");
  tick_ = loop_.Every(kAskEvery, [this] { Tick(); });
}

StreamList::~StreamList() {
  loop_.Cancel(tick_);
}

void StreamList::Ask(std::string after) {
  asked_after_ = after;
  link_.Ask(control::List{std::move(after)});
}

void StreamList::Tick() {
  if (loop_.now() - std::max(link_.last_heard(), link_.connected()) > dead_after_) {
    link_.Remake();
  }
  Ask("");
}

void StreamList::OnAnswer(const control::Message& answer) {
  if (const auto* const error = std::get_if<control::Error>(&answer)) {
    if (error->code == "unknown-op") on_unknown_();
  }
  const auto* const streams = std::get_if<control::Streams>(&answer);
  if (streams == nullptr) return;
  for (const control::ListedStream& one : streams->streams) on_stream_(one);
  // One that gets nowhere is not asked for ever.
  const bool further =
      !streams->streams.empty() && streams->streams.back().stream > asked_after_;
  if (streams->more && further) {
    Ask(streams->streams.back().stream);
  } else {
    complete_ = true;
  }
}

}  // namespace pipedup
