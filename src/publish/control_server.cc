#include "publish/control_server.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/clock.h"
#include "base/overloaded.h"
#include "base/text.h"
#include "publish/rows.h"

namespace pipedup {
namespace {

constexpr int kMessagesPerCall = 64;             // then the loop looks at the live stream
constexpr std::size_t kTurnBytes = 1024 * 1024;  // for one member, before the next one's turn
constexpr std::size_t kCallBytes = 2 * 1024 * 1024;  // for all members, before the loop goes on
constexpr std::size_t kMemberOutstanding = 1024 * 1024;  // in a connection's queue
// A subscriber that gave up waiting asks again, while its earlier reads still stand.
constexpr std::size_t kMostReads = 2 * control::kMaxReadsOutstanding;
constexpr auto kSilence = std::chrono::seconds(10);
constexpr auto kRetryUnreadable = std::chrono::milliseconds(100);
constexpr auto kRetryFull = std::chrono::milliseconds(5);
constexpr std::string_view kNoTopic = "";
// Answers in a connection's queue: more are not given to it. One may be 1 MiB long.
constexpr std::size_t kMostAnswers = 64 * 1024;
constexpr double kStatsPerSecond = 100;  // are made; who asks for more gets older ones
constexpr double kRowsPerToken = 50;

SharedBytes Own(std::string text) {
  const auto owner = std::make_shared<const std::string>(std::move(text));
  return {owner, AsBytes(*owner)};
}

}  // namespace

ControlServer::ControlServer(EventLoop& loop, const Journal& journal,
                             const Broadcaster& broadcaster, Members& members,
                             ControlServerOptions options, ControlServerEvents& events)
    : loop_(loop),
      journal_(journal),
      broadcaster_(broadcaster),
      members_(members),
      options_(std::move(options)),
      events_(events),
      replays_(std::make_shared<Outstanding>(nullptr)),
      waker_(std::make_shared<Waker>()),
      stats_made_(kStatsPerSecond, kStatsPerSecond),
      row_secret_(RandomId()) {
  waker_watch_ = loop_.OnReadable(waker_->fd(), [this] {
    waker_->Clear();
    Serve();
  });
}

ControlServer::~ControlServer() {
  Detach();
  loop_.Cancel(serve_timer_);
  loop_.Remove(waker_watch_);
}

void ControlServer::Attach(Socket& control) {
  control_ = &control;
  control_watch_ = loop_.OnMessage(control, [this] { Receive(); });
}

void ControlServer::Detach() {
  if (control_ == nullptr) return;
  loop_.Remove(control_watch_);
  control_ = nullptr;
  answers_.clear();
  members_.ForgetRoutes();
}

// ---- requests ----

void ControlServer::Receive() {
  for (int i = 0; i < kMessagesPerCall; ++i) {
    if (control_ == nullptr || !control_->Receive(&frames_, 2)) return;
    if (frames_.size() != 2) {
      ++counters_.bad_requests;
      continue;
    }
    const Sender sender = {std::string(AsText(frames_[0].bytes())), frames_[1].peer_address(),
                           frames_[1].key_name()};
    const std::string& route = sender.route;
    Member* member = members_.FindByRoute(route);
    if (member != nullptr) member->heard = loop_.now();
    if (member != nullptr && member->key != sender.key) {
      // A peer chooses the name of its connection, which may be that of one that is gone.
      members_.ForgetRoute(*member);
      member = nullptr;
    }
    if (!MayServe(route, member != nullptr, frames_[1].descriptor())) continue;
    const control::ParseResult parsed = control::Parse(frames_[1].bytes());
    if (const auto* failure = std::get_if<control::ParseFailure>(&parsed)) {
      ++counters_.bad_requests;
      if (member != nullptr) limits_.Charge(route, kBadRequest);
      Reply(route, control::Error{failure->unknown_op ? "unknown-op" : "bad-request",
                                  failure->reason});
      continue;
    }
    std::visit(Overloaded{
                   [&](const control::Hello& hello) { OnHello(sender, hello); },
                   [&](const control::Read& read) { OnRead(route, read); },
                   [&](const control::Status& status) { OnStatus(route, status); },
                   [&](const control::StatsRequest&) { OnStats(route); },
                   [&](const control::List& list) { OnList(route, list); },
                   [&](const control::Bye&) {
                     if (member != nullptr) {
                       RemoveMember(std::string(member->id), Leaving::kBye);
                     }
                   },
                   [&](const auto&) {
                     ++counters_.bad_requests;
                     Reply(route, control::Error{"bad-request", "an answer is no request"});
                   },
               },
               std::get<control::Message>(parsed));
  }
}

// Each connection is held to a number of requests; past it there is silence, as every answer
// would only be one more thing to send.
bool ControlServer::MayServe(const std::string& route, bool is_member, int descriptor) {
  if (options_.connections != nullptr) options_.connections->Heard(descriptor);
  const Verdict verdict = limits_.Take(route, is_member, loop_.now());
  if (verdict == Verdict::kServe) return true;
  ++counters_.requests_ignored;
  if (verdict != Verdict::kCut || options_.connections == nullptr) return false;
  // Its descriptor is its own only while it is there.
  const SendStatus status = control_->Send(AsBytes(route), Frame::kMore);
  if (status == SendStatus::kUnreachable) return false;
  if (status == SendStatus::kSent) {
    const control::Error error{"too-many-requests", "the connection is closed"};
    (void)control_->Send(AsBytes(control::Encode(error)), Frame::kLast);
  }
  options_.connections->Cut(descriptor);
  return false;
}

/// Why the hello is refused; no code: it is not.
control::Refused ControlServer::Judge(const Sender& sender, const control::Hello& hello) {
  if (hello.version != control::kProtocolVersion) {
    return {"version", "this publisher speaks protocol " +
                           std::to_string(control::kProtocolVersion) + ", not " +
                           std::to_string(hello.version)};
  }
  if (hello.stream && *hello.stream != options_.stream) {
    return {"stream",
            "there is no stream '" + *hello.stream + "' here, only '" + options_.stream + "'"};
  }
  const Member* const known = members_.FindById(hello.id);
  // Kept from the time before there were keys, it has none yet.
  if (known != nullptr && !known->key.empty() && known->key != sender.key) {
    return {"auth", "the id " + hello.id + " is of a subscriber with another key"};
  }
  if (known == nullptr && members_.size() >= options_.max_subs) {
    return {"full", "there are " + std::to_string(options_.max_subs) +
                        " subscribers already, the most that are let in"};
  }
  return {};
}

void ControlServer::OnHello(const Sender& sender, const control::Hello& hello) {
  const std::string& route = sender.route;
  ++counters_.hellos;
  if (members_.FindByRoute(route) != nullptr) limits_.Charge(route, kCostlyRequest);
  if (const control::Refused refused = Judge(sender, hello); !refused.code.empty()) {
    ++counters_.refused;
    Reply(route, refused);
    return;
  }
  // Nobody waits for the answer any more; or two have one id, and the older one will connect
  // anew.
  if (members_.IsLate(hello.id, route, loop_.now())) return;
  const Member* before = members_.FindByRoute(route);
  if (before != nullptr && before->id != hello.id) {
    RemoveMember(std::string(before->id), Leaving::kBye);  // one connection is one member
  }
  const Member* const known = members_.FindById(hello.id);
  const bool is_new = known == nullptr;
  const std::string last_route = is_new ? "" : known->route;
  Member& member = members_.Join(hello.id, route);
  if (!is_new && last_route != route) {
    // It may be another run of it, with the same cursor, that stands before where the last one
    // did: its next status says where, and its reads until then.
    member.confirmed_any = false;
    member.at_end = false;
  }
  member.name = hello.name;
  member.host = hello.host;
  member.pid = hello.pid;
  member.role = hello.role;
  member.address = sender.address;
  member.key = sender.key;
  member.heard = loop_.now();
  member.reads.clear();  // whatever it asked for before, it asks for again
  if (is_new) {
    member.position = journal_.head();
    member.progressed = loop_.now();
    Prepare(member);
    events_.OnJoined(member);
  } else if (std::exchange(member.restored, false)) {
    events_.OnJoined(member);
  }
  control::Welcome welcome;
  welcome.stream = options_.stream;
  welcome.session = journal_.session();
  welcome.tail = journal_.tail();
  welcome.head = journal_.head();
  welcome.records = journal_.records_format();
  welcome.journal = options_.journal;
  welcome.started_ns = options_.started_ns;
  welcome.now_ns = WallNow();
  welcome.ended = broadcaster_.ended();
  for (const PastSession& past : journal_.past_sessions()) {
    welcome.past.push_back({past.session, past.end});
  }
  welcome.heartbeat_ms = options_.heartbeat_ms;
  welcome.window = member.Counts() ? options_.window : 0;
  Reply(route, welcome);
}

void ControlServer::OnRead(const std::string& route, const control::Read& read) {
  Member* member = members_.FindByRoute(route);
  if (member == nullptr) {
    ++counters_.bad_requests;
    Reply(route, control::Error{"unknown-member", "say hello first"});
    return;
  }
  control::Done done;
  done.request = read.request;
  if (read.session != journal_.session()) {
    done.outcome = control::Done::Outcome::kWrongSession;
    Reply(route, Stamped(done));
  } else if (read.max == 0) {
    Reply(route, Stamped(done));  // a ping
  } else if (member->reads.size() >= kMostReads) {
    ++counters_.reads_refused;
    Reply(route, control::Error{"too-many-reads", "answers to earlier ones are on their way"});
  } else {
    ++counters_.reads;
    PendingRead pending;
    pending.read = read;
    pending.read.max = std::min(read.max, control::kMaxReadBytes);
    member->reads.push_back(pending);
    ScheduleServe(Duration(0));
  }
}

void ControlServer::OnStatus(const std::string& route, const control::Status& status) {
  Member* member = members_.FindByRoute(route);
  if (member == nullptr) {
    Reply(route, control::Error{"unknown-member", "say hello first"});
    return;
  }
  if (status.session != journal_.session()) return;  // of a session before this one
  const Position position = std::min(status.position, journal_.head());
  if (!member->confirmed_any || position > member->position) member->progressed = loop_.now();
  member->position = member->confirmed_any ? std::max(member->position, position) : position;
  member->confirmed_any = true;
  member->lost = status.lost;
  member->mode = status.mode;
  events_.OnStatus(*member);
}

void ControlServer::OnList(const std::string& route, const control::List& list) {
  control::Streams streams;
  if (options_.stream > list.after) {
    streams.streams.push_back({options_.stream, journal_.session(), broadcaster_.ended()});
  }
  Reply(route, streams);
}

void ControlServer::OnStats(const std::string& route) {
  limits_.Charge(route, members_.FindByRoute(route) != nullptr ? kCostlyRequest : 0);
  const double cost = 1 + static_cast<double>(members_.size()) / kRowsPerToken;
  if (stats_made_.Take(cost, loop_.now()) || stats_.size() == 0) stats_ = StatsText();
  const auto answers = answers_.find(route);
  if (answers != answers_.end() && answers->second->bytes() > 0) {
    ++counters_.answers_dropped;  // it has not taken the last one
    return;
  }
  SendAnswer(route, stats_);
}

SharedBytes ControlServer::StatsText() {
  control::Stats stats;
  stats.stream = options_.stream;
  stats.session = journal_.session();
  stats.tail = journal_.tail();
  stats.head = journal_.head();
  stats.counters = {{"hellos", counters_.hellos},
                    {"hellos_refused", counters_.refused},
                    {"reads", counters_.reads},
                    {"replayed_bytes", counters_.replayed_bytes},
                    {"bad_requests", counters_.bad_requests},
                    {"requests_ignored", counters_.requests_ignored},
                    {"reads_refused", counters_.reads_refused},
                    {"answers_dropped", counters_.answers_dropped},
                    {"members_vanished", counters_.vanished}};
  if (extra_counters_) extra_counters_(&stats.counters);
  stats.subscribers = MakeRows(members_, journal_, row_secret_);
  stats.subscribers_total = members_.size();
  return Own(control::Encode(stats));
}

// ---- ranges ----

void ControlServer::ScheduleServe(Duration delay) {
  if (serve_timer_ != 0) return;
  serve_timer_ = loop_.After(delay, [this] {
    serve_timer_ = 0;
    Serve();
  });
}

void ControlServer::Serve() {
  if (control_ == nullptr) return;
  std::vector<std::string> ids;  // members may leave while they are served
  for (auto it = members_.all().lower_bound(next_turn_); it != members_.all().end(); ++it) {
    if (!it->second.reads.empty()) ids.push_back(it->first);
  }
  for (auto it = members_.all().begin(); it != members_.all().lower_bound(next_turn_); ++it) {
    if (!it->second.reads.empty()) ids.push_back(it->first);
  }
  std::size_t sent = 0;
  for (const std::string& id : ids) {
    if (sent >= kCallBytes) {
      next_turn_ = id;
      ScheduleServe(Duration(0));
      return;
    }
    Member* member = members_.FindById(id);
    if (member == nullptr || ServeMember(*member, &sent)) continue;
    if (member->Counts()) {
      members_.ForgetRoute(*member);  // it may come back, and is waited for as a silent one is
    } else {
      RemoveMember(id, Leaving::kVanished);
    }
  }
}

// False: the member is unreachable.
bool ControlServer::ServeMember(Member& member, std::size_t* sent) {
  std::size_t turn = 0;
  while (!member.reads.empty()) {
    PendingRead& pending = member.reads.front();
    if (!pending.started && !Start(member, pending)) continue;
    if (pending.next < journal_.tail()) {
      if (!FinishGone(member, pending, journal_.tail(), "")) return true;
      continue;
    }
    if (pending.left == 0 || pending.next >= journal_.head()) {
      if (broadcaster_.ended() && pending.next >= journal_.head()) {
        (void)SendBlock(member, {broadcaster_.HeadHeader(), {}});
      }
      control::Done done;
      done.request = pending.read.request;
      done.next = pending.next;
      if (!Finish(member, done)) return true;
      continue;
    }
    if (turn >= kTurnBytes) {
      ScheduleServe(Duration(0));
      return true;
    }
    if (member.replay->bytes() >= kMemberOutstanding) {
      member.replay->WakeOnRelease();
      // What was let go of between the look and the wish is not told: look again.
      if (member.replay->bytes() >= kMemberOutstanding) return true;
    }
    const std::optional<Block> block =
        journal_.Read(pending.next, static_cast<std::size_t>(pending.left));
    if (!block) {
      const Position goes_on = journal_.NextSound(pending.next);
      if (goes_on == pending.next) {
        ScheduleServe(kRetryUnreadable);
        return true;
      }
      if (!FinishGone(member, pending, goes_on, "missing or damaged in the journal"))
        return true;
      continue;
    }
    const SendStatus status = SendBlock(member, *block);
    if (status == SendStatus::kUnreachable) return false;
    if (status == SendStatus::kFull) {
      ScheduleServe(kRetryFull);
      return true;
    }
    pending.next = block->header.end();
    pending.left -= block->header.length;
    turn += block->header.length;
    *sent += block->header.length;
    counters_.replayed_bytes += block->header.length;
  }
  return true;
}

// Finds out where the range begins. False: it was answered, and is gone.
bool ControlServer::Start(Member& member, PendingRead& pending) {
  const control::ReadFrom& from = pending.read.from;
  switch (from.kind) {
    case control::ReadFrom::Kind::kPosition:
      pending.next = std::min(from.value, journal_.head());
      break;
    case control::ReadFrom::Kind::kLast:
      if (const auto at = journal_.FindLast(from.value)) {
        pending.next = *at;
        break;
      }
      Reply(member.route, control::Error{"no-records", "the stream is raw"});
      member.reads.pop_front();
      return false;
    case control::ReadFrom::Kind::kSince:
      pending.next = journal_.FindSince(
          static_cast<std::int64_t>(std::min<std::uint64_t>(from.value, INT64_MAX)));
      break;
  }
  pending.left = pending.read.max;
  pending.started = true;
  // Until it has said where it stands, it stands where it reads.
  if (!member.confirmed_any && pending.next < member.position) {
    member.position = pending.next;
    events_.OnStatus(member);
  }
  return true;
}

SendStatus ControlServer::SendBlock(const Member& member, const Block& block) {
  const SendStatus status = control_->Send(AsBytes(member.route), Frame::kMore);
  if (status != SendStatus::kSent) return status;
  (void)control_->Send(AsBytes(EncodeFrame(kNoTopic, block.header)), Frame::kMore);
  return control_->SendShared(block.payload, member.replay, Frame::kLast);
}

bool ControlServer::FinishGone(Member& member, const PendingRead& pending, Position goes_on,
                               const char* reason) {
  control::Done done;
  done.request = pending.read.request;
  done.outcome = control::Done::Outcome::kGone;
  done.next = pending.next;
  done.tail = goes_on;
  done.reason = reason;
  return Finish(member, done);
}

// Answers the member's oldest read. False: its queue is full, and the answer is tried again; a
// member whose connection is gone is found out by what is sent to it next.
bool ControlServer::Finish(Member& member, const control::Done& done) {
  if (Reply(member.route, Stamped(done)) == SendStatus::kFull) {
    ScheduleServe(kRetryFull);
    return false;
  }
  member.reads.pop_front();
  return true;
}

control::Done ControlServer::Stamped(control::Done done) const {
  done.session = journal_.session();
  done.tail = std::max(done.tail, journal_.tail());
  done.head = journal_.head();
  done.ended = broadcaster_.ended();
  return done;
}

SendStatus ControlServer::Reply(const std::string& route, const control::Message& message) {
  return SendAnswer(route, Own(control::Encode(message)));
}

SendStatus ControlServer::SendAnswer(const std::string& route, SharedBytes text) {
  if (control_ == nullptr || route.empty()) return SendStatus::kUnreachable;
  std::shared_ptr<Outstanding>& answers = answers_[route];
  if (!answers) answers = std::make_shared<Outstanding>(nullptr);
  const SendStatus status = answers->bytes() >= kMostAnswers
                                ? SendStatus::kFull
                                : control_->Send(AsBytes(route), Frame::kMore);
  if (status != SendStatus::kSent) {
    ++counters_.answers_dropped;
    return status;
  }
  return control_->SendShared(std::move(text), answers, Frame::kLast);
}

void ControlServer::ForgetAnswers() {
  std::erase_if(answers_, [](const auto& entry) { return entry.second->bytes() == 0; });
}

// ---- members ----

void ControlServer::Prepare(Member& member) {
  member.replay = std::make_shared<Outstanding>(waker_, replays_);
}

void ControlServer::RemoveMember(const std::string& id, Leaving how) {
  Member* member = members_.FindById(id);
  if (member == nullptr) return;
  if (how == Leaving::kVanished) ++counters_.vanished;
  const Member last = *member;
  members_.Remove(id);
  events_.OnLeft(last, how);
}

void ControlServer::Revoke(const std::string& key) {
  std::vector<std::string> ids;
  for (const auto& [id, member] : members_.all()) {
    if (member.key == key) ids.push_back(id);
  }
  for (const std::string& id : ids) RemoveMember(id, Leaving::kRevoked);
}

void ControlServer::DropSilent(Duration patience) {
  limits_.Forget(loop_.now());
  ForgetAnswers();
  std::vector<std::string> silent;
  for (const auto& [id, member] : members_.all()) {
    const Duration limit = member.Counts() ? std::max<Duration>(kSilence, patience) : kSilence;
    if (loop_.now() - member.heard > limit) silent.push_back(id);
  }
  for (const std::string& id : silent) RemoveMember(id, Leaving::kVanished);
}

void ControlServer::RepeatEnd() {
  if (control_ == nullptr) return;
  for (const auto& [id, member] : members_.all()) {
    if (!member.at_end && !member.route.empty()) {
      (void)SendBlock(member, {broadcaster_.HeadHeader(), {}});
    }
  }
}

void ControlServer::SendLetGo(const Member& member, const std::string& reason) {
  Reply(member.route, control::LetGo{reason});
}

}  // namespace pipedup
