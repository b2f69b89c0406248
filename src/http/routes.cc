#include "http/routes.h"

#include <utility>

#include "base/text.h"
#include "http/page.h"

namespace pipedup::http {
namespace {

constexpr auto kLoopStuck = std::chrono::seconds(5);

/// Scripts and styles of the page itself only, connections to this server only.
Answer Page() {
  constexpr std::string_view kPlaceholder = "@NONCE@";
  const std::string nonce = RandomHex(16);
  Answer answer;
  answer.type = "text/html; charset=utf-8";
  answer.text = kPage;
  for (std::size_t at = answer.text.find(kPlaceholder); at != std::string::npos;
       at = answer.text.find(kPlaceholder, at)) {
    answer.text.replace(at, kPlaceholder.size(), nonce);
  }
  answer.headers = {{"Content-Security-Policy",
                     "default-src 'none'; script-src 'nonce-" + nonce + "'; style-src 'nonce-" +
                         nonce +
                         "'; connect-src 'self'; img-src data:; base-uri 'none'; "
                         "form-action 'none'; frame-ancestors 'none'; "
                         "require-trusted-types-for 'script'; trusted-types 'none'"}};
  return answer;
}

}  // namespace

Answer PlainAnswer(unsigned status, std::string text) {
  Answer answer;
  answer.status = status;
  answer.text = std::move(text) + "\n";
  return answer;
}

bool IsRead(const Request& request) {
  return request.method == "GET" || request.method == "HEAD";
}

Routes::Routes(Hub& hub, RoutesOptions options)
    : hub_(hub), options_(std::move(options)), access_(std::make_shared<Access>()) {
  access_->token = std::move(options_.token);
}

void Routes::SetToken(Secret token) {
  auto access = std::make_shared<Access>();
  access->token = std::move(token);
  {
    const std::lock_guard lock(mutex_);
    if (access->token.text() == access_->token.text()) return;
    access_.swap(access);
  }
  access->revoked.store(true);
  hub_.bell().Ring();
}

std::shared_ptr<const Routes::Access> Routes::access() const {
  const std::lock_guard lock(mutex_);
  return access_;
}

const std::vector<std::pair<std::string, std::string>>& Routes::CommonHeaders() {
  static const std::vector<std::pair<std::string, std::string>> headers = {
      {"Cache-Control", "no-store"},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
  };
  return headers;
}

Answer Routes::Respond(const Request& request) {
  const std::shared_ptr<const Access> access = this->access();
  if (std::optional<Answer> refusal = Refuse(request, *access)) return std::move(*refusal);
  if (request.path == "/") return Page();
  if (request.path == "/healthz") return Health();
  if (request.path == "/readyz") return Ready();
  if (request.path == "/stream" || request.path == "/events") {
    Answer answer = request.path == "/stream" ? Bytes(request) : Events(request);
    if (answer.body) answer.body->EndWhen({access, &access->revoked});
    return answer;
  }
  if (request.path == "/metrics" || request.path == "/stats") {
    Answer answer;
    answer.waits = true;
    return answer;
  }
  return PlainAnswer(404,
                     "not here; there are: / /stream /events /stats /metrics /healthz /readyz");
}

std::optional<Answer> Routes::Refuse(const Request& request, const Access& access) const {
  if (!IsRead(request)) {
    Answer answer = PlainAnswer(405, "only GET and HEAD");
    answer.headers.emplace_back("Allow", "GET, HEAD");
    return answer;
  }
  if (options_.local_hosts_only && !IsLocalHost(request.header("Host").value_or(""))) {
    return PlainAnswer(403, "this is for localhost, by that name or a loopback address");
  }
  // The page has nothing to say by itself: it asks for the token.
  if (access.token.empty() || request.path == "/" || request.path == "/healthz" ||
      request.path == "/readyz") {
    return std::nullopt;
  }
  const std::string header = request.header("Authorization").value_or("");
  const auto given = BearerToken(header);
  if (given && SameToken(*given, access.token.text())) return std::nullopt;
  Answer answer = PlainAnswer(401, "a token is needed: Authorization: Bearer TOKEN");
  answer.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"pipedup\"");
  return answer;
}

Answer Routes::Health() const {
  return hub_.SinceBeat() < kLoopStuck ? PlainAnswer(200, "ok")
                                       : PlainAnswer(503, "the loop does not turn");
}

Answer Routes::Ready() const {
  const std::string why = hub_.not_ready();
  return why.empty() ? PlainAnswer(200, "ready") : PlainAnswer(503, why);
}

Answer Routes::Report(const Request& request, const std::shared_ptr<const Snapshot>& snapshot,
                      const ServerCounters& server) const {
  if (!snapshot) return PlainAnswer(503, "the loop does not answer");
  Answer answer;
  const bool metrics = request.path == "/metrics";
  const auto streams = hub_.streams();
  answer.text =
      metrics ? Metrics(*snapshot, streams, server) : StatsJson(*snapshot, streams, server);
  answer.type = metrics ? "text/plain; version=0.0.4; charset=utf-8" : "application/json";
  return answer;
}

}  // namespace pipedup::http
