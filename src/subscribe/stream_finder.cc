#include "subscribe/stream_finder.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace pipedup {
namespace {

constexpr auto kTickEvery = std::chrono::milliseconds(100);
constexpr auto kFirstAsk = std::chrono::milliseconds(200);  // until somebody has answered
constexpr auto kAskAgain = std::chrono::seconds(1);

}  // namespace

StreamFinder::StreamFinder(Context& context, EventLoop& loop, Endpoint endpoint,
                           Duration dead_after, OnStream on_stream)
    : context_(context),
      loop_(loop),
      endpoint_(std::move(endpoint)),
      dead_after_(dead_after),
      on_stream_(std::move(on_stream)),
      ipv6_(endpoint_.IsIpv6()),
      last_heard_(loop.now()) {
  Connect();
  tick_ = loop_.Every(kTickEvery, [this] { Tick(); });
}

StreamFinder::~StreamFinder() {
  loop_.Cancel(tick_);
  Close();
}

void StreamFinder::Connect() {
  control_.emplace(Socket::Dealer(context_, ipv6_));
  watch_ = loop_.OnMessage(*control_, [this] { Receive(); });
  control_->Connect(endpoint_.control());
  connected_ = loop_.now();
  answered_ = false;
  Ask("");
}

void StreamFinder::Close() {
  loop_.Remove(watch_);
  control_.reset();
}

void StreamFinder::Ask(const std::string& after) {
  asked_ = loop_.now();
  // A full queue means that nobody is there: it is asked again.
  (void)control_->Send(AsBytes(control::Encode(control::ListRequest{after})), Frame::kLast);
}

void StreamFinder::Receive() {
  while (control_ && control_->Receive(&frames_, 1)) {
    if (frames_.empty()) continue;
    const control::ParseResult parsed = control::Parse(frames_[0].bytes());
    const auto* const message = std::get_if<control::Message>(&parsed);
    const auto* const answer =
        message == nullptr ? nullptr : std::get_if<control::Streams>(message);
    if (answer == nullptr) continue;
    last_heard_ = loop_.now();
    answered_ = true;
    if (answer->more && !answer->streams.empty()) Ask(answer->streams.back().stream);
    for (const control::Listed& stream : answer->streams) on_stream_(stream);
  }
}

void StreamFinder::Tick() {
  const TimePoint now = loop_.now();
  if (now - std::max(last_heard_, connected_) > dead_after_) {
    Close();
    if (endpoint_.IsName()) ipv6_ = !ipv6_;
    Connect();
  } else if (now - asked_ >= (answered_ ? Duration(kAskAgain) : Duration(kFirstAsk))) {
    Ask("");
  }
}

}  // namespace pipedup
