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

// A subscriber that gave up waiting asks again, while its earlier reads still stand.
constexpr std::size_t kMostReads = 2 * control::kMaxReadsOutstanding;
constexpr auto kSilence = std::chrono::seconds(10);
// Answers in a connection's queue: more are not given to it. One may be 1 MiB long.
constexpr std::size_t kMostAnswers = 64 * 1024;
constexpr double kStatsPerSecond = 100;  // are made; who asks for more gets older ones
constexpr double kRowsPerToken = 50;
constexpr std::size_t kMaxListed = 128;  // more do not fit into an answer

SharedBytes Own(std::string text) {
  const auto owner = std::make_shared<const std::string>(std::move(text));
  return {owner, AsBytes(*owner)};
}

}  // namespace

ControlServer::ControlServer(EventLoop& loop, ControlServerOptions options)
    : loop_(loop),
      options_(options),
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

void ControlServer::Add(ServedStream& stream) {
  // Before one of that name that is there already, whose members are served to their end.
  const auto at = std::ranges::find_if(
      streams_, [&](const ServedStream* other) { return other->name >= stream.name; });
  streams_.insert(at, &stream);
}

void ControlServer::Remove(ServedStream& stream) {
  std::erase(streams_, &stream);
}

std::size_t ControlServer::members() const {
  std::size_t count = 0;
  for (const ServedStream* stream : streams_) count += stream->members.size();
  return count;
}

ControlServer::Found ControlServer::Find(const std::string& route) {
  for (ServedStream* stream : streams_) {
    if (Member* member = stream->members.FindByRoute(route)) return {stream, member};
  }
  return {};
}

/// Without a name: the one that there is. Of several with one name: the newest.
ServedStream* ControlServer::FindStream(const std::optional<std::string>& name) {
  if (!name) {
    const bool one = !streams_.empty() && streams_.front()->name == streams_.back()->name;
    return one ? streams_.front() : nullptr;
  }
  const auto found = std::ranges::find(streams_, *name, &ServedStream::name);
  return found == streams_.end() ? nullptr : *found;
}

/// One of the same name, which has taken the place of what the member has not read to its end
/// yet, has to wait.
ServedStream* ControlServer::UnreadBy(const std::string& id, ServedStream* stream) {
  for (ServedStream* other : streams_) {
    if (stream == nullptr || other == stream || other->name != stream->name) continue;
    const Member* const member = other->members.FindById(id);
    if (member == nullptr) continue;
    const bool has_all =
        member->mode == control::Mode::kLive || member->position >= other->journal.head();
    if (other->broadcaster.ended() ? !member->at_end : !has_all) return other;
  }
  return stream;
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
  for (ServedStream* stream : streams_) stream->members.ForgetRoutes();
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
    auto [stream, member] = Find(route);
    if (member != nullptr) member->heard = loop_.now();
    if (member != nullptr && member->key != sender.key) {
      // A peer chooses the name of its connection, which may be that of one that is gone.
      stream->members.ForgetRoute(*member);
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
                   [&](const control::StatsRequest& request) { OnStats(route, request); },
                   [&](const control::List& list) { OnList(route, list); },
                   [&](const control::Bye&) {
                     if (const Found leaves = Find(route); leaves.member != nullptr) {
                       RemoveMember(*leaves.stream, std::string(leaves.member->id),
                                    Leaving::kBye);
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
control::Refused ControlServer::Judge(const Sender& sender, const control::Hello& hello,
                                      const ServedStream* stream) {
  if (hello.version != control::kProtocolVersion) {
    return {"version", "this publisher speaks protocol " +
                           std::to_string(control::kProtocolVersion) + ", not " +
                           std::to_string(hello.version)};
  }
  if (stream == nullptr) {
    return hello.stream ? control::Refused{"stream", "there is no stream '" + *hello.stream +
                                                         "' here, only " + StreamNames()}
                        : control::Refused{"stream",
                                           "there are several streams here, one of which has "
                                           "to be named: " +
                                               StreamNames()};
  }
  if (stream->packer.codec() == Codec::kZstd &&
      std::ranges::find(hello.codecs, kZstdName) == hello.codecs.end()) {
    return {"codec",
            "the stream is sent compressed (zstd), which this subscriber does not read"};
  }
  const Member* const known = stream->members.FindById(hello.id);
  // Kept from the time before there were keys, it has none yet.
  if (known != nullptr && !known->key.empty() && known->key != sender.key) {
    return {"auth", "the id " + hello.id + " is of a subscriber with another key"};
  }
  if (known == nullptr && members() >= options_.max_subs) {
    return {"full", "there are " + std::to_string(options_.max_subs) +
                        " subscribers already, the most that are let in"};
  }
  return {};
}

std::string ControlServer::StreamNames() const {
  constexpr std::size_t kMostNamed = 10;
  std::string text;
  for (std::size_t i = 0; i < streams_.size() && i < kMostNamed; ++i) {
    text += (i > 0 ? ", '" : "'") + streams_[i]->name + "'";
  }
  return text + (streams_.size() > kMostNamed ? " and others" : "");
}

void ControlServer::OnHello(const Sender& sender, const control::Hello& hello) {
  const std::string& route = sender.route;
  ++counters_.hellos;
  const Found before = Find(route);
  if (before.member != nullptr) limits_.Charge(route, kCostlyRequest);
  ServedStream* const stream = UnreadBy(hello.id, FindStream(hello.stream));
  const bool may_come = hello.stream || streams_.empty();
  if (stream == nullptr && options_.streams_may_come && may_come) return;
  if (const control::Refused refused = Judge(sender, hello, stream); !refused.code.empty()) {
    ++counters_.refused;
    Reply(route, refused);
    return;
  }
  // Nobody waits for the answer any more; or two have one id, and the older one will connect
  // anew.
  if (stream->members.IsLate(hello.id, route, loop_.now())) return;
  if (before.member != nullptr && (before.stream != stream || before.member->id != hello.id)) {
    // One connection is one member.
    RemoveMember(*before.stream, std::string(before.member->id), Leaving::kBye);
  }
  const Member* const known = stream->members.FindById(hello.id);
  const bool is_new = known == nullptr;
  const std::string last_route = is_new ? "" : known->route;
  Member& member = stream->members.Join(hello.id, route);
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
    member.position = stream->journal.head();
    member.progressed = loop_.now();
    Prepare(member);
    stream->events.OnJoined(member);
  } else if (std::exchange(member.restored, false)) {
    stream->events.OnJoined(member);
  }
  Reply(route, WelcomeTo(*stream, member));
}

control::Welcome ControlServer::WelcomeTo(const ServedStream& stream,
                                          const Member& member) const {
  control::Welcome welcome;
  welcome.stream = stream.name;
  welcome.session = stream.journal.session();
  welcome.tail = TailOf(stream);
  welcome.head = stream.journal.head();
  welcome.records = stream.journal.records_format();
  if (stream.packer.codec() == Codec::kZstd) welcome.codec = kZstdName;
  welcome.journal = stream.directory;
  welcome.started_ns = stream.started_ns;
  welcome.now_ns = WallNow();
  welcome.ended = stream.broadcaster.ended();
  for (const PastSession& past : stream.journal.past_sessions()) {
    welcome.past.push_back({past.session, past.end});
  }
  welcome.path = stream.path;
  welcome.reached = stream.reached;
  welcome.heartbeat_ms = options_.heartbeat_ms;
  welcome.window = member.Counts() ? stream.window : 0;
  return welcome;
}

void ControlServer::OnRead(const std::string& route, const control::Read& read) {
  const auto [stream, member] = Find(route);
  if (member == nullptr) {
    ++counters_.bad_requests;
    Reply(route, control::Error{"unknown-member", "say hello first", read.request});
    return;
  }
  control::Done done;
  done.request = read.request;
  if (read.session != stream->journal.session()) {
    done.outcome = control::Done::Outcome::kWrongSession;
    Reply(route, Stamped(*stream, done));
  } else if (read.max == 0) {
    Reply(route, Stamped(*stream, done));  // a ping
  } else if (member->reads.size() >= kMostReads) {
    ++counters_.reads_refused;
    Reply(route, control::Error{"too-many-reads", "answers to earlier ones are on their way",
                                read.request});
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
  const auto [stream, member] = Find(route);
  if (member == nullptr) {
    Reply(route, control::Error{"unknown-member", "say hello first"});
    return;
  }
  if (status.session != stream->journal.session()) return;  // of a session before this one
  const Position position = std::min(status.position, stream->journal.head());
  if (!member->confirmed_any || position > member->position) member->progressed = loop_.now();
  member->position = member->confirmed_any ? std::max(member->position, position) : position;
  member->confirmed_any = true;
  member->lost = status.lost;
  member->mode = status.mode;
  stream->events.OnStatus(*member);
}

/// A stranger that names none is told of the first stream.
void ControlServer::OnStats(const std::string& route, const control::StatsRequest& request) {
  const Found found = Find(route);
  limits_.Charge(route, found.member != nullptr ? kCostlyRequest : 0);
  ServedStream* const asked = request.stream ? FindStream(request.stream) : found.stream;
  if (request.stream && asked == nullptr) {
    Reply(route, control::Error{"unknown-stream",
                                "there is no stream '" + *request.stream + "' here"});
    return;
  }
  if (streams_.empty()) return;
  ServedStream& stream = asked != nullptr ? *asked : *streams_.front();
  const double cost = 1 + static_cast<double>(stream.members.size()) / kRowsPerToken;
  if (stats_made_.Take(cost, loop_.now()) || stream.stats.size() == 0) {
    stream.stats = Own(control::Encode(StatsOf(stream)));
  }
  const auto answers = answers_.find(route);
  if (answers != answers_.end() && answers->second->bytes() > 0) {
    ++counters_.answers_dropped;  // it has not taken the last one
    return;
  }
  SendAnswer(route, stream.stats);
}

void ControlServer::OnList(const std::string& route, const control::List& request) {
  control::Streams answer;
  for (const ServedStream* stream : streams_) {
    // Of two sessions of one stream, the first one here is the newer.
    const std::string& last =
        answer.streams.empty() ? request.after : answer.streams.back().stream;
    if (stream->name <= last) continue;
    if (answer.streams.size() == kMaxListed) {
      answer.more = true;
      break;
    }
    answer.streams.push_back(
        {stream->name, stream->journal.session(), stream->broadcaster.ended()});
  }
  Reply(route, answer);
}

control::Stats ControlServer::StatsOf(const ServedStream& stream) const {
  control::Stats stats;
  stats.stream = stream.name;
  stats.session = stream.journal.session();
  stats.tail = stream.journal.tail();
  stats.head = stream.journal.head();
  stats.counters = {{"hellos", counters_.hellos},
                    {"hellos_refused", counters_.refused},
                    {"reads", counters_.reads},
                    {"replayed_bytes", counters_.replayed_bytes},
                    {"bad_requests", counters_.bad_requests},
                    {"requests_ignored", counters_.requests_ignored},
                    {"reads_refused", counters_.reads_refused},
                    {"answers_dropped", counters_.answers_dropped},
                    {"members_vanished", counters_.vanished}};
  if (stream.extra_counters) stream.extra_counters(&stats.counters);
  stats.subscribers = MakeRows(stream.members, stream.journal, stream.waits_for, row_secret_);
  stats.subscribers_total = stream.members.size();
  return stats;
}

// ---- answers ----

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

// ---- members ----

void ControlServer::Prepare(Member& member) {
  member.replay = std::make_shared<Outstanding>(waker_, replays_);
}

void ControlServer::RemoveMember(ServedStream& stream, const std::string& id, Leaving how) {
  Member* member = stream.members.FindById(id);
  if (member == nullptr) return;
  if (how == Leaving::kVanished) ++counters_.vanished;
  const Member last = *member;
  stream.members.Remove(id);
  stream.events.OnLeft(last, how);
}

void ControlServer::Revoke(const std::string& key) {
  for (ServedStream* stream : streams_) {
    std::vector<std::string> ids;
    for (const auto& [id, member] : stream->members.all()) {
      if (member.key == key) ids.push_back(id);
    }
    for (const std::string& id : ids) RemoveMember(*stream, id, Leaving::kRevoked);
  }
}

void ControlServer::DropSilent(ServedStream& stream, Duration patience) {
  std::vector<std::string> silent;
  for (const auto& [id, member] : stream.members.all()) {
    if (member.local) continue;  // it is here as long as this process is
    const Duration limit = member.Counts() ? std::max<Duration>(kSilence, patience) : kSilence;
    if (loop_.now() - member.heard > limit) silent.push_back(id);
  }
  for (const std::string& id : silent) RemoveMember(stream, id, Leaving::kVanished);
}

void ControlServer::Forget() {
  limits_.Forget(loop_.now());
  std::erase_if(answers_, [](const auto& entry) { return entry.second->bytes() == 0; });
}

void ControlServer::RepeatEnd(ServedStream& stream) {
  if (control_ == nullptr) return;
  for (const auto& [id, member] : stream.members.all()) {
    if (!member.at_end && !member.route.empty()) {
      (void)SendBlock(member, {stream.broadcaster.HeadHeader(), {}});
    }
  }
}

void ControlServer::SendLetGo(const Member& member, const std::string& reason) {
  Reply(member.route, control::LetGo{reason});
}

}  // namespace pipedup
