// HTTP beside the network: what of the loop's the HTTP server is shown, and when.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "http/hub.h"
#include "http/server.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "os/connections.h"
#include "pipedup/reporter.h"
#include "programs/pub_options.h"
#include "publish/published_stream.h"

namespace pipedup {

class HttpTap;

/// The server of --http, if that is given; without it all of this does nothing. The loop must
/// outlive it.
class HttpSide {
 public:
  /// Listens, and says where. Throws Error.
  HttpSide(EventLoop& loop, Connections& connections, const PubOptions& options,
           Reporter& reporter);
  ~HttpSide();
  /// The file of --http-token once more; says what came of it. Nothing without one.
  void ReadTokenAgain();
  HttpSide(const HttpSide&) = delete;
  HttpSide& operator=(const HttpSide&) = delete;

 private:
  friend class HttpTap;
  void Listen(Connections& connections);
  void Beat();
  void MakeSnapshot();
  void SayReadiness();
  void SayLosses(Duration rest);

  EventLoop& loop_;
  const PubOptions& options_;
  Reporter& reporter_;
  http::Hub hub_;
  std::vector<HttpTap*> taps_;  // the newest first
  struct SaidLosses {
    std::uint64_t gaps = 0;
    std::uint64_t bytes = 0;
    std::uint64_t out_of_reach = 0;
    TimePoint at{};
  };
  std::map<std::string, SaidLosses> said_;  // by the name of the stream
  EventLoop::WatchId wish_ = 0;
  EventLoop::TimerId beat_ = 0;
  std::unique_ptr<http::Server> server_;
};

/// One session of a stream, as it can be read over HTTP. Journal and publisher must outlive it.
class HttpTap {
 public:
  HttpTap(HttpSide& side, const std::string& name, Journal& journal,
          const PublishedStream& publisher);
  /// Cuts off whoever still reads; those that had not read all are said.
  ~HttpTap();
  HttpTap(const HttpTap&) = delete;
  HttpTap& operator=(const HttpTap&) = delete;

  /// Nothing comes after what is published. `on_done` is called, from the loop, when all
  /// readers have it or `linger` is over; those who do not have it then are said.
  void End(std::uint32_t status, Duration linger, std::function<void()> on_done);
  /// Nothing more comes, though the stream has not ended: whoever has all there is is broken
  /// off, the others may read on.
  void Drain();
  /// The session is over here, as another one takes its place.
  void Retire();
  /// Nobody would have to be cut off that has not read all there is.
  bool drained() const;
  /// Nobody is waited for.
  void Cut();
  /// After End: nobody is waited for any more. Before it: true.
  bool done() const { return look_ == 0; }

 private:
  friend class HttpSide;
  void Look();
  void SayUnread(std::uint64_t readers, std::uint64_t bytes);

  HttpSide& side_;
  Journal& journal_;
  const PublishedStream& publisher_;
  std::shared_ptr<http::Stream> stream_;  // null without --http
  std::function<void()> on_done_;
  EventLoop::TimerId look_ = 0;
  TimePoint until_{};
  bool said_unread_ = false;
};

}  // namespace pipedup
