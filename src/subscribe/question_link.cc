#include "subscribe/question_link.h"

#include <utility>
#include <variant>

#include "base/bytes.h"

namespace pipedup {
QuestionLink::QuestionLink(Context& context, EventLoop& loop, Endpoint endpoint,
                           OnAnswer on_answer)
    : context_(context),
      loop_(loop),
      endpoint_(std::move(endpoint)),
      on_answer_(std::move(on_answer)),
      last_heard_(loop.now()),
      ipv6_(endpoint_.IsIpv6()) {
  Connect();
}

QuestionLink::~QuestionLink() {
  loop_.Remove(watch_);
}

void QuestionLink::Connect() {
  socket_.emplace(Socket::Dealer(context_, ipv6_));
  socket_->SetLinger(std::chrono::milliseconds(0));  // nobody waits for the answers any more
  watch_ = loop_.OnMessage(*socket_, [this] { Receive(); });
  socket_->Connect(endpoint_.control());
  connected_ = loop_.now();
}

void QuestionLink::Remake() {
  loop_.Remove(watch_);
  if (endpoint_.IsName()) ipv6_ = !ipv6_;
  Connect();
}

void QuestionLink::Ask(const control::Message& question) {
  (void)socket_->Send(AsBytes(control::Encode(question)), Frame::kLast);
}

void QuestionLink::Receive() {
  for (int i = 0; i < kMessagesPerCall && socket_->Receive(&frames_, 1); ++i) {
    if (frames_.empty()) continue;
    const control::ParseResult parsed = control::Parse(frames_[0].bytes());
    const auto* const answer = std::get_if<control::Message>(&parsed);
    if (answer == nullptr) continue;
    last_heard_ = loop_.now();
    on_answer_(*answer);
  }
}

}  // namespace pipedup
