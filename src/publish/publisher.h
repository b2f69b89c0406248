// Journal → network: live blocks, the control server, membership, back pressure, the end.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/keys.h"
#include "journal/journal.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/zap.h"
#include "os/connections.h"
#include "publish/broadcaster.h"
#include "publish/control_server.h"
#include "publish/members.h"
#include "publish/memory_guard.h"
#include "publish/packer.h"
#include "publish/slow_policy.h"

namespace pipedup {

struct PublisherOptions {
  std::string stream;
  std::vector<Endpoint> endpoints;
  std::uint64_t max_subs = 1000;
  bool wait = false;                              ///< --slow wait
  std::uint64_t retain_bytes = 64 * 1024 * 1024;  ///< the window is a quarter of it
  Duration stall_limit = std::chrono::seconds(30);
  /// Where members are kept for the next publisher of the same stream; empty: nowhere.
  std::string member_file;
  Duration linger = std::chrono::seconds(30);
  int zstd_level = 0;                  ///< of what is sent; 0: nothing is compressed
  Connections* connections = nullptr;  ///< null: nobody can let go of a single one
  /// Public keys that are let in; none: everybody is. With keys, the context has the secret
  /// one.
  std::optional<AllowList> allowed = {};
};

/// What another list of keys has changed.
struct KeyChange {
  std::vector<std::string> added;  ///< names
  std::vector<std::string> removed;
};

/// What a publisher tells its owner. Called from the loop; the publisher must outlive the call.
class PublisherEvents {
 public:
  virtual ~PublisherEvents() = default;
  virtual void OnJoined(const Member& member) = 0;
  virtual void OnLeft(const Member& member, Leaving how) = 0;
  /// A peer was not let in: its public key, "" if it has shown none, and its address.
  virtual void OnNotAdmitted(const std::string& key, const std::string& address) = 0;
  /// `count` members receive live blocks now.
  virtual void OnReady(std::size_t count) = 0;
  /// Read nothing more from the producer, for `waits_for`; null: go on.
  virtual void OnHold(const Member* waits_for) = 0;
  virtual void OnLetGo(const Member& member) = 0;
  /// A socket had to be remade because its peers made it hold so much beyond the bound, or (0)
  /// made too many subscriptions.
  virtual void OnRemade(std::uint64_t bytes) = 0;
  /// Connections are closed at once because no descriptors are left. Once per shortage.
  virtual void OnConnectionsRefused() {}
  /// After End: it is over. `unconfirmed` members did not confirm the last byte.
  virtual void OnFinished(const std::vector<std::string>& unconfirmed) = 0;
};

class Publisher final : private ControlServerEvents {
 public:
  /// Binds. Throws Error.
  Publisher(Context& context, EventLoop& loop, Journal& journal, PublisherOptions options,
            PublisherEvents& events);
  ~Publisher() override;

  const std::vector<Endpoint>& endpoints() const { return listener_.endpoints(); }

  /// Nothing more will be published. Every member is told until it confirms, or `linger` is
  /// over.
  void End(std::uint32_t exit_status);
  /// Stops waiting for confirmations.
  void FinishNow();
  /// Leaves without an end: the stream goes on in another process.
  void Leave();

  /// Takes the place of the list in the options, if that had one. Peers with a key that is not
  /// in it are cut off at once, and waited for by nobody; the others connect again.
  KeyChange Allow(AllowList allowed);

  const Members& members() const { return members_; }
  std::size_t ready() const;

 private:
  void OnJoined(const Member& member) override;
  void OnLeft(const Member& member, Leaving how) override;
  void OnStatus(Member& member) override;

  void OnBlock(const Block& block);
  void Heartbeat();
  void WelcomeHeads();
  void ApplyPolicy();
  void GuardMemory();
  void GuardPrivateMemory();
  void WatchData();
  void TakeInSubscriptions();
  std::uint64_t PrivateMemoryBound() const;
  void Remake(bool data, std::uint64_t bytes);
  void NoticeRefusals();
  void RemakeData();
  void RemakeControl();
  void CheckFinished();
  void RestoreMembers();
  void RestoreKeys();
  void SaveMembers();
  void AddCounters(std::map<std::string, std::uint64_t>* counters) const;

  EventLoop& loop_;
  Journal& journal_;
  const PublisherOptions options_;
  PublisherEvents& events_;
  ZapHandler zap_;
  Members members_;
  SlowPolicy policy_;
  std::shared_ptr<Outstanding> live_account_;
  Packer packer_;
  Broadcaster broadcaster_;
  Listener listener_;
  ControlServer control_;
  EventLoop::WatchId data_watch_ = 0;
  EventLoop::TimerId heartbeat_ = 0;
  EventLoop::TimerId welcome_heads_ = 0;
  EventLoop::TimerId linger_ = 0;
  TimePoint welcome_until_{};
  TimePoint remade_at_{};
  EventLoop::TimerId remake_data_ = 0;  // while it is to be made anew, as is the next
  EventLoop::TimerId remake_control_ = 0;
  std::string waits_for_id_;
  bool ending_ = false;
  bool finished_ = false;
  std::vector<std::string> unconfirmed_;
  MemoryGuard memory_guard_;
  std::uint64_t private_bytes_ = 0;  // at the last heartbeat
  std::uint64_t remakes_ = 0;
  std::uint64_t memory_trims_ = 0;
  std::uint64_t refused_connections_ = 0;
  TimePoint refused_at_{};
  std::string saved_members_;  // as they stand in the file
};

}  // namespace pipedup
