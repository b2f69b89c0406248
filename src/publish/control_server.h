// Answers subscribers: hello, ranges on request, status, stats, bye.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "journal/journal.h"
#include "net/loop.h"
#include "net/socket.h"
#include "os/connections.h"
#include "os/waker.h"
#include "publish/broadcaster.h"
#include "publish/members.h"
#include "publish/older_blocks.h"
#include "publish/packer.h"
#include "publish/request_limits.h"
#include "wire/control.h"

namespace pipedup {

struct ControlServerOptions {
  std::uint64_t max_subs = 1000;  ///< of all streams together
  std::uint32_t heartbeat_ms = 500;
  Connections* connections = nullptr;
  /// Streams may be added later: whoever asks for one that is not there is not answered, and
  /// asks again.
  bool streams_may_come = false;
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

/// A stream, as it is served.
struct ServedStream {
  std::string name;
  const Journal& journal;
  const Broadcaster& broadcaster;
  Packer& packer;  ///< of what is sent
  Members& members;
  ControlServerEvents& events;
  std::uint64_t window = 0;            ///< said in the welcome
  std::int64_t started_ns = 0;         ///< of its publisher, said there
  std::string directory = {};          ///< of the journal, said there; empty: none
  std::vector<std::string> path = {};  ///< ids of relays, said there
  OlderBlocks* older = nullptr;        ///< who has what is older; null: nobody
  Position reached = 0;                ///< said in the welcome
  std::string waits_for = {};          ///< id of the member that the producer waits for
  /// More counters for the answer to `stats`.
  std::function<void(std::map<std::string, std::uint64_t>*)> extra_counters = {};
  SharedBytes stats = {};  ///< the server's: the last answer to `stats` that was made
};

/// Answers for any number of streams, each of which has its own members. Never blocks, and
/// serves ranges a little at a time, turn by turn, so that no member's catching up delays the
/// live stream or another's.
class ControlServer {
 public:
  ControlServer(EventLoop& loop, ControlServerOptions options);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  /// `stream` is the caller's, and is served until Remove. One of the same name takes its
  /// place: the members of the older one stay with it.
  void Add(ServedStream& stream);
  void Remove(ServedStream& stream);

  /// Serves `control` from now on, until Detach. All members say hello again.
  void Attach(Socket& control);
  void Detach();

  /// Gives a member that is not there yet what it needs to be served.
  void Prepare(Member& member);
  /// Removes members that were silent for 10 s; those that the producer may be made to wait
  /// for, only after `patience` if that is longer.
  void DropSilent(ServedStream& stream, Duration patience);
  /// Forgets what connections have left behind that are gone. To be called now and then.
  void Forget();
  /// Removes the members that were let in with the key of this name.
  void Revoke(const std::string& key);
  /// Sends the end-of-stream header to every member that has not confirmed it.
  void RepeatEnd(ServedStream& stream);
  void SendLetGo(const Member& member, const std::string& reason);
  /// Bytes of replays that connections hold.
  std::size_t outstanding_bytes() const { return replays_->bytes(); }
  /// What `stream.older` answers: blocks, and then how it ended; null: there is no answer.
  void OnOlderBlock(ServedStream& stream, std::uint64_t ticket, Block block);
  void OnOlderDone(ServedStream& stream, std::uint64_t ticket, const control::Done* done);
  /// What is to be told of a stream and its members.
  control::Stats StatsOf(const ServedStream& stream) const;
  /// Of all streams.
  std::size_t members() const;
  const ControlServerCounters& counters() const { return counters_; }

 private:
  /// Whom a request came from: ROUTER's name for the connection, and what is known of its peer.
  struct Sender {
    std::string route;
    std::string address;
    std::string key;
  };
  /// Whose connection it is: both null if it is no member's.
  struct Found {
    ServedStream* stream = nullptr;
    Member* member = nullptr;
  };
  Found Find(const std::string& route);
  ServedStream* FindStream(const std::optional<std::string>& name);
  ServedStream* UnreadBy(const std::string& id, ServedStream* stream);
  void Receive();
  void OnHello(const Sender& sender, const control::Hello& hello);
  control::Refused Judge(const Sender& sender, const control::Hello& hello,
                         const ServedStream* stream);
  std::string StreamNames() const;
  control::Welcome WelcomeTo(const ServedStream& stream, const Member& member) const;
  void OnRead(const std::string& route, const control::Read& read);
  void OnStatus(const std::string& route, const control::Status& status);
  void OnList(const std::string& route, const control::List& list);
  void OnStats(const std::string& route, const control::StatsRequest& request);
  bool MayServe(const std::string& route, bool is_member, int descriptor);
  void Serve();
  bool ServeMember(ServedStream& stream, Member& member, std::size_t* sent);
  static bool IsFull(const ServedStream& stream, Member& member);
  bool Start(ServedStream& stream, Member& member, PendingRead& pending);
  static void Begin(ServedStream& stream, Member& member, PendingRead& pending, Position next);
  enum class Turn : std::uint8_t { kGoOn, kOver, kUnreachable };
  static Position TailOf(const ServedStream& stream);
  static bool IsOlder(const ServedStream& stream, const PendingRead& pending);
  Turn ServeOlder(ServedStream& stream, Member& member, std::size_t* sent);
  Turn AskOlder(ServedStream& stream, const Member& member, PendingRead& pending);
  Turn FinishOlder(ServedStream& stream, Member& member, PendingRead& pending);
  PendingRead* FindOlder(ServedStream& stream, std::uint64_t ticket);
  SendStatus SendBlock(const Member& member, const Block& block);
  SendStatus Reply(const std::string& route, const control::Message& message);
  SendStatus SendAnswer(const std::string& route, SharedBytes text);
  bool FinishGone(const ServedStream& stream, Member& member, const PendingRead& pending,
                  Position goes_on, const std::string& reason);
  bool Finish(const ServedStream& stream, Member& member, const control::Done& done);
  static control::Done Stamped(const ServedStream& stream, control::Done done);
  void ScheduleServe(Duration delay);
  void RemoveMember(ServedStream& stream, const std::string& id, Leaving how);

  static constexpr auto kRetryFull = std::chrono::milliseconds(5);

  EventLoop& loop_;
  const ControlServerOptions options_;
  std::vector<ServedStream*> streams_;    // in the order of their names
  std::shared_ptr<Outstanding> replays_;  // of all connections, also of members that are gone
  std::shared_ptr<Waker> waker_;          // replayed bytes have left
  EventLoop::WatchId waker_watch_;
  Socket* control_ = nullptr;
  EventLoop::WatchId control_watch_ = 0;
  EventLoop::TimerId serve_timer_ = 0;
  std::pair<std::string, std::string> next_turn_;  // stream and id, served first next time
  std::vector<Message> frames_;
  RequestLimits limits_;
  std::map<std::uint64_t, std::string> older_;  // tickets, and the members that they are for
  std::uint64_t last_ticket_ = 0;
  /// Answers that connections hold; of those that hold none, most are not here.
  std::unordered_map<std::string, std::shared_ptr<Outstanding>> answers_;
  TokenBucket stats_made_;
  const std::uint64_t row_secret_;
  ControlServerCounters counters_;
};

}  // namespace pipedup
