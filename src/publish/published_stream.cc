#include "publish/published_stream.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "os/file.h"
#include "publish/member_file.h"
#include "publish/pace.h"

namespace pipedup {
namespace {

// Kept with something to spare, as is the promise (Server::kHeartbeatMs), which every second of
// them keeps as well.
constexpr auto kHeartbeat = std::chrono::milliseconds(450);
constexpr auto kQuietAfter = std::chrono::seconds(2);
constexpr auto kWelcomeHead = std::chrono::milliseconds(20);       // while a member is joining
constexpr auto kWelcomeHeadEach = std::chrono::microseconds(100);  // of all members, if longer
constexpr auto kWelcomeFor = std::chrono::seconds(5);
constexpr std::size_t kFewMembers = 100;
constexpr std::uint64_t kMostWindow = 16 * 1024 * 1024;  // half of what a PUB queue holds

std::uint64_t Window(const PublishedStreamOptions& options) {
  return options.wait ? std::min(options.retain_bytes / 4, kMostWindow) : 0;
}

}  // namespace

PublishedStream::PublishedStream(Server& server, Journal& journal,
                                 PublishedStreamOptions options, PublishedStreamEvents& events)
    : loop_(server.loop()),
      server_(server),
      journal_(journal),
      options_(std::move(options)),
      events_(events),
      policy_({options_.wait, Window(options_), options_.stall_limit}),
      packer_(options_.zstd_level),
      broadcaster_(options_.stream, journal, packer_, server.live_account()),
      served_{options_.stream,  journal,   broadcaster_,
              packer_,          members_,  *this,
              Window(options_), WallNow(), journal.attachable() ? journal.directory() : ""},
      sent_(journal.head()),
      moved_at_(loop_.now()),
      made_at_(loop_.now()) {
  served_.path = options_.path;
  served_.older = options_.older;
  served_.extra_counters = [this](auto* counters) { AddCounters(counters); };
  journal_.OnBlock([this](const Block& block) { OnBlock(block); });
  heartbeat_ = loop_.Every(kHeartbeat, [this] { Heartbeat(); });
  server_.Add(served_);
  RestoreMembers();
}

PublishedStream::~PublishedStream() {
  loop_.Cancel(rest_);
  loop_.Cancel(heartbeat_);
  loop_.Cancel(welcome_heads_);
  loop_.Cancel(policy_due_);
  loop_.Cancel(linger_);
  server_.Remove(served_);
}

void PublishedStream::OnBlock(const Block& block) {
  moved_at_ = loop_.now();
  if (rest_ == 0) Send(block);
  ApplyPolicy();
}

void PublishedStream::Send(const Block& block) {
  broadcaster_.SendBlock(server_.data(), block);
  server_.GuardMemory();
  sent_ = block.header.end();
  const Duration rest = RestAfter(block.header.length, members_.size());
  if (rest == Duration(0) || rest_ != 0) return;
  rest_ = loop_.After(rest, [this] {
    rest_ = 0;
    SendDue();
  });
}

// What has been published during the rest, joined as far as a block may be long.
void PublishedStream::SendDue() {
  while (sent_ < journal_.head()) {
    if (const auto block = journal_.Read(sent_, kMaxBlockBytes)) {
      Send(*block);
    } else {
      sent_ =
          std::max(sent_ + 1, journal_.NextSound(sent_));  // whoever misses that asks for it
    }
  }
}

// It says that everything before it has been sent.
void PublishedStream::SendHead() {
  SendDue();
  broadcaster_.SendHead(server_.data());
}

void PublishedStream::Heartbeat() {
  // What was published last is told of soon, and more than once. Long after, a head says only
  // that the publisher is there.
  const bool quiet = !ending_ && loop_.now() - moved_at_ > kQuietAfter;
  skip_head_ = quiet && !skip_head_;
  if (!skip_head_) SendHead();
  server_.control().DropSilent(served_, options_.wait ? options_.stall_limit : Duration(0));
  journal_.DropExpired();
  if (ending_) server_.control().RepeatEnd(served_);
  SaveMembers();
  ApplyPolicy();
  CheckFinished();
}

// A new subscriber knows that its subscription works when the first live message comes. All
// that are there already get it as well.
void PublishedStream::WelcomeHeads() {
  welcome_heads_ = 0;
  SendHead();
  const bool joining = std::any_of(members_.all().begin(), members_.all().end(),
                                   [](const auto& m) { return !m.second.Receives(); });
  if (joining && loop_.now() <= welcome_until_) ScheduleWelcomeHeads();
}

void PublishedStream::ScheduleWelcomeHeads() {
  if (welcome_heads_ != 0) return;
  const auto for_all = kWelcomeHeadEach * static_cast<std::int64_t>(members_.size());
  welcome_heads_ =
      loop_.After(std::max<Duration>(kWelcomeHead, for_all), [this] { WelcomeHeads(); });
}

// ---- members ----

void PublishedStream::OnJoined(const Member& member) {
  moved_at_ = loop_.now();
  welcome_until_ = loop_.now() + kWelcomeFor;
  ScheduleWelcomeHeads();
  if (members_.size() < kFewMembers) SaveMembers();  // many are written with the heartbeat
  events_.OnJoined(member);
}

void PublishedStream::OnLeft(const Member& member, Leaving how) {
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

void PublishedStream::OnStatus(Member& member) {
  if (ending_ && member.mode == control::Mode::kEnded && member.position >= journal_.head()) {
    member.at_end = true;
  }
  const bool is_ready = member.Receives();
  if (is_ready && !member.was_ready) events_.OnReady(ready());
  member.was_ready = is_ready;
  ApplyPolicySoon();
  CheckFinished();
}

std::size_t PublishedStream::ready() const {
  return static_cast<std::size_t>(
      std::count_if(members_.all().begin(), members_.all().end(), [](const auto& m) {
        return m.second.Receives() && !m.second.local && m.second.role != control::Role::kTop;
      }));
}

// It looks at every member: once for all statuses that have come together.
void PublishedStream::ApplyPolicySoon() {
  if (!options_.wait || policy_due_ != 0) return;
  policy_due_ = loop_.After(Duration(0), [this] { ApplyPolicy(); });
}

void PublishedStream::ApplyPolicy() {
  if (!options_.wait) return;
  loop_.Cancel(policy_due_);
  policy_due_ = 0;
  const SlowDecision decision = policy_.Decide(
      members_, journal_.head(), options_.older_stays ? journal_.tail() : 0,
      [this](Position from) { return journal_.CostSince(from); }, loop_.now());
  journal_.KeepFrom(decision.keep_from);
  for (Member* member : decision.let_go) {
    server_.control().SendLetGo(
        *member,
        "no progress for " + FormatDuration(StallLimitOf(*member, options_.stall_limit)));
    events_.OnLetGo(*member);
  }
  const std::string id = decision.waits_for == nullptr ? "" : decision.waits_for->id;
  if (id != served_.waits_for) {
    served_.waits_for = id;
    events_.OnHold(decision.waits_for);
  }
}

// ---- a reader in this process ----

void PublishedStream::AddLocal(const std::string& id, const std::string& name,
                               Position position) {
  Member member;
  member.id = id;
  member.name = name;
  member.role = control::Role::kRelay;
  member.mode = control::Mode::kLive;
  member.local = true;
  member.position = position;
  member.confirmed_any = true;
  member.heard = member.progressed = loop_.now();
  member.window = options_.retain_bytes / 4 * 3;
  members_.Restore(std::move(member));
  server_.control().Prepare(*members_.FindById(id));
}

void PublishedStream::ConfirmLocal(const std::string& id, LocalStatus status) {
  Member* const member = members_.FindById(id);
  if (member == nullptr) return;
  member->heard = loop_.now();
  member->lost = status.lost;
  member->mode = status.mode;
  member->replicas = std::move(status.replicas);
  if (status.position > member->position) {
    member->position = status.position;
    member->progressed = loop_.now();
  }
  member->at_end = ending_ && status.at_end;
  ApplyPolicySoon();
  CheckFinished();
}

void PublishedStream::RemoveLocal(const std::string& id) {
  members_.Remove(id);
  ApplyPolicy();
  CheckFinished();
}

// ---- what is older ----

void PublishedStream::OnOlderBlock(std::uint64_t ticket, Block block) {
  server_.control().OnOlderBlock(served_, ticket, std::move(block));
}

void PublishedStream::OnOlderDone(std::uint64_t ticket, const control::Done* done) {
  server_.control().OnOlderDone(served_, ticket, done);
}

// ---- the end ----

void PublishedStream::End(std::uint32_t exit_status) {
  ending_ = true;
  SendDue();
  broadcaster_.End(exit_status);
  broadcaster_.SendHead(server_.data());
  for (auto& [id, member] : members_.all()) {
    member.at_end = member.confirmed_any && member.position >= journal_.head() &&
                    member.mode == control::Mode::kEnded;
  }
  server_.control().RepeatEnd(served_);
  linger_ = loop_.After(options_.linger, [this] { FinishNow(); });
  CheckFinished();
}

void PublishedStream::RestoreMembers() {
  if (options_.member_file.empty()) return;
  std::string why;
  const std::optional<std::string> text = ReadRegularFile(options_.member_file, &why);
  if (!text) return;
  pipedup::RestoreMembers(*text, journal_.tail(), journal_.head(), loop_.now(), &members_);
  RestoreKeys();
  for (auto& [id, member] : members_.all()) server_.control().Prepare(member);
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
void PublishedStream::RestoreKeys() {
  std::vector<Member> revoked;
  for (auto& [id, member] : members_.all()) {
    if (!server_.allowed()) {
      member.key.clear();
    } else if (!member.key.empty() && !server_.allowed()->HasName(member.key)) {
      revoked.push_back(member);
    }
  }
  for (const Member& member : revoked) {
    members_.Remove(member.id);
    events_.OnLeft(member, Leaving::kRevoked);
  }
}

// A little old is good enough: a member that stands further than it says loses nothing by it.
void PublishedStream::SaveMembers() {
  if (options_.member_file.empty() || finished_) return;
  std::string text = EncodeMembers(members_);
  if (text == saved_members_) return;
  if (ReplaceFile(options_.member_file, text, Readers::kNobody, false) == 0) {
    saved_members_ = std::move(text);
  }
}

void PublishedStream::Leave() {
  SendDue();
  SaveMembers();
  finished_ = true;
  loop_.Cancel(linger_);
  server_.data().SetLinger(std::chrono::seconds(1));
}

void PublishedStream::CheckFinished() {
  if (!ending_ || finished_ || loop_.now() - made_at_ < options_.stay) return;
  for (const auto& [id, member] : members_.all()) {
    if (!member.at_end && member.role != control::Role::kTop) return;
  }
  FinishNow();
}

void PublishedStream::FinishNow() {
  if (finished_) return;
  finished_ = true;
  if (!options_.member_file.empty()) RemoveFile(options_.member_file);
  for (const auto& [id, member] : members_.all()) {
    if (!member.at_end && member.role != control::Role::kTop) {
      unconfirmed_.push_back(member.Label());
    }
  }
  server_.data().SetLinger(
      std::chrono::seconds(1));  // for plain SUB taps, which confirm nothing
  events_.OnFinished(unconfirmed_);
}

void PublishedStream::AddCounters(std::map<std::string, std::uint64_t>* counters) const {
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
  server_.AddCounters(counters);
}

}  // namespace pipedup
