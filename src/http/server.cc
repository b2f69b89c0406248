#include "http/server.h"

#include <microhttpd.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/error.h"
#include "http/exchanges.h"
#include "http/waiters.h"
#include "os/build.h"
#include "os/io.h"

namespace pipedup::http {
namespace {

// Without a byte in either direction; see Exchanges for those who send or take a few.
constexpr unsigned kIdleSeconds = 15;
constexpr std::size_t kPoolBytes =
    32 * 1024;  // of a connection: its request, and what it is sent
constexpr std::size_t kBlockBytes = 16 * 1024;  // at a time, to clients of HTTP/1.0
constexpr auto kFresh =
    std::chrono::milliseconds(100);                  // a snapshot that need not be made again
constexpr auto kPatience = std::chrono::seconds(3);  // for the loop to make one

unsigned Polling() {
  return IsPortable() ? MHD_USE_POLL_INTERNAL_THREAD : MHD_USE_EPOLL_INTERNAL_THREAD;
}

using ResponsePtr = std::unique_ptr<MHD_Response, decltype(&MHD_destroy_response)>;

int SocketOf(MHD_Connection* connection) {
  const MHD_ConnectionInfo* const info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info == nullptr ? -1 : info->connect_fd;
}

std::optional<std::string> Lookup(MHD_Connection* connection, MHD_ValueKind kind,
                                  const char* name) {
  const char* const value = MHD_lookup_connection_value(connection, kind, name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

/// A request that was not answered yet.
struct Asked {
  TimePoint at = Clock::now();
  bool waits = false;  ///< for a snapshot
  bool gone = false;
};

}  // namespace

class Server::Implementation {
 public:
  Implementation(Hub& hub, ServerOptions options)
      : hub_(hub),
        on_request_(std::move(options.on_request)),
        routes_(hub, std::move(options.routes)),
        exchanges_({.most = options.most_connections, .request = options.request_limit},
                   ShutDown),
        waiters_(hub.bell(), [this](TimePoint now) { return exchanges_.Look(now); }) {
    const int listener = options.listener.get();
    daemon_ = MHD_start_daemon(
        Polling() | MHD_ALLOW_SUSPEND_RESUME, 0, nullptr, nullptr, &Implementation::OnRequest,
        this, MHD_OPTION_LISTEN_SOCKET, static_cast<MHD_socket>(listener),
        MHD_OPTION_CONNECTION_LIMIT, static_cast<unsigned>(options.most_connections),
        MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        kPoolBytes, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_NOTIFY_COMPLETED,
        &Implementation::OnCompleted, this, MHD_OPTION_NOTIFY_CONNECTION,
        &Implementation::OnConnection, this, MHD_OPTION_END);
    if (daemon_ == nullptr) throw Error("http: the server could not be started");
    (void)options.listener.Release();  // it closes it
  }

  ~Implementation() {
    waiters_.Stop();  // libmicrohttpd does not end while any connection is suspended
    MHD_stop_daemon(daemon_);
  }
  void SetToken(Secret token) { routes_.SetToken(std::move(token)); }
  Implementation(const Implementation&) = delete;
  Implementation& operator=(const Implementation&) = delete;

 private:
  /// A body on its way, and whose it is.
  struct Live {
    Implementation& server;
    MHD_Connection* connection;
    std::unique_ptr<Body> body;
  };

  static MHD_Result OnRequest(void* self, MHD_Connection* connection, const char* url,
                              const char* method, const char* /*version*/,
                              const char* /*upload*/, std::size_t* upload_bytes, void** state);
  static void OnCompleted(void* self, MHD_Connection* connection, void** state,
                          MHD_RequestTerminationCode /*how*/) {
    static_cast<Implementation*>(self)->exchanges_.AwaitsRequest(connection, Clock::now());
    delete static_cast<Asked*>(std::exchange(*state, nullptr));
  }
  static void OnConnection(void* self, MHD_Connection* connection, void** /*socket*/,
                           MHD_ConnectionNotificationCode code) {
    auto& server = *static_cast<Implementation*>(self);
    if (code != MHD_CONNECTION_NOTIFY_STARTED) {
      server.exchanges_.Gone(connection);  // libmicrohttpd closes it after this
    } else if (server.exchanges_.Open(connection, SocketOf(connection), Clock::now())) {
      server.hub_.bell().Wake();  // from now on there is something to look at
    }
  }
  static ssize_t OnRead(void* live, std::uint64_t /*at*/, char* into, std::size_t size);

  MHD_Result Respond(MHD_Connection* connection, const Request& request, void** state);
  MHD_Result Report(MHD_Connection* connection, const Request& request, Asked& asked);
  MHD_Result Send(MHD_Connection* connection, const Request& request, Answer answer);
  ResponsePtr MakeResponse(MHD_Connection* connection, Answer* answer);
  ServerCounters counters() const { return {exchanges_.count(), requests_, refused_}; }

  Hub& hub_;
  const std::function<void(int)> on_request_;
  Routes routes_;
  Exchanges exchanges_;
  Waiters waiters_;
  std::uint64_t requests_ = 0;
  std::uint64_t refused_ = 0;
  MHD_Daemon* daemon_ = nullptr;
};

// Nothing may be thrown through libmicrohttpd; MHD_NO closes the connection.
MHD_Result Server::Implementation::OnRequest(void* self, MHD_Connection* connection,
                                             const char* url, const char* method,
                                             const char* version, const char* /*upload*/,
                                             std::size_t* /*upload_bytes*/, void** state) try {
  const Request request{
      method, url,
      [connection](const char* name) {
        return Lookup(connection, MHD_GET_ARGUMENT_KIND, name);
      },
      [connection](const char* name) { return Lookup(connection, MHD_HEADER_KIND, name); }};
  auto& server = *static_cast<Implementation*>(self);
  // Without chunks a stream that is broken off looks like one that is complete.
  if (std::string_view(version) == MHD_HTTP_VERSION_1_0 && request.path == "/stream") {
    return server.Send(connection, request,
                       {.status = MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED,
                        .text = "the stream needs HTTP/1.1: its end is told by chunks\n"});
  }
  return server.Respond(connection, request, state);
} catch (const std::exception&) {
  return MHD_NO;
}

// The first call comes before the body of the request, if it has one. Whoever is answered then
// is cut off behind the answer, so that only those get one who should not have sent a body.
MHD_Result Server::Implementation::Respond(MHD_Connection* connection, const Request& request,
                                           void** state) {
  auto* asked = static_cast<Asked*>(*state);
  if (asked == nullptr) {
    ++requests_;
    if (on_request_) on_request_(SocketOf(connection));
    if (!IsRead(request)) return Send(connection, request, routes_.Respond(request));
    *state = new Asked;  // OnCompleted's
    return MHD_YES;
  }
  if (!asked->waits) {
    Answer answer = routes_.Respond(request);
    if (!answer.waits) return Send(connection, request, std::move(answer));
    asked->waits = true;
  }
  return Report(connection, request, *asked);
}

MHD_Result Server::Implementation::Report(MHD_Connection* connection, const Request& request,
                                          Asked& asked) {
  const auto ready = [this, &asked](TimePoint now) {
    return asked.gone || hub_.snapshot().at >= asked.at - kFresh || now - asked.at >= kPatience;
  };
  if (!ready(Clock::now())) {
    hub_.WishForSnapshot();
    if (waiters_.Suspend(connection, SocketOf(connection), ready,
                         [&asked] { asked.gone = true; })) {
      return MHD_YES;  // and again when it is resumed
    }
  }
  const Hub::Made made = hub_.snapshot();
  const bool fresh = made.at >= asked.at - kFresh;
  return Send(connection, request,
              routes_.Report(request, fresh ? made.snapshot : nullptr, counters()));
}

ResponsePtr Server::Implementation::MakeResponse(MHD_Connection* connection, Answer* answer) {
  if (!answer->body) {
    return {MHD_create_response_from_buffer(answer->text.size(), answer->text.data(),
                                            MHD_RESPMEM_MUST_COPY),
            MHD_destroy_response};
  }
  // It ends when the stream does; until then nothing of it need be sent for any time.
  MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
  auto live = std::make_unique<Live>(Live{*this, connection, std::move(answer->body)});
  ResponsePtr response(
      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, kBlockBytes, &OnRead, live.get(),
                                        [](void* ended) { delete static_cast<Live*>(ended); }),
      MHD_destroy_response);
  if (response) (void)live.release();
  return response;
}

MHD_Result Server::Implementation::Send(MHD_Connection* connection, const Request& request,
                                        Answer answer) {
  if (answer.status >= 400) ++refused_;
  // libmicrohttpd 0.9.75 ends a body of unknown length even where there is none.
  if (request.method == "HEAD") answer.body.reset();
  const bool streams = answer.body != nullptr;
  const ResponsePtr response = MakeResponse(connection, &answer);
  if (!response) return MHD_NO;
  const auto add = [&response](const std::string& name, const std::string& value) {
    (void)MHD_add_response_header(response.get(), name.c_str(), value.c_str());
  };
  // It has no limit of time any more, and so nothing may follow.
  if (streams) add("Connection", "close");
  add("Content-Type", answer.type);
  for (const auto& [name, value] : Routes::CommonHeaders()) add(name, value);
  for (const auto& [name, value] : answer.headers) add(name, value);
  streams ? exchanges_.TakesStream(connection, Clock::now())
          : exchanges_.TakesAnswer(connection, Clock::now());
  return MHD_queue_response(connection, answer.status, response.get());
}

ssize_t Server::Implementation::OnRead(void* live, std::uint64_t /*at*/, char* into,
                                       std::size_t size) try {
  auto& [server, connection, body] = *static_cast<Live*>(live);
  while (true) {
    std::size_t count = 0;
    switch (body->Fill({into, size}, &count, Clock::now())) {
      case Body::Outcome::kBytes:
        return static_cast<ssize_t>(count);
      case Body::Outcome::kEnd:
        return MHD_CONTENT_READER_END_OF_STREAM;
      case Body::Outcome::kBroken:
        return MHD_CONTENT_READER_END_WITH_ERROR;
      case Body::Outcome::kWait:
        break;
    }
    Body* const waits = body.get();
    if (server.waiters_.Suspend(
            connection, SocketOf(connection),
            [waits](TimePoint now) { return waits->HasMore(now); },
            [waits] { waits->Abandon(); })) {
      return 0;
    }
    if (server.waiters_.stopped()) return MHD_CONTENT_READER_END_WITH_ERROR;
  }
} catch (const std::exception&) {
  return MHD_CONTENT_READER_END_WITH_ERROR;
}

Server::Server(Hub& hub, ServerOptions options)
    : implementation_(std::make_unique<Implementation>(hub, std::move(options))) {}

Server::~Server() = default;

void Server::SetToken(Secret token) {
  implementation_->SetToken(std::move(token));
}

}  // namespace pipedup::http
