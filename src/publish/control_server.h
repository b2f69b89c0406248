// Answers subscribers: hello, ranges on request, status, stats, bye.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "journal/journal.h"
#include "net/loop.h"
#include "net/socket.h"
#include "os/connections.h"
#include "os/waker.h"
#include "publish/broadcaster.h"
#include "publish/members.h"
#include "publish/request_limits.h"
#include "wire/control.h"

namespace pipedup {

struct ControlServerOptions {
  std::string stream;
  std::uint64_t max_subs = 1000;
  std::uint64_t window = 0;  ///< said in the welcome
  std::uint32_t heartbeat_ms = 500;
  std::int64_t started_ns = 0;
  std::string journal;  ///< directory, said in the welcome; empty: none
  Connections* connections = nullptr;
};

struct ControlServerCounters {
  std::uint64_t hellos = 0;
  std::uint64_t refused = 0;  ///< hellos
  std::uint64_t reads = 0;    ///< ranges asked for
  std::uint64_t replayed_bytes = 0;
  std::uint64_t bad_requests = 0;      ///< unparsable, unknown, or from no member
  std::uint64_t requests_ignored = 0;  ///< more than a connection, or all strangers, may make
  std::uint64_t reads_refused = 0;     ///< beyond the credit
  std::uint64_t answers_dropped = 0;   ///< not sent: the peer does not read, or is gone
  std::uint64_t vanished = 0;          ///< members that went without a bye
};

class ControlServerEvents {
 public:
  virtual ~ControlServerEvents() = default;
  virtual void OnJoined(const Member& member) = 0;
  /// It has been removed.
  virtual void OnLeft(const Member& member, Leaving how) = 0;
  /// A status came, or its first range says where it stands.
  virtual void OnStatus(Member& member) = 0;
};

/// Never blocks, and serves ranges a little at a time, turn by turn, so that no member's
/// catching up delays the live stream or another's.
class ControlServer {
 public:
  ControlServer(EventLoop& loop, const Journal& journal, const Broadcaster& broadcaster,
                Members& members, ControlServerOptions options, ControlServerEvents& events);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  /// Serves `control` from now on, until Detach. All members say hello again.
  void Attach(Socket& control);
  void Detach();

  /// Gives a member that is not there yet what it needs to be served.
  void Prepare(Member& member);
  /// Removes members that were silent for 10 s; those that the producer may be made to wait
  /// for, only after `patience` if that is longer.
  void DropSilent(Duration patience);
  /// Removes the members that were let in with the key of this name.
  void Revoke(const std::string& key);
  /// Sends the end-of-stream header to every member that has not confirmed it.
  void RepeatEnd();
  void SendLetGo(const Member& member, const std::string& reason);
  /// Bytes of replays that connections hold.
  std::size_t outstanding_bytes() const { return replays_->bytes(); }
  /// More counters for the answer to `stats`.
  void set_extra_counters(std::function<void(std::map<std::string, std::uint64_t>*)> extra) {
    extra_counters_ = std::move(extra);
  }
  const ControlServerCounters& counters() const { return counters_; }

 private:
  /// Whom a request came from: ROUTER's name for the connection, and what is known of its peer.
  struct Sender {
    std::string route;
    std::string address;
    std::string key;
  };
  void Receive();
  void OnHello(const Sender& sender, const control::Hello& hello);
  control::Refused Judge(const Sender& sender, const control::Hello& hello);
  void OnRead(const std::string& route, const control::Read& read);
  void OnStatus(const std::string& route, const control::Status& status);
  void OnList(const std::string& route, const control::List& list);
  void OnStats(const std::string& route);
  SharedBytes StatsText();
  bool MayServe(const std::string& route, bool is_member, int descriptor);
  void ForgetAnswers();
  void Serve();
  bool ServeMember(Member& member, std::size_t* sent);
  bool Start(Member& member, PendingRead& pending);
  SendStatus SendBlock(const Member& member, const Block& block);
  SendStatus Reply(const std::string& route, const control::Message& message);
  SendStatus SendAnswer(const std::string& route, SharedBytes text);
  bool FinishGone(Member& member, const PendingRead& pending, Position goes_on,
                  const char* reason);
  bool Finish(Member& member, const control::Done& done);
  control::Done Stamped(control::Done done) const;
  void ScheduleServe(Duration delay);
  void RemoveMember(const std::string& id, Leaving how);

  EventLoop& loop_;
  const Journal& journal_;
  const Broadcaster& broadcaster_;
  Members& members_;
  const ControlServerOptions options_;
  ControlServerEvents& events_;
  std::function<void(std::map<std::string, std::uint64_t>*)> extra_counters_;
  std::shared_ptr<Outstanding> replays_;  // of all connections, also of members that are gone
  std::shared_ptr<Waker> waker_;          // replayed bytes have left
  EventLoop::WatchId waker_watch_;
  Socket* control_ = nullptr;
  EventLoop::WatchId control_watch_ = 0;
  EventLoop::TimerId serve_timer_ = 0;
  std::string next_turn_;  // member id that is served first next time
  std::vector<Message> frames_;
  RequestLimits limits_;
  /// Answers that connections hold; of those that hold none, most are not here.
  std::unordered_map<std::string, std::shared_ptr<Outstanding>> answers_;
  TokenBucket stats_made_;
  SharedBytes stats_;  // the last one that was made
  const std::uint64_t row_secret_;
  ControlServerCounters counters_;
};

}  // namespace pipedup
