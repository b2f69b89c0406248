#include "publish/server.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "os/memory.h"

namespace pipedup {
namespace {

constexpr auto kGuardEvery = std::chrono::milliseconds(400);
constexpr auto kRemakeRetry = std::chrono::milliseconds(10);
constexpr auto kRemakePause = std::chrono::seconds(1);
constexpr auto kShortageOver = std::chrono::seconds(10);  // without a refusal
constexpr auto kSlowSubscriptions = std::chrono::milliseconds(100);
constexpr std::uint64_t kMostPinned = 48 * 1024 * 1024;  // one stopped peer's queue does not

}  // namespace

Server::Server(Context& context, EventLoop& loop, ServerOptions options, ServerEvents& events)
    : loop_(loop),
      options_(std::move(options)),
      events_(events),
      zap_(context, loop, options_.allowed,
           [this](const auto& key, const auto& address) {
             events_.OnNotAdmitted(key, address);
           }),
      live_account_(std::make_shared<Outstanding>(nullptr)),
      listener_(context, options_.endpoints, kLiveQueueMessages),
      control_(loop, {options_.max_subs, kHeartbeatMs, options_.connections,
                      options_.streams_may_come}) {
  if (options_.connections != nullptr) options_.connections->SetEndpoints(endpoints());
  WatchData();
  control_.Attach(listener_.control());
  heartbeat_ = loop_.Every(kGuardEvery, [this] { Heartbeat(); });
}

Server::~Server() {
  loop_.Cancel(heartbeat_);
  loop_.Cancel(remake_data_);
  loop_.Cancel(remake_control_);
  loop_.Remove(data_watch_);
  control_.Detach();
}

void Server::Add(ServedStream& stream) {
  control_.Add(stream);
  streams_.push_back(&stream);
}

void Server::Remove(ServedStream& stream) {
  control_.Remove(stream);
  std::erase(streams_, &stream);
}

void Server::Heartbeat() {
  control_.Forget();
  GuardMemory();
  GuardPrivateMemory();
  NoticeRefusals();
}

std::uint64_t Server::PinnedBytes() const {
  std::uint64_t bytes = 0;
  for (const ServedStream* stream : streams_) {
    bytes += stream->journal.pinned_bytes() + stream->packer.live_bytes_held();
  }
  return bytes;
}

// ---- memory ----

// A peer that does not read keeps old blocks alive in its queue, and PUB cannot drop one peer.
// Past the bound everybody is cut off, reconnects, and catches up by position: nothing is lost.
void Server::GuardMemory() {
  const std::uint64_t pinned = PinnedBytes();
  if (pinned <= kMostPinned || loop_.now() - remade_at_ < kRemakePause || remake_data_ != 0 ||
      remake_control_ != 0) {
    return;
  }
  Remake(live_account_->bytes() >= control_.outstanding_bytes(), pinned);
}

// What peers make libzmq keep is in no account: requests that do not end, subscriptions. It is
// seen in the process as a whole.
void Server::GuardPrivateMemory() {
  private_bytes_ = PrivateBytes();
  if (private_bytes_ <= kMemoryBase || remake_data_ != 0 || remake_control_ != 0) return;
  const std::uint64_t bound = PrivateMemoryBound();
  if (private_bytes_ > bound) {
    ReturnFreedMemory();
    ++memory_trims_;
    private_bytes_ = PrivateBytes();
  }
  if (private_bytes_ <= bound) return memory_guard_.OnEnough();
  const MemoryGuard::Remedy remedy = memory_guard_.OnTooMuch(loop_.now());
  if (remedy == MemoryGuard::Remedy::kNone) return;
  Remake(remedy == MemoryGuard::Remedy::kRemakeData, private_bytes_ - bound);
}

std::uint64_t Server::PrivateMemoryBound() const {
  std::uint64_t bytes = kMemoryBase + kMemoryOfDescriptor * OpenDescriptors() +
                        kMemoryOfMember * control_.members() + PinnedBytes();
  for (const ServedStream* stream : streams_) {
    bytes += stream->journal.memory_bytes() + stream->packer.answer_bytes_held();
  }
  return bytes;
}

void Server::Remake(bool data, std::uint64_t bytes) {
  remade_at_ = loop_.now();
  ++remakes_;
  events_.OnRemade(bytes);
  if (data) {
    remake_data_ = loop_.After(Duration(0), [this] { RemakeData(); });
  } else {
    remake_control_ = loop_.After(Duration(0), [this] { RemakeControl(); });
  }
}

void Server::NoticeRefusals() {
  if (options_.connections == nullptr) return;
  const std::uint64_t refused = options_.connections->counters().refused;
  if (refused == refused_connections_) return;
  refused_connections_ = refused;
  const bool is_new = refused_at_ == TimePoint{} || loop_.now() - refused_at_ > kShortageOver;
  refused_at_ = loop_.now();
  if (is_new) events_.OnConnectionsRefused();
}

void Server::RemakeData() {
  loop_.Cancel(remake_data_);
  loop_.Remove(data_watch_);
  remake_data_ = listener_.RemakeData(kLiveQueueMessages)
                     ? 0
                     : loop_.After(kRemakeRetry, [this] { RemakeData(); });
  WatchData();
}

void Server::WatchData() {
  data_watch_ = loop_.OnReadable(listener_.data().fd(), [this] { TakeInSubscriptions(); });
}

// Subscriptions are taken in as they come, and those of peers that leave are forgotten:
// together with those of others that came meanwhile, that would take the square of the time.
// Where it takes long nonetheless there are far more than honest peers have. A socket that is
// closed is cleared away by a thread of libzmq's own.
void Server::TakeInSubscriptions() {
  const TimePoint began = Clock::now();
  listener_.data().NoticeFreedSlots();
  if (Clock::now() - began < kSlowSubscriptions || remake_data_ != 0 || remake_control_ != 0)
    return;
  Remake(true, 0);
}

void Server::RemakeControl() {
  loop_.Cancel(remake_control_);
  remake_control_ = 0;
  control_.Detach();
  if (listener_.RemakeControl()) {
    control_.Attach(listener_.control());
  } else {
    remake_control_ = loop_.After(kRemakeRetry, [this] { RemakeControl(); });
  }
}

// A connection asks for its key when it is made, and PUB cannot drop one: all are made anew.
KeyChange Server::Allow(AllowList allowed) {
  if (!zap_.allowed()) return {};
  KeyChange change{allowed.NamesNotIn(*zap_.allowed()), zap_.allowed()->NamesNotIn(allowed)};
  zap_.Allow(std::move(allowed));
  if (change.removed.empty()) return change;
  RemakeData();
  RemakeControl();
  for (const std::string& key : change.removed) control_.Revoke(key);
  return change;
}

void Server::AddCounters(std::map<std::string, std::uint64_t>* counters) const {
  (*counters)["socket_remakes"] = remakes_;
  (*counters)["memory_trims"] = memory_trims_;
  (*counters)["private_bytes"] = private_bytes_;
  (*counters)["peers_admitted"] = zap_.admitted();
  (*counters)["peers_refused"] = zap_.refused();
  if (options_.connections == nullptr) return;
  const ConnectionCounters connections = options_.connections->counters();
  (*counters)["connections_accepted"] = connections.accepted;
  (*counters)["connections_refused"] = connections.refused;
  (*counters)["connections_cut"] = connections.cut;
}

}  // namespace pipedup
