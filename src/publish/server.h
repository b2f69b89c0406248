// The two sockets of a publisher or relay, and all that its streams have in common: who may
// come in, and what peers can make it hold.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
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
#include "publish/control_server.h"
#include "publish/memory_guard.h"

namespace pipedup {

struct ServerOptions {
  std::vector<Endpoint> endpoints;
  std::uint64_t max_subs = 1000;  ///< of all streams together
  /// Public keys that are let in; none: everybody is. With keys, the context has the secret
  /// one.
  std::optional<AllowList> allowed = {};
  Connections* connections = nullptr;  ///< null: nobody can let go of a single one
  bool streams_may_come = false;       ///< one that is not there yet is not refused
};

/// What another list of keys has changed.
struct KeyChange {
  std::vector<std::string> added;  ///< names
  std::vector<std::string> removed;
};

/// What a server tells its owner. Called from the loop; the server must outlive the call.
class ServerEvents {
 public:
  virtual ~ServerEvents() = default;
  /// A peer was not let in: its public key, "" if it has shown none, and its address.
  virtual void OnNotAdmitted(const std::string& key, const std::string& address) = 0;
  /// A socket had to be remade because its peers made it hold so much beyond the bound, or (0)
  /// made too many subscriptions.
  virtual void OnRemade(std::uint64_t bytes) = 0;
  /// Connections are closed at once because no descriptors are left. Once per shortage.
  virtual void OnConnectionsRefused() {}
};

/// Publishers add their streams to it. One thread, the loop's.
class Server {
 public:
  static constexpr std::uint32_t kHeartbeatMs = 1000;  ///< promised to every subscriber

  /// Binds. Throws Error.
  Server(Context& context, EventLoop& loop, ServerOptions options, ServerEvents& events);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const std::vector<Endpoint>& endpoints() const { return listener_.endpoints(); }
  EventLoop& loop() { return loop_; }
  /// Of the present data socket: not to be kept.
  Socket& data() { return listener_.data(); }
  ControlServer& control() { return control_; }
  /// Counts the bytes of live blocks that connections hold.
  const std::shared_ptr<Outstanding>& live_account() const { return live_account_; }
  const std::optional<AllowList>& allowed() const { return zap_.allowed(); }

  /// Both are the caller's until Remove.
  void Add(ServedStream& stream);
  void Remove(ServedStream& stream);

  /// Takes the place of the list in the options, if that had one. Peers with a key that is not
  /// in it are cut off at once, and waited for by nobody; the others connect again.
  KeyChange Allow(AllowList allowed);

  /// To be called for each block that was sent.
  void GuardMemory();
  void AddCounters(std::map<std::string, std::uint64_t>* counters) const;

 private:
  void Heartbeat();
  void GuardPrivateMemory();
  std::uint64_t PrivateMemoryBound() const;
  std::uint64_t PinnedBytes() const;
  void Remake(bool data, std::uint64_t bytes);
  void RemakeData();
  void RemakeControl();
  void NoticeRefusals();
  void WatchData();
  void TakeInSubscriptions();

  EventLoop& loop_;
  const ServerOptions options_;
  ServerEvents& events_;
  ZapHandler zap_;
  std::shared_ptr<Outstanding> live_account_;
  Listener listener_;
  ControlServer control_;
  std::vector<const ServedStream*> streams_;
  EventLoop::WatchId data_watch_ = 0;
  EventLoop::TimerId heartbeat_ = 0;
  TimePoint remade_at_{};
  EventLoop::TimerId remake_data_ = 0;  // while it is to be made anew, as is the next
  EventLoop::TimerId remake_control_ = 0;
  MemoryGuard memory_guard_;
  std::uint64_t private_bytes_ = 0;  // at the last heartbeat
  std::uint64_t remakes_ = 0;
  std::uint64_t memory_trims_ = 0;
  std::uint64_t refused_connections_ = 0;
  TimePoint refused_at_{};
};

}  // namespace pipedup
