#include "net/zap.h"

#include <string_view>
#include <utility>
#include <vector>

namespace pipedup {
namespace {

// Frames of a request: version, request id, domain, address, identity, mechanism, credentials …
constexpr std::size_t kVersion = 0;
constexpr std::size_t kRequestId = 1;
constexpr std::size_t kAddress = 3;
constexpr std::size_t kMechanism = 5;
constexpr std::size_t kCredentials = 6;  // of CURVE: the public key, 32 bytes
constexpr std::size_t kFewestFrames = 6;
constexpr std::size_t kMostFrames = 16;

/// The name that a peer comes in with; nothing: it does not.
std::optional<std::string> Admit(const std::vector<Message>& request,
                                 const std::optional<AllowList>& allowed) {
  if (AsText(request[kVersion].bytes()) != "1.0") return std::nullopt;
  const std::string_view mechanism = AsText(request[kMechanism].bytes());
  if (!allowed) return mechanism == "NULL" ? std::optional<std::string>("") : std::nullopt;
  if (mechanism != "CURVE" || request.size() <= kCredentials) return std::nullopt;
  const std::string* const name = allowed->NameOf(AsText(request[kCredentials].bytes()));
  return name == nullptr ? std::nullopt : std::optional<std::string>(*name);
}

}  // namespace

ZapHandler::ZapHandler(Context& context, EventLoop& loop, std::optional<AllowList> allowed,
                       OnRefused on_refused)
    : loop_(loop),
      allowed_(std::move(allowed)),
      on_refused_(std::move(on_refused)),
      socket_(Socket::Zap(context)) {
  watch_ = loop_.OnMessage(socket_, [this] { Answer(); });
}

ZapHandler::~ZapHandler() {
  loop_.Remove(watch_);
}

void ZapHandler::Answer() {
  std::vector<Message> request;
  if (!socket_.Receive(&request, kMostFrames)) return;
  const bool whole = request.size() >= kFewestFrames;
  const std::optional<std::string> name = whole ? Admit(request, allowed_) : std::nullopt;
  ++(name ? admitted_ : refused_);
  const auto send = [&](std::string_view text, Frame frame) {
    (void)socket_.Send(AsBytes(text), frame);  // inproc, to libzmq itself: always taken
  };
  send("1.0", Frame::kMore);
  send(whole ? AsText(request[kRequestId].bytes()) : "", Frame::kMore);
  send(name ? "200" : "400", Frame::kMore);
  send(name ? "OK" : "not admitted", Frame::kMore);
  send(name.value_or(""), Frame::kMore);  // user id
  send("", Frame::kLast);                 // metadata
  if (name || !whole) return;
  on_refused_(request.size() > kCredentials ? KeyText(request[kCredentials].bytes()) : "",
              std::string(AsText(request[kAddress].bytes())));
}

}  // namespace pipedup
