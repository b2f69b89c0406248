#include "nats/cluster.h"

#include <nats/nats.h>

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/text.h"
#include "os/file.h"

namespace pipedup::nats {
namespace {

constexpr std::int64_t kConnectMs = 2000;
constexpr std::int64_t kPingEveryMs = 1000;
constexpr int kPingsUnanswered = 2;
constexpr std::int64_t kWriteMs = 5000;  // a server that takes nothing for so long is dead

[[noreturn]] void Fail(const std::string& what, natsStatus status) {
  std::string text = natsStatus_GetText(status);
  if (const char* const more = nats_GetLastError(nullptr); more != nullptr && *more != 0) {
    text = more;
  }
  throw Error("nats: " + what + ": " + Escape(text), kExitUnreachable);
}

void Check(const std::string& what, natsStatus status) {
  if (status != NATS_OK) Fail(what, status);
}

struct DestroyOptions {
  void operator()(natsOptions* options) const { natsOptions_Destroy(options); }
};
using Options = std::unique_ptr<natsOptions, DestroyOptions>;

/// The word in `file` that begins as a user's public key does. Throws Error.
std::string ReadPublicKey(const std::string& file) {
  std::string why;
  const std::optional<std::string> text = ReadRegularFile(file, &why);
  if (!text) throw Error("nats: " + file + ": " + why);
  std::istringstream words(*text);
  for (std::string word; words >> word;) {
    if (word.starts_with('U')) return word;
  }
  throw Error("nats: " + file +
              ": no public key (U...) in it; nk -gen user -pubout writes both");
}

void SetIdentity(const ClusterOptions& from, natsOptions* to) {
  if (!from.user.empty()) {
    Check("user", natsOptions_SetUserInfo(to, from.user.c_str(), from.password.c_str()));
  }
  if (!from.creds_file.empty()) {
    Check(from.creds_file,
          natsOptions_SetUserCredentialsFromFiles(to, from.creds_file.c_str(), nullptr));
  }
  if (!from.nkey_file.empty()) {
    const std::string key = ReadPublicKey(from.nkey_file);
    Check(from.nkey_file, natsOptions_SetNKeyFromSeed(to, key.c_str(), from.nkey_file.c_str()));
  }
  const bool tls = from.tls || !from.ca_file.empty() || !from.cert_file.empty();
  if (!tls) return;
  Check("TLS", natsOptions_SetSecure(to, true));
  if (!from.ca_file.empty()) {
    Check(from.ca_file, natsOptions_LoadCATrustedCertificates(to, from.ca_file.c_str()));
  }
  if (!from.cert_file.empty()) {
    Check(from.cert_file,
          natsOptions_LoadCertificatesChain(to, from.cert_file.c_str(), from.key_file.c_str()));
  }
}

Options MakeOptions(const ClusterOptions& from) {
  natsOptions* made = nullptr;
  Check("options", natsOptions_Create(&made));
  Options options(made);
  std::vector<std::string> urls;
  for (const std::string& server : from.servers) urls.push_back("nats://" + server);
  std::vector<const char*> pointers;
  for (const std::string& url : urls) pointers.push_back(url.c_str());
  Check("servers",
        natsOptions_SetServers(made, pointers.data(), static_cast<int>(pointers.size())));
  SetIdentity(from, made);
  Check("name", natsOptions_SetName(made, from.name.c_str()));
  Check("timeout", natsOptions_SetTimeout(made, kConnectMs));
  Check("reconnect", natsOptions_SetAllowReconnect(made, false));
  Check("ping", natsOptions_SetPingInterval(made, kPingEveryMs));
  Check("pings", natsOptions_SetMaxPingsOut(made, kPingsUnanswered));
  Check("write deadline", natsOptions_SetWriteDeadline(made, kWriteMs));
  return options;
}

struct DestroyMessage {
  void operator()(natsMsg* message) const { natsMsg_Destroy(message); }
};
using OwnMessage = std::unique_ptr<natsMsg, DestroyMessage>;

OwnMessage MakeMessage(const std::string& subject, const std::string& reply,
                       const Headers& headers, ByteSpan data) {
  natsMsg* made = nullptr;
  Check("message",
        natsMsg_Create(&made, subject.c_str(), reply.empty() ? nullptr : reply.c_str(),
                       reinterpret_cast<const char*>(data.data()),
                       static_cast<int>(data.size())));
  OwnMessage message(made);
  for (const auto& [name, value] : headers) {
    Check("header", natsMsgHeader_Set(made, name, value.c_str()));
  }
  return message;
}

/// What a subscription keeps until the library has called it for the last time.
struct Addressee {
  std::shared_ptr<Mailbox> mailbox;
  std::uint64_t tag;
};

void OnMessage(natsConnection*, natsSubscription*, natsMsg* message, void* closure) {
  const auto* const to = static_cast<Addressee*>(closure);
  to->mailbox->Put({to->tag, Message(message)});
}

void OnComplete(void* closure) {
  delete static_cast<Addressee*>(closure);
}

}  // namespace

Message::Message(__natsMsg* message)
    : message_(message, [](__natsMsg* old) { natsMsg_Destroy(old); }) {}

Message::Message(const std::string& subject, const Headers& headers, ByteSpan data)
    : Message([&] {
        Check("library", nats_Open(-1));  // which a connection does, and there may be none
        return MakeMessage(subject, "", headers, data).release();
      }()) {}

std::string_view Message::subject() const {
  return message_ ? natsMsg_GetSubject(message_.get()) : "";
}

std::optional<std::string> Message::Header(const char* name) const {
  const char* value = nullptr;
  if (!message_ || natsMsgHeader_Get(message_.get(), name, &value) != NATS_OK) return {};
  return value;
}

ByteSpan Message::data() const {
  if (!message_) return {};
  const auto* const bytes = reinterpret_cast<const std::byte*>(natsMsg_GetData(message_.get()));
  return {bytes, static_cast<std::size_t>(natsMsg_GetDataLength(message_.get()))};
}

void Mailbox::Put(Letter letter) {
  const std::lock_guard lock(mutex_);
  letters_.push_back(std::move(letter));
  changed_.notify_one();
}

void Mailbox::Wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_one();
}

std::optional<Mailbox::Letter> Mailbox::Take(TimePoint deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this] { return !letters_.empty() || woken_; });
  woken_ = false;
  if (letters_.empty()) return std::nullopt;
  Letter letter = std::move(letters_.front());
  letters_.pop_front();
  return letter;
}

std::optional<Mailbox::Letter> Mailbox::TryTake() {
  return Take(TimePoint::min());
}

Connection::Connection(const ClusterOptions& options, std::shared_ptr<Mailbox> mailbox)
    : mailbox_(std::move(mailbox)) {
  const Options made = MakeOptions(options);
  const natsStatus status = natsConnection_Connect(&connection_, made.get());
  if (status != NATS_OK) Fail("no server lets us in", status);
}

Connection::~Connection() {
  for (natsSubscription* const subscription : subscriptions_) {
    (void)natsSubscription_Unsubscribe(subscription);
    natsSubscription_Destroy(subscription);
  }
  natsConnection_Destroy(connection_);
}

bool Connection::closed() const {
  return natsConnection_IsClosed(connection_);
}

std::string Connection::server() const {
  char url[256] = "";
  if (natsConnection_GetConnectedUrl(connection_, url, sizeof url) != NATS_OK) return "";
  return Escape(url);
}

std::size_t Connection::max_bytes() const {
  return static_cast<std::size_t>(
      std::max<std::int64_t>(natsConnection_GetMaxPayload(connection_), 0));
}

void Connection::Subscribe(const std::string& subject, std::uint64_t tag) {
  auto to = std::make_unique<Addressee>(Addressee{mailbox_, tag});
  natsSubscription* subscription = nullptr;
  Check("subscribe", natsConnection_Subscribe(&subscription, connection_, subject.c_str(),
                                              OnMessage, to.get()));
  subscriptions_.push_back(subscription);
  // What it asks for is bounded by what was asked; what is dropped here would not be noticed.
  Check("subscribe", natsSubscription_SetPendingLimits(subscription, -1, -1));
  Check("subscribe", natsSubscription_SetOnCompleteCB(subscription, OnComplete, to.release()));
}

std::string Connection::NewInbox() {
  natsInbox* inbox = nullptr;
  Check("inbox", natsInbox_Create(&inbox));
  std::string name = inbox;
  natsInbox_Destroy(inbox);
  return name;
}

void Connection::Publish(const std::string& subject, const std::string& reply,
                         const Headers& headers, ByteSpan data) {
  const OwnMessage message = MakeMessage(subject, reply, headers, data);
  Check("publish", natsConnection_PublishMsg(connection_, message.get()));
}

std::optional<Message> Connection::Request(const std::string& subject, const Headers& headers,
                                           ByteSpan data, Duration patience) {
  const OwnMessage message = MakeMessage(subject, "", headers, data);
  natsMsg* answer = nullptr;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(patience).count();
  const natsStatus status = natsConnection_RequestMsg(&answer, connection_, message.get(), ms);
  if (status == NATS_TIMEOUT) return std::nullopt;
  Check(subject, status);
  return Message(answer);
}

}  // namespace pipedup::nats
