#include "net/zap.h"

#include <string_view>
#include <vector>

namespace pipedup {
namespace {

// Frames of a request: version, request id, domain, address, identity, mechanism, credentials …
constexpr std::size_t kVersion = 0;
constexpr std::size_t kRequestId = 1;
constexpr std::size_t kMechanism = 5;
constexpr std::size_t kFewestFrames = 6;
constexpr std::size_t kMostFrames = 16;

}  // namespace

ZapHandler::ZapHandler(Context& context, EventLoop& loop)
    : loop_(loop), socket_(Socket::Zap(context)) {
  watch_ = loop_.OnMessage(socket_, [this] { Answer(); });
}

ZapHandler::~ZapHandler() {
  loop_.Remove(watch_);
}

void ZapHandler::Answer() {
  std::vector<Message> request;
  if (!socket_.Receive(&request, kMostFrames)) return;
  const bool whole = request.size() >= kFewestFrames;
  const bool admit = whole && AsText(request[kVersion].bytes()) == "1.0" &&
                     AsText(request[kMechanism].bytes()) == "NULL";
  ++(admit ? admitted_ : refused_);
  const auto send = [&](std::string_view text, Frame frame) {
    (void)socket_.Send(AsBytes(text), frame);  // inproc, to libzmq itself: always taken
  };
  send("1.0", Frame::kMore);
  send(whole ? AsText(request[kRequestId].bytes()) : "", Frame::kMore);
  send(admit ? "200" : "400", Frame::kMore);
  send(admit ? "OK" : "not admitted", Frame::kMore);
  send("", Frame::kMore);  // user id
  send("", Frame::kLast);  // metadata
}

}  // namespace pipedup
