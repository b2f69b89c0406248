#include "programs/http_side.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "os/file.h"
#include "os/listen.h"
#include "os/process.h"

namespace pipedup {
namespace {

constexpr auto kBeat = std::chrono::milliseconds(400);
constexpr auto kSayEvery = std::chrono::seconds(1);  // of one stream: a busy one has thousands
constexpr auto kLookEvery = std::chrono::milliseconds(20);  // whether all have the end
constexpr std::uint64_t kMostConnections = 2000;
constexpr std::uint64_t kDescriptorsPart = 2;  // at most half of them are for HTTP
constexpr std::uint64_t kKept = 64;            // connections for those who do not read a stream
constexpr std::uint64_t kKeptPart = 4;
constexpr std::size_t kShortestToken = 8;
constexpr std::size_t kMaxWhy = 1000;  // a path, and what is wrong there

Secret LoadToken(const std::string& file) {
  if (file.empty()) return {};
  std::string why;
  const std::optional<Secret> text = ReadSecretFile(file, &why);
  if (!text) throw Error("--http-token: " + Escape(why, kMaxWhy));
  std::string_view token = text->text();
  while (!token.empty() &&
         std::string_view(" \t\r\n").find(token.back()) != std::string_view::npos)
    token.remove_suffix(1);
  const bool visible = std::ranges::all_of(token, [](char c) { return c > ' ' && c < '\x7f'; });
  if (token.size() < kShortestToken || !visible) {
    throw Error("--http-token: " + Escape(file, kMaxWhy) +
                ": not a token: one line of at least " + std::to_string(kShortestToken) +
                " letters, digits and signs");
  }
  return Secret(std::string(token));
}

}  // namespace

HttpSide::HttpSide(EventLoop& loop, Connections& connections, const PubOptions& options,
                   Reporter& reporter)
    : loop_(loop), options_(options), reporter_(reporter) {
  if (options.http) Listen(connections);
}

HttpSide::~HttpSide() {
  if (std::exchange(server_, nullptr)) SayLosses(Clock::duration(0));
  loop_.Remove(wish_);
  loop_.Cancel(beat_);
}

void HttpSide::Listen(Connections& connections) {
  Endpoint endpoint = *options_.http;
  http::ServerOptions made;
  made.routes.token = LoadToken(options_.http_token);
  const bool open = made.routes.token.empty();
  made.routes.local_hosts_only = endpoint.IsLocal() && open;
  try {
    ListeningSocket listening = ListenOn(endpoint.host, endpoint.port);
    made.listener = std::move(listening.fd);
    endpoint.port = listening.port;
  } catch (const Error& error) {
    throw Error(std::string("--http: ") + error.what());
  }
  const std::uint64_t most = std::min(kMostConnections, DescriptorLimit() / kDescriptorsPart);
  made.most_connections = static_cast<std::uint32_t>(most);
  made.routes.most_readers = most - std::min(kKept, most / kKeptPart);
  made.on_request = [&connections](int descriptor) { connections.Heard(descriptor); };
  wish_ = loop_.OnReadable(hub_.wish_fd(), [this] { MakeSnapshot(); });
  beat_ = loop_.Every(kBeat, [this] { Beat(); });
  hub_.Beat();
  server_ = std::make_unique<http::Server>(hub_, std::move(made));

  const std::string url = "http" + endpoint.data().substr(std::string_view("tcp").size()) + "/";
  const Fields fields = {{"url", url}, {"port", std::uint64_t{endpoint.port}}};
  // Whoever asked for any port has to be told which one it is.
  const bool any_port = options_.http->port == 0;
  any_port ? reporter_.Info("http", "HTTP on " + url, fields)
           : reporter_.Debug("http", "HTTP on " + url, fields);
  if (!endpoint.IsLocal() && open) {
    reporter_.Warn("insecure", url +
                                   " is open to everyone who can reach it: what is published "
                                   "there is neither encrypted nor restricted");
  }
}

void HttpSide::ReadTokenAgain() {
  if (!server_ || options_.http_token.empty()) return;
  try {
    server_->SetToken(LoadToken(options_.http_token));
    reporter_.Info("http-token", "--http-token was read again");
  } catch (const Error& error) {
    reporter_.Error("http-token", std::string(error.what()) + "; the one before still holds");
  }
}

void HttpSide::Beat() {
  hub_.Beat();
  for (HttpTap* tap : taps_) tap->stream_->Refresh(tap->journal_);
  SayLosses(kSayEvery);
}

/// What the readers of a stream have lost since it was said last, if that was `rest` ago.
void HttpSide::SayLosses(Duration rest) {
  for (const auto& [name, counters] : hub_.counters()) {
    SaidLosses& said = said_[name];
    if (loop_.now() - said.at < rest) continue;
    const std::uint64_t gaps = counters->gaps.load() - said.gaps;
    const std::uint64_t bytes = counters->gap_bytes.load() - said.bytes;
    const std::uint64_t broken_off = counters->out_of_reach.load() - said.out_of_reach;
    if (gaps == 0 && broken_off == 0) continue;
    said = {said.gaps + gaps, said.bytes + bytes, said.out_of_reach + broken_off, loop_.now()};
    if (gaps > 0) {
      reporter_.Warn("http-gap",
                     "readers of '" + name + "' over HTTP were too slow: " + FormatSize(bytes) +
                         " that they had not read are no longer kept, " + std::to_string(gaps) +
                         (gaps == 1 ? " gap" : " gaps"),
                     {{"stream", name}, {"gaps", gaps}, {"bytes", bytes}});
    }
    if (broken_off > 0) {
      reporter_.Warn("http-out-of-reach",
                     std::to_string(broken_off) + (broken_off == 1 ? " reader" : " readers") +
                         " of '" + name +
                         "' over HTTP had to be broken off: no descriptor or "
                         "memory is left to read what is kept on disk",
                     {{"stream", name}, {"readers", broken_off}});
    }
  }
}

void HttpSide::MakeSnapshot() {
  auto snapshot = std::make_shared<http::Snapshot>();
  std::set<std::string> names;
  for (const HttpTap* tap : taps_) {
    if (names.insert(tap->stream_->name()).second) {
      snapshot->streams.push_back(tap->publisher_.Stats());
    }
  }
  std::ranges::sort(snapshot->streams, {}, &control::Stats::stream);
  hub_.SetSnapshot(std::move(snapshot));
}

void HttpSide::SayReadiness() {
  using State = http::Stream::State;
  const auto any = [this](State state) {
    return std::ranges::any_of(
        taps_, [state](const HttpTap* tap) { return tap->stream_->state() == state; });
  };
  hub_.SetNotReady(any(State::kOpen)    ? ""
                   : any(State::kEnded) ? "the stream has ended"
                                        : "there is no stream");
}

// ---- a stream ----

HttpTap::HttpTap(HttpSide& side, const std::string& name, Journal& journal,
                 const PublishedStream& publisher)
    : side_(side), journal_(journal), publisher_(publisher) {
  if (!side_.server_) return;
  stream_ = side_.hub_.Add(name, journal);
  side_.taps_.insert(side_.taps_.begin(), this);
  side_.SayReadiness();
}

HttpTap::~HttpTap() {
  side_.loop_.Cancel(look_);
  if (!stream_) return;
  std::erase(side_.taps_, this);
  const http::Readers::Unread unread = side_.hub_.Remove(stream_);
  if (unread.readers > 0) SayUnread(unread.readers, unread.bytes);
  side_.SayReadiness();
}

void HttpTap::End(std::uint32_t status, Duration linger, std::function<void()> on_done) {
  if (!stream_) return;
  stream_->Refresh(journal_);
  side_.hub_.End(*stream_, status);
  side_.SayReadiness();
  on_done_ = std::move(on_done);
  until_ = side_.loop_.now() + linger;
  look_ = side_.loop_.Every(kLookEvery, [this] { Look(); });
}

void HttpTap::Look() {
  const std::uint64_t readers = stream_->readers().count();
  const bool late = side_.loop_.now() >= until_;
  if (readers > 0 && !late) return;
  if (readers > 0) {
    SayUnread(readers, stream_->readers().Behind(stream_->view().head()).bytes);
  }
  Cut();
  on_done_();
}

void HttpTap::SayUnread(std::uint64_t readers, std::uint64_t bytes) {
  if (std::exchange(said_unread_, true)) return;
  const std::string session = Hex(stream_->view().session());
  side_.reporter_.Warn("http-unread",
                       std::to_string(readers) + (readers == 1 ? " reader" : " readers") +
                           " of '" + stream_->name() +
                           "' over HTTP did not take the end of session " + session +
                           " in time: cut off with " + FormatSize(bytes) + " unread",
                       {{"stream", stream_->name()},
                        {"session", session},
                        {"readers", readers},
                        {"bytes", bytes}});
}

void HttpTap::Drain() {
  if (!stream_) return;
  stream_->Refresh(journal_);
  side_.hub_.Leave(*stream_);
  side_.SayReadiness();
}

void HttpTap::Retire() {
  if (stream_) side_.hub_.Retire(*stream_);
}

bool HttpTap::drained() const {
  return !stream_ || stream_->readers().Behind(stream_->view().head()).readers == 0;
}

void HttpTap::Cut() {
  side_.loop_.Cancel(std::exchange(look_, 0));
}

}  // namespace pipedup
