#include "subscribe/stream_list.h"

#include <utility>
#include <variant>

#include "base/bytes.h"

namespace pipedup {
namespace {

constexpr auto kAskEvery = std::chrono::seconds(1);
constexpr int kMessagesPerCall = 64;

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
    : context_(context),
      loop_(loop),
      endpoint_(std::move(endpoint)),
      dead_after_(dead_after),
      on_stream_(std::move(on_stream)),
      on_unknown_(std::move(on_unknown)),
      last_heard_(loop.now()),
      ipv6_(endpoint_.host.find(':') != std::string::npos) {
  Connect();
  tick_ = loop_.Every(kAskEvery, [this] { Tick(); });
}

StreamList::~StreamList() {
  loop_.Cancel(tick_);
  loop_.Remove(watch_);
}

void StreamList::Connect() {
  socket_.emplace(Socket::Dealer(context_, ipv6_));
  watch_ = loop_.OnMessage(*socket_, [this] { Receive(); });
  socket_->Connect(endpoint_.control());
  connected_ = loop_.now();
  Ask("");
}

void StreamList::Ask(std::string after) {
  asked_after_ = after;
  const control::List list{std::move(after)};
  (void)socket_->Send(AsBytes(control::Encode(list)), Frame::kLast);
}

void StreamList::Tick() {
  const Duration silent = loop_.now() - std::max(last_heard_, connected_);
  if (silent <= dead_after_) {
    Ask("");
    return;
  }
  loop_.Remove(watch_);
  // A name may be of either family.
  const bool literal = endpoint_.host.find(':') != std::string::npos ||
                       endpoint_.host.find_first_not_of("0123456789.") == std::string::npos;
  if (!literal) ipv6_ = !ipv6_;
  Connect();
}

void StreamList::Receive() {
  for (int i = 0; i < kMessagesPerCall && socket_->Receive(&frames_, 1); ++i) {
    if (frames_.empty()) continue;
    const control::ParseResult parsed = control::Parse(frames_[0].bytes());
    const auto* const message = std::get_if<control::Message>(&parsed);
    if (message == nullptr) continue;
    if (const auto* const error = std::get_if<control::Error>(message)) {
      last_heard_ = loop_.now();
      if (error->code == "unknown-op") on_unknown_();
    }
    const auto* const streams = std::get_if<control::Streams>(message);
    if (streams == nullptr) continue;
    last_heard_ = loop_.now();
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
}

}  // namespace pipedup
