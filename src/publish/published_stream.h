// Journal → network: one stream's live blocks, membership, back pressure, and end.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "journal/journal.h"
#include "net/loop.h"
#include "publish/broadcaster.h"
#include "publish/control_server.h"
#include "publish/members.h"
#include "publish/packer.h"
#include "publish/server.h"
#include "publish/slow_policy.h"

namespace pipedup {

struct PublishedStreamOptions {
  std::string stream;
  bool wait = false;                              ///< --slow wait
  std::uint64_t retain_bytes = 64 * 1024 * 1024;  ///< the window is a quarter of it
  Duration stall_limit = std::chrono::seconds(30);
  /// Where members are kept for the next publisher of the same stream; empty: nowhere.
  std::string member_file;
  Duration linger = std::chrono::seconds(30);
  int zstd_level = 0;  ///< of what is sent; 0: nothing is compressed
  /// From when it was made on, and no longer than `linger` at the end: whoever read from
  /// another publisher of the session at its endpoint before has come back by then.
  Duration stay = {};
  OlderBlocks* older = nullptr;  ///< who has what is older than the journal; null: nobody
  /// It keeps that for long: --slow wait does not wait for those who still read it there.
  bool older_stays = false;
  std::vector<std::string> path =
      {};  ///< ids of the relays that it came through, this included
};

/// What a publisher tells its owner. Called from the loop; the publisher must outlive the call.
class PublishedStreamEvents {
 public:
  virtual ~PublishedStreamEvents() = default;
  virtual void OnJoined(const Member& member) = 0;
  virtual void OnLeft(const Member& member, Leaving how) = 0;
  /// `count` members receive live blocks now.
  virtual void OnReady(std::size_t count) = 0;
  /// Read nothing more from the producer, for `waits_for`; null: go on.
  virtual void OnHold(const Member* waits_for) = 0;
  virtual void OnLetGo(const Member& member) = 0;
  /// After End: it is over. `unconfirmed` members did not confirm the last byte.
  virtual void OnFinished(const std::vector<std::string>& unconfirmed) = 0;
};

class PublishedStream final : private ControlServerEvents {
 public:
  /// A stream of `server`, which must outlive it.
  PublishedStream(Server& server, Journal& journal, PublishedStreamOptions options,
                  PublishedStreamEvents& events);
  ~PublishedStream() override;

  /// Nothing more will be published. Every member is told until it confirms, or `linger` is
  /// over.
  void End(std::uint32_t exit_status);
  /// Stops waiting for confirmations.
  void FinishNow();
  /// Leaves without an end: the stream goes on in another process.
  void Leave();

  /// A reader within this process, which is waited for as members are: it may fall behind by
  /// three quarters of what is retained before the producer waits. `id`: nobody else's.
  void AddLocal(const std::string& id, const std::string& name, Position position);
  /// How a reader within this process stands.
  struct LocalStatus {
    Position position = 0;
    std::uint64_t lost = 0;
    bool at_end = false;  ///< it has the end as well
    control::Mode mode = control::Mode::kLive;
    std::vector<control::Replica> replicas = {};
  };
  /// To be called every few seconds in any case.
  void ConfirmLocal(const std::string& id, LocalStatus status);
  void RemoveLocal(const std::string& id);

  /// What a relay says of the publisher that it reads from: when that was started, and up to
  /// which position it has published.
  void SetOrigin(std::int64_t started_ns, Position reached) {
    served_.started_ns = started_ns;
    served_.reached = reached;
  }
  /// Nobody has what is older, from now on.
  void ForgetOlder() { served_.older = nullptr; }
  /// What the one in the options answers: see ControlServer.
  void OnOlderBlock(std::uint64_t ticket, Block block);
  void OnOlderDone(std::uint64_t ticket, const control::Done* done);

  /// The next block is that of `header`, whose payload its own publisher has sent as `encoded`.
  void PassOn(const BlockHeader& header, SharedBytes encoded) {
    packer_.PassOn(header, std::move(encoded));
  }

  const Members& members() const { return members_; }
  std::size_t ready() const;
  /// What subscribers are told who ask for it.
  control::Stats Stats() const { return server_.control().StatsOf(served_); }

 private:
  void OnJoined(const Member& member) override;
  void OnLeft(const Member& member, Leaving how) override;
  void OnStatus(Member& member) override;

  void OnBlock(const Block& block);
  void Send(const Block& block);
  void SendDue();
  void SendHead();
  void Heartbeat();
  void WelcomeHeads();
  void ScheduleWelcomeHeads();
  void ApplyPolicySoon();
  void ApplyPolicy();
  void CheckFinished();
  void RestoreMembers();
  void RestoreKeys();
  void SaveMembers();
  void AddCounters(std::map<std::string, std::uint64_t>* counters) const;

  EventLoop& loop_;
  Server& server_;
  Journal& journal_;
  const PublishedStreamOptions options_;
  PublishedStreamEvents& events_;
  Members members_;
  SlowPolicy policy_;
  Packer packer_;
  Broadcaster broadcaster_;
  ServedStream served_;
  Position sent_;                // every block before it has been sent
  EventLoop::TimerId rest_ = 0;  // while blocks wait for others behind them
  EventLoop::TimerId heartbeat_ = 0;
  EventLoop::TimerId welcome_heads_ = 0;
  EventLoop::TimerId policy_due_ = 0;
  EventLoop::TimerId linger_ = 0;
  TimePoint welcome_until_{};
  TimePoint moved_at_;      // something was published, or somebody has joined
  bool skip_head_ = false;  // at the last heartbeat
  const TimePoint made_at_;
  bool ending_ = false;
  bool finished_ = false;
  std::vector<std::string> unconfirmed_;
  std::string saved_members_;  // as they stand in the file
};

}  // namespace pipedup
