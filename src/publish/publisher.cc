#include "publish/publisher.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "os/file.h"
#include "os/memory.h"
#include "publish/member_file.h"

namespace pipedup {
namespace {

constexpr std::uint32_t kHeartbeatMs = 500;                   // promised
constexpr auto kHeartbeat = std::chrono::milliseconds(400);   // kept with something to spare
constexpr auto kWelcomeHead = std::chrono::milliseconds(20);  // while a member is joining
constexpr auto kWelcomeFor = std::chrono::seconds(5);
constexpr auto kRemakeRetry = std::chrono::milliseconds(10);
constexpr std::size_t kFewMembers = 100;
constexpr auto kRemakePause = std::chrono::seconds(1);
constexpr auto kShortageOver = std::chrono::seconds(10);  // without a refusal
constexpr auto kSlowSubscriptions = std::chrono::milliseconds(100);
constexpr std::uint64_t kMostPinned = 48 * 1024 * 1024;  // one stopped peer's queue does not
constexpr std::uint64_t kMostWindow = 16 * 1024 * 1024;  // half of what a PUB queue holds

std::uint64_t Window(const PublisherOptions& options) {
  return options.wait ? std::min(options.retain_bytes / 4, kMostWindow) : 0;
}

}  // namespace

Publisher::Publisher(Context& context, EventLoop& loop, Journal& journal,
                     PublisherOptions options, PublisherEvents& events)
    : loop_(loop),
      journal_(journal),
      options_(std::move(options)),
      events_(events),
      zap_(context, loop, options_.allowed,
           [this](const auto& key, const auto& address) {
             events_.OnNotAdmitted(key, address);
           }),
      policy_({options_.wait, Window(options_), options_.stall_limit}),
      live_account_(std::make_shared<Outstanding>(nullptr)),
      packer_(options_.zstd_level),
      broadcaster_(options_.stream, journal, packer_, live_account_),
      listener_(context, options_.endpoints, kLiveQueueMessages),
      control_(loop, journal, broadcaster_, packer_, members_,
               {options_.stream, options_.max_subs, Window(options_), kHeartbeatMs, WallNow(),
                journal.attachable() ? journal.directory() : "", options_.connections},
               *this) {
  if (options_.connections != nullptr) options_.connections->SetEndpoints(endpoints());
  WatchData();
  control_.Attach(listener_.control());
  control_.set_extra_counters([this](auto* counters) { AddCounters(counters); });
  journal_.OnBlock([this](const Block& block) { OnBlock(block); });
  heartbeat_ = loop_.Every(kHeartbeat, [this] { Heartbeat(); });
  RestoreMembers();
}

Publisher::~Publisher() {
  loop_.Cancel(heartbeat_);
  loop_.Cancel(welcome_heads_);
  loop_.Cancel(linger_);
  loop_.Remove(data_watch_);
  control_.Detach();
}

void Publisher::OnBlock(const Block& block) {
  broadcaster_.SendBlock(listener_.data(), block);
  ApplyPolicy();
  GuardMemory();
}

void Publisher::Heartbeat() {
  broadcaster_.SendHead(listener_.data());
  control_.DropSilent(options_.wait ? options_.stall_limit : Duration(0));
  journal_.DropExpired();
  if (ending_) control_.RepeatEnd();
  SaveMembers();
  ApplyPolicy();
  GuardMemory();
  GuardPrivateMemory();
  NoticeRefusals();
}

// A new subscriber knows that its subscription works when the first live message comes.
void Publisher::WelcomeHeads() {
  broadcaster_.SendHead(listener_.data());
  const bool joining = std::any_of(members_.all().begin(), members_.all().end(),
                                   [](const auto& m) { return !m.second.Receives(); });
  if (!joining || loop_.now() > welcome_until_) {
    loop_.Cancel(welcome_heads_);
    welcome_heads_ = 0;
  }
}

// ---- members ----

void Publisher::OnJoined(const Member& member) {
  welcome_until_ = loop_.now() + kWelcomeFor;
  if (welcome_heads_ == 0)
    welcome_heads_ = loop_.Every(kWelcomeHead, [this] { WelcomeHeads(); });
  if (members_.size() < kFewMembers) SaveMembers();  // many are written with the heartbeat
  events_.OnJoined(member);
}

void Publisher::OnLeft(const Member& member, Leaving how) {
  // One that was waited for and did not come back has not got what was published, end or not.
  const bool waited_for = options_.wait && member.Counts() && member.position < journal_.head();
  if (how == Leaving::kVanished && (ending_ || waited_for) && !member.at_end &&
      member.role != control::Role::kTop) {
    unconfirmed_.push_back(member.Label());
  }
  if (members_.size() < kFewMembers) SaveMembers();
  events_.OnLeft(member, how);
  ApplyPolicy();
  CheckFinished();
}

void Publisher::OnStatus(Member& member) {
  if (ending_ && member.mode == control::Mode::kEnded && member.position >= journal_.head()) {
    member.at_end = true;
  }
  if (member.Receives()) events_.OnReady(ready());
  ApplyPolicy();
  CheckFinished();
}

std::size_t Publisher::ready() const {
  return static_cast<std::size_t>(
      std::count_if(members_.all().begin(), members_.all().end(), [](const auto& m) {
        return m.second.Receives() && m.second.role != control::Role::kTop;
      }));
}

void Publisher::ApplyPolicy() {
  if (!options_.wait) return;
  const SlowDecision decision = policy_.Decide(
      members_, journal_.head(), [this](Position from) { return journal_.CostSince(from); },
      loop_.now());
  journal_.KeepFrom(decision.keep_from);
  for (Member* member : decision.let_go) {
    control_.SendLetGo(*member, "no progress for " + FormatDuration(options_.stall_limit));
    events_.OnLetGo(*member);
  }
  const std::string id = decision.waits_for == nullptr ? "" : decision.waits_for->id;
  if (id != waits_for_id_) {
    waits_for_id_ = id;
    events_.OnHold(decision.waits_for);
  }
}

// ---- memory ----

// A peer that does not read keeps old blocks alive in its queue, and PUB cannot drop one peer.
// Past the bound everybody is cut off, reconnects, and catches up by position: nothing is lost.
void Publisher::GuardMemory() {
  const std::uint64_t pinned = journal_.pinned_bytes() + packer_.live_bytes_held();
  if (pinned <= kMostPinned || loop_.now() - remade_at_ < kRemakePause || remake_data_ != 0 ||
      remake_control_ != 0) {
    return;
  }
  Remake(live_account_->bytes() >= control_.outstanding_bytes(), pinned);
}

// What peers make libzmq keep is in no account: requests that do not end, subscriptions. It is
// seen in the process as a whole.
void Publisher::GuardPrivateMemory() {
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

std::uint64_t Publisher::PrivateMemoryBound() const {
  return kMemoryBase + kMemoryOfDescriptor * OpenDescriptors() +
         kMemoryOfMember * members_.size() + journal_.memory_bytes() + journal_.pinned_bytes() +
         packer_.live_bytes_held() + packer_.answer_bytes_held();
}

void Publisher::Remake(bool data, std::uint64_t bytes) {
  remade_at_ = loop_.now();
  ++remakes_;
  events_.OnRemade(bytes);
  if (data) {
    remake_data_ = loop_.After(Duration(0), [this] { RemakeData(); });
  } else {
    remake_control_ = loop_.After(Duration(0), [this] { RemakeControl(); });
  }
}

void Publisher::NoticeRefusals() {
  if (options_.connections == nullptr) return;
  const std::uint64_t refused = options_.connections->counters().refused;
  if (refused == refused_connections_) return;
  refused_connections_ = refused;
  const bool is_new = refused_at_ == TimePoint{} || loop_.now() - refused_at_ > kShortageOver;
  refused_at_ = loop_.now();
  if (is_new) events_.OnConnectionsRefused();
}

void Publisher::RemakeData() {
  loop_.Cancel(remake_data_);
  loop_.Remove(data_watch_);
  remake_data_ = listener_.RemakeData(kLiveQueueMessages)
                     ? 0
                     : loop_.After(kRemakeRetry, [this] { RemakeData(); });
  WatchData();
}

void Publisher::WatchData() {
  data_watch_ = loop_.OnReadable(listener_.data().fd(), [this] { TakeInSubscriptions(); });
}

// Subscriptions are taken in as they come, and those of peers that leave are forgotten:
// together with those of others that came meanwhile, that would take the square of the time.
// Where it takes long nonetheless there are far more than honest peers have. A socket that is
// closed is cleared away by a thread of libzmq's own.
void Publisher::TakeInSubscriptions() {
  const TimePoint began = Clock::now();
  listener_.data().NoticeFreedSlots();
  if (Clock::now() - began < kSlowSubscriptions || remake_data_ != 0 || remake_control_ != 0)
    return;
  Remake(true, 0);
}

void Publisher::RemakeControl() {
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
KeyChange Publisher::Allow(AllowList allowed) {
  if (!zap_.allowed()) return {};
  KeyChange change{allowed.NamesNotIn(*zap_.allowed()), zap_.allowed()->NamesNotIn(allowed)};
  zap_.Allow(std::move(allowed));
  if (change.removed.empty()) return change;
  RemakeData();
  RemakeControl();
  for (const std::string& key : change.removed) control_.Revoke(key);
  return change;
}

// ---- the end ----

void Publisher::End(std::uint32_t exit_status) {
  ending_ = true;
  broadcaster_.End(exit_status);
  broadcaster_.SendHead(listener_.data());
  for (auto& [id, member] : members_.all()) {
    member.at_end = member.confirmed_any && member.position >= journal_.head() &&
                    member.mode == control::Mode::kEnded;
  }
  control_.RepeatEnd();
  linger_ = loop_.After(options_.linger, [this] { FinishNow(); });
  CheckFinished();
}

void Publisher::RestoreMembers() {
  if (options_.member_file.empty()) return;
  std::string why;
  const std::optional<std::string> text = ReadTextFile(options_.member_file, &why);
  if (!text) return;
  pipedup::RestoreMembers(*text, journal_.tail(), journal_.head(), loop_.now(), &members_);
  RestoreKeys();
  for (auto& [id, member] : members_.all()) control_.Prepare(member);
  saved_members_ = *text;
  if (!options_.wait) return;
  // Nothing is dropped that they need. Whether the producer has to wait, the first block
  // decides.
  Position needed = UINT64_MAX;
  for (const auto& [id, member] : members_.all()) {
    if (member.Counts()) needed = std::min(needed, member.position);
  }
  journal_.KeepFrom(needed);
}

// The list may be another one than theirs was, or there may be none now.
void Publisher::RestoreKeys() {
  std::vector<Member> revoked;
  for (auto& [id, member] : members_.all()) {
    if (!zap_.allowed()) {
      member.key.clear();
    } else if (!member.key.empty() && !zap_.allowed()->HasName(member.key)) {
      revoked.push_back(member);
    }
  }
  for (const Member& member : revoked) {
    members_.Remove(member.id);
    events_.OnLeft(member, Leaving::kRevoked);
  }
}

// A little old is good enough: a member that stands further than it says loses nothing by it.
void Publisher::SaveMembers() {
  if (options_.member_file.empty() || finished_) return;
  std::string text = EncodeMembers(members_);
  if (text == saved_members_) return;
  if (ReplaceFile(options_.member_file, text, Readers::kNobody, false) == 0) {
    saved_members_ = std::move(text);
  }
}

void Publisher::Leave() {
  SaveMembers();
  finished_ = true;
  loop_.Cancel(linger_);
  listener_.data().SetLinger(std::chrono::seconds(1));
}

void Publisher::CheckFinished() {
  if (!ending_ || finished_) return;
  for (const auto& [id, member] : members_.all()) {
    if (!member.at_end && member.role != control::Role::kTop) return;
  }
  FinishNow();
}

void Publisher::FinishNow() {
  if (finished_) return;
  finished_ = true;
  if (!options_.member_file.empty()) RemoveFile(options_.member_file);
  for (const auto& [id, member] : members_.all()) {
    if (!member.at_end && member.role != control::Role::kTop) {
      unconfirmed_.push_back(member.Label());
    }
  }
  listener_.data().SetLinger(
      std::chrono::seconds(1));  // for plain SUB taps, which confirm nothing
  events_.OnFinished(unconfirmed_);
}

void Publisher::AddCounters(std::map<std::string, std::uint64_t>* counters) const {
  const JournalCounters& journal = journal_.counters();
  (*counters)["blocks"] = journal.blocks;
  (*counters)["records"] = journal_.records();
  (*counters)["bytes"] = journal_.head();
  (*counters)["dropped_bytes"] = journal.dropped_bytes;
  (*counters)["no_space"] = journal.no_space;
  (*counters)["memory_segments"] = journal.memory_segments;
  (*counters)["sync_errors"] = journal.sync_errors;
  (*counters)["damaged_bytes"] = journal.damaged_bytes;
  (*counters)["pinned_bytes"] = journal_.pinned_bytes();
  (*counters)["live_bytes"] = packer_.counters().live_bytes;
  (*counters)["live_wire_bytes"] = packer_.counters().live_wire_bytes;
  (*counters)["replayed_wire_bytes"] = packer_.counters().answer_wire_bytes;
  (*counters)["compressed_bytes_held"] =
      packer_.live_bytes_held() + packer_.answer_bytes_held();
  (*counters)["heads"] = broadcaster_.counters().heads;
  (*counters)["holds"] = policy_.counters().holds;
  (*counters)["let_go"] = policy_.counters().let_go;
  (*counters)["taken_back"] = policy_.counters().taken_back;
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
