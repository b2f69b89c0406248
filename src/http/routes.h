// What is answered to which request. Knows no sockets: a request comes in, an answer goes out.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "http/body.h"
#include "http/hub.h"
#include "http/report.h"
#include "http/request.h"

namespace pipedup::http {

struct Request {
  std::string_view method;
  std::string_view path;
  /// The value of a parameter of the query, decoded; nothing if it is not there.
  std::function<std::optional<std::string>(const char* name)> parameter;
  /// The same of a header.
  std::function<std::optional<std::string>(const char* name)> header;
};

/// Whether it is one of the two methods that there are here.
bool IsRead(const Request& request);

struct Answer {
  unsigned status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::vector<std::pair<std::string, std::string>> headers =
      {};  ///< beside those of all answers
  std::string text = {};
  std::unique_ptr<Body> body = {};  ///< in place of `text`: goes on as long as the stream does
  /// It is of the state of things: wait until a snapshot is newer than the request, and call
  /// Report. The rest of the answer says nothing.
  bool waits = false;
};

/// `text` and a line end.
Answer PlainAnswer(unsigned status, std::string text);

struct RoutesOptions {
  Secret token = {};  ///< that has to be shown for all that says anything; "": none
  bool local_hosts_only =
      false;  ///< refuse what was not meant for this machine: see IsLocalHost
  std::uint64_t most_readers = 1900;  ///< of /stream and /events, together
};

class Routes {
 public:
  Routes(Hub& hub, RoutesOptions options);

  /// Another one in place of that of the options, from any thread: whoever reads by the one
  /// before is broken off.
  void SetToken(Secret token);

  Answer Respond(const Request& request);
  /// To a request whose answer waits: `snapshot` is null if none came in time.
  Answer Report(const Request& request, const std::shared_ptr<const Snapshot>& snapshot,
                const ServerCounters& server) const;

  /// Headers of every answer.
  static const std::vector<std::pair<std::string, std::string>>& CommonHeaders();

 private:
  Answer Health() const;
  Answer Ready() const;
  Answer OtherSession(const Stream& stream, SessionId session, const From& from) const;
  Answer Bytes(const Request& request);
  Answer Events(const Request& request);
  std::shared_ptr<Stream> Choose(const Request& request, Answer* refusal) const;

  /// What has to be shown, and whether it still holds.
  struct Access {
    Secret token;
    std::atomic<bool> revoked{false};
  };
  std::shared_ptr<const Access> access() const;
  std::optional<Answer> Refuse(const Request& request, const Access& access) const;

  Hub& hub_;
  RoutesOptions options_;  // without the token
  mutable std::mutex mutex_;
  std::shared_ptr<Access> access_;  // under mutex_; never null
};

}  // namespace pipedup::http
