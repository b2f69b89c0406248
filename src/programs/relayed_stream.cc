#include "programs/relayed_stream.h"

#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "os/process.h"
#include "programs/cluster_source.h"
#include "programs/sub_reports.h"

namespace pipedup {
namespace {

constexpr auto kTickEvery = std::chrono::milliseconds(50);
constexpr std::size_t kNameBytes = 85;  // see sub_receiver.cc

/// `last`: what was kept; null: nothing.
std::vector<ReceiverOptions> MakeParents(const RelayOptions& options, const std::string& stream,
                                         const std::string& relay_id, const Journal* last) {
  ReceiverOptions made;
  made.relay_id = relay_id;
  made.keep_encoded = true;
  made.hello.stream = stream;
  made.hello.host = HostName().substr(0, kNameBytes);
  made.hello.pid = ProcessId();
  made.hello.name = options.name.empty()
                        ? "relay " + made.hello.host + ":" + std::to_string(made.hello.pid)
                        : options.name.substr(0, kNameBytes);
  made.hello.role = control::Role::kRelay;
  // What late subscribers may ask for is fetched at once, as far as it will be kept.
  made.modes.from = {Beginning::Kind::kBehind, options.publish.retain_bytes};
  if (last != nullptr) made.modes.resume = Resumption{last->session(), last->head()};
  made.modes.follow = options.follow;
  made.modes.dead_after = options.dead_after;
  std::vector<ReceiverOptions> all;
  for (const Endpoint& parent : options.from) {
    made.endpoint = parent;
    made.make = parent.kind == Endpoint::Kind::kNats
                    ? ReadFromCluster(parent, options.publish.nats)
                    : nullptr;
    // The same after a restart of one that keeps its id: it takes its place, and is not waited
    // for.
    made.hello.id = Hex(Checksum(AsBytes(relay_id + " " + stream + " " + parent.data())));
    all.push_back(made);
  }
  return all;
}

std::string About(const std::string& endpoint) {
  return endpoint.empty() ? "" : endpoint + ": ";
}

}  // namespace

RelayedStream::RelayedStream(Context& context, EventLoop& loop, Server& server, HttpSide& http,
                             const RelayOptions& options, Reporter& reporter,
                             const std::string& stream, const std::string& relay_id,
                             std::function<void(int)> on_over)
    : loop_(loop),
      server_(server),
      http_(http),
      options_(options),
      reporter_(reporter),
      relay_id_(relay_id),
      on_over_(std::move(on_over)),
      stream_(stream),
      started_(loop.now()),
      context_(context),
      journals_(options.publish, reporter, stream),
      last_(journals_.TakeLast()),
      parents_(MakeParents(options, stream, relay_id, last_ ? last_->journal.get() : nullptr)),
      reader_(context, loop, parents_, *this) {
  waiting_.resize(reader_.endpoints());
  tick_ = loop_.Every(kTickEvery, [this] { Tick(); });
}

RelayedStream::~RelayedStream() {
  loop_.Cancel(tick_);
}

// ---- what the receiver tells ----

void RelayedStream::OnBegin(const control::Welcome& session, Position position) {
  if (outlet_ && outlet_->session() == session.session) {
    outlet_->journal().Skip(position, 0, "");  // it turned out to be inside a record
    return;
  }
  Retire();  // of a session in which no record began
  Open(session, position);
}

void RelayedStream::Open(const control::Welcome& session, Position begin) {
  ended_ = false;
  const bool goes_on =
      last_ && last_->journal->session() == session.session && last_->journal->head() == begin;
  if (!goes_on) last_.reset();
  KeptJournal kept = goes_on ? std::move(*last_) : journals_.Make(session, begin);
  last_.reset();
  std::vector<std::string> path = session.path;
  path.push_back(relay_id_);
  outlet_ = std::make_unique<Outlet>(context_, loop_, server_, http_, options_, reporter_,
                                     session, std::move(kept), parents_.front().hello,
                                     std::move(path), [this] { OnOutletChange(); });
  ReportListening(reporter_, "'" + stream_ + "' from " + options_.from.front().data(),
                  {{"stream", stream_},
                   {"session", Hex(session.session)},
                   {"position", begin},
                   {"from", options_.from.front().data()}},
                  options_.publish.bind, server_.endpoints(), options_.encrypt);
}

void RelayedStream::OnBytes(const BlockHeader& header, Position from, SharedBytes bytes) {
  if (!outlet_) return;
  if (const auto gap = std::exchange(unsaid_gap_, std::nullopt)) {
    outlet_->journal().Skip(gap->to, header.records_before, gap->reason);
  }
  outlet_->Append(header, from, bytes);
}

void RelayedStream::OnGap(const Gap& gap) {
  lost_ = true;
  ReportGap(reporter_, stream_, gap);
  if (!outlet_ || outlet_->session() != gap.session) return;
  if (gap.records_known) {
    outlet_->journal().Skip(gap.to, gap.first_record + gap.records, gap.reason);
  } else {
    unsaid_gap_ = gap;  // the block behind it tells how many records have ended there
  }
}

/// The session is over: its journal is there until those have read it who still do.
void RelayedStream::Retire() {
  unsaid_gap_.reset();
  if (!outlet_) return;
  outlet_->Retire();
  if (!ended_) outlet_->Drain();
  if (!outlet_->done()) retired_.push_back(std::move(outlet_));
  outlet_.reset();
}

void RelayedStream::OnSessionChanged(const control::Welcome& now, SessionId old) {
  const bool ended = ended_ || (last_ && journals_.last_had_ended());
  const std::string text = "following session " + Hex(now.session) + " of stream '" +
                           now.stream + "' after " + Hex(old) +
                           (ended ? ", which has ended" : ", which vanished before its end");
  const Fields fields = {{"stream", now.stream},
                         {"session", Hex(now.session)},
                         {"old_session", Hex(old)},
                         {"old_ended", ended}};
  if (ended) {
    reporter_.Info("session", text, fields);
  } else {
    lost_ = true;
    reporter_.Warn("session", text + "; what it published last may be missing", fields);
  }
  Retire();
}

void RelayedStream::OnSessionContinues(const control::Welcome& now, SessionId old,
                                       Position position) {
  reporter_.Info(
      "continues",
      "session " + Hex(old) + " goes on as " + Hex(now.session) + " at position " +
          std::to_string(position),
      {{"old_session", Hex(old)}, {"session", Hex(now.session)}, {"position", position}});
  // One that goes on with what an earlier process has kept has begun there already.
  if (outlet_ && outlet_->session() == now.session && outlet_->head() == position) return;
  Retire();
  Open(now, position);
}

void RelayedStream::OnMode(const std::string& endpoint, control::Mode mode) {
  reporter_.Debug("mode", About(endpoint) + "mode: " + std::string(control::ToText(mode)));
}

void RelayedStream::OnEndOfStream(Position position, std::uint32_t exit_status) {
  ended_ = true;
  reporter_.Debug("end", "end of stream at position " + std::to_string(position),
                  {{"position", position}, {"status", std::uint64_t{exit_status}}});
  if (outlet_ && unsaid_gap_) outlet_->journal().Skip(position, 0, unsaid_gap_->reason);
  if (outlet_) {
    outlet_->End(exit_status);
    journals_.NoteEnd(outlet_->session());
  }
  if (!options_.follow) status_ = lost_ ? kExitLoss : kExitOk;
}

// What was received is kept. While a subscriber is waited for nothing more is asked for; nor is
// the next session begun, while there are some that are about to reach the end of this one.
void RelayedStream::OnReceived() {
  if (left_ || !outlet_) return;
  if (const auto origin = reader_.origin()) {
    outlet_->SetOrigin(origin->tail, origin->started_ns, origin->reached);
  }
  const bool paused = outlet_->held() || (ended_ && !outlet_->done());
  reader_.SetProgress(paused ? ModeOptions().hold_bytes : 0, outlet_->head());
}

void RelayedStream::OnLetGo(const std::string& endpoint, const std::string& reason) {
  reporter_.Warn("let-go",
                 About(endpoint) + "the publisher no longer waits for this relay: " + reason);
}

void RelayedStream::OnDamaged(const std::string& endpoint, const std::string& what) {
  reporter_.Warn("damaged", About(endpoint) + "a block arrived damaged (" + what +
                                ") and is fetched again");
}

void RelayedStream::OnNotReached(const std::string& endpoint, const std::string& why) {
  if (why == std::exchange(not_reached_, why)) return;
  reporter_.Info("not-reached", (endpoint.empty() ? "" : endpoint + ": ") + why);
}

void RelayedStream::OnSilence(const std::string& endpoint) {
  reporter_.Debug("silence", About(endpoint) + "nothing was heard: connecting anew");
}

void RelayedStream::OnNotAttached(const std::string&, const std::string&) {}

void RelayedStream::OnStandsApart(const std::string& endpoint,
                                  const control::Welcome& session) {
  reporter_.Warn("apart", About(endpoint) + "has session " + Hex(session.session) +
                              " of stream '" + session.stream +
                              "', which is not the one that is passed on");
}

void RelayedStream::OnEndpointFailed(const std::string& endpoint, const std::string& text) {
  reporter_.Warn("parent", About(endpoint) + text + "; it is not asked again");
}

void RelayedStream::OnFail(int exit_status, const std::string& text) {
  if (status_) return;
  reporter_.Error(exit_status == kExitRefused ? "refused" : "failed", text);
  Stop(exit_status);
}

// ---- what happens here ----

void RelayedStream::Tick() {
  OnReceived();
  if (status_ && !ended_) reader_.Stop();
  for (std::size_t i = 0; i < waiting_.size(); ++i) LookAt(i);
  const Duration silence = loop_.now() - reader_.last_heard();
  if (options_.give_up.count() == 0 || silence <= options_.give_up || status_ || ended_) return;
  reader_.GiveUp("the publisher vanished");
  const std::string limit = FormatDuration(options_.give_up) + " (--give-up)";
  reporter_.Error(
      "unreachable",
      reader_.welcomed()
          ? "the publisher vanished before the end of the stream: not heard for " + limit
          : "publisher of '" + stream_ + "' not reached for " + limit);
  Stop(kExitUnreachable);
}

/// Says of a parent that it is waited for, and that it answers again.
void RelayedStream::LookAt(std::size_t parent) {
  const TimePoint heard = reader_.last_heard(parent);
  if (loop_.now() - heard < kSayWaitingAfter) {
    if (!waiting_[parent]) return;
    waiting_[parent] = false;
    reporter_.Info("connected", "the publisher at " + reader_.endpoint(parent) + " answers");
  } else if (!waiting_[parent] && !status_ && !ended_ && reader_.is_asked(parent)) {
    waiting_[parent] = true;
    reporter_.Info("waiting", "waiting for a publisher of '" + stream_ + "' at " +
                                  reader_.endpoint(parent) +
                                  (heard > started_ ? ", which has fallen silent" : ""));
  }
}

/// Nothing more is read; what is kept is still served to those who lag.
void RelayedStream::Stop(int status) {
  if (status_) return;
  status_ = status;
  if (outlet_ && !ended_) outlet_->Drain();
  OnOutletChange();
}

void RelayedStream::OnOutletChange() {
  OnReceived();
  std::erase_if(retired_, [](const auto& outlet) { return outlet->done(); });
  if (!status_ || told_ || !retired_.empty() || (outlet_ && !outlet_->done())) return;
  told_ = true;
  if (*status_ == kExitOk && outlet_ && outlet_->unconfirmed()) status_ = kExitLoss;
  loop_.After(Duration(0), [this] { on_over_(*status_); });
}

void RelayedStream::Leave() {
  if (left_) return;
  left_ = true;
  for (const auto& outlet : retired_) outlet->Leave();
  if (outlet_) outlet_->Leave();
  reader_.SayGoodbye(outlet_ ? outlet_->head() : 0, ended_);
  reader_.Close();
}

}  // namespace pipedup
