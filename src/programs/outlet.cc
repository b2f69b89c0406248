#include "programs/outlet.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "programs/cluster_source.h"
#include "subscribe/fallback_ranges.h"
#include "subscribe/range_reader.h"

namespace pipedup {
namespace {

constexpr auto kDrainCheckEvery =
    std::chrono::milliseconds(100);  // whether all have read what there is

/// In which a subscriber notices that a relay has been killed, and finds the next one.
constexpr auto kStay = std::chrono::seconds(5);

PublishedStreamOptions MakeStreamOptions(const PubOptions& options, std::string stream,
                                         std::vector<std::string> path, OlderBlocks& older,
                                         int zstd_level, const Journal& journal) {
  PublishedStreamOptions made;
  if (!options.journal.empty() && journal.sync_fd() >= 0) {
    made.member_file = journal.directory() + "/members";
  }
  made.stream = std::move(stream);
  made.wait = options.wait;
  made.retain_bytes = options.retain_bytes;
  made.stall_limit = options.stall_limit;
  made.linger = options.linger;
  made.zstd_level = zstd_level;
  made.stay = kStay;
  made.path = std::move(path);
  made.older = &older;
  return made;
}

/// What comes compressed leaves compressed.
int LevelOf(const PubOptions& options, const control::Welcome& session) {
  if (options.zstd_level > 0) return options.zstd_level;
  return session.codec == kZstdName ? kFastestLevel : 0;
}

/// As somebody whom nobody waits for.
control::Hello OlderHello(control::Hello hello, const std::string& stream) {
  hello.id = RandomHex(8);
  hello.stream = stream;
  hello.role = control::Role::kTap;
  return hello;
}

/// A cluster is asked first where there is one: it keeps more than anybody else.
std::unique_ptr<AnyRangeReader> AskParents(Context& context, EventLoop& loop,
                                           const RelayOptions& options, control::Hello hello,
                                           const control::Welcome& session,
                                           RangeReaderEvents& events) {
  std::vector<Endpoint> publishers;
  const Endpoint* cluster = nullptr;
  for (const Endpoint& parent : options.from) {
    if (parent.kind != Endpoint::Kind::kNats) {
      publishers.push_back(parent);
    } else if (cluster == nullptr) {
      cluster = &parent;
    }
  }
  const auto ask_cluster = [&](RangeReaderEvents& to) {
    return ReadRangesFromCluster(loop, *cluster, options.publish.nats, session.session, to);
  };
  const auto ask_publishers = [&](RangeReaderEvents& to) {
    return std::make_unique<RangeReader>(context, loop, publishers,
                                         OlderHello(hello, session.stream), session.session,
                                         options.dead_after, to);
  };
  if (cluster == nullptr) return ask_publishers(events);
  if (publishers.empty()) return ask_cluster(events);
  return std::make_unique<FallbackRanges>(ask_cluster, ask_publishers, events);
}

}  // namespace

Outlet::Outlet(Context& context, EventLoop& loop, Server& server, HttpSide& http,
               const RelayOptions& options, Reporter& reporter, const control::Welcome& session,
               KeptJournal kept, control::Hello hello, std::vector<std::string> path,
               OnChange on_change)
    : loop_(loop),
      options_(options),
      reporter_(reporter),
      stream_(session.stream),
      on_change_(std::move(on_change)),
      kept_(std::move(kept)),
      hold_(loop, reporter),
      older_tail_(session.tail),
      older_(AskParents(context, loop, options, std::move(hello), session, *this)) {
  if (const int fd = kept_.journal->sync_fd(); fd >= 0) {
    synced_ = loop_.OnReadable(fd, [this] {
      kept_.journal->Synced();
      Change();  // what is safe is confirmed
    });
  }
  PublishedStreamEvents& events = *this;
  publisher_ = std::make_unique<PublishedStream>(
      server, *kept_.journal,
      MakeStreamOptions(options.publish, stream_, std::move(path), *this,
                        LevelOf(options.publish, session), *kept_.journal),
      events);
  http_ = std::make_unique<HttpTap>(http, stream_, *kept_.journal, *publisher_);
  SetOrigin(session.tail, session.started_ns, std::max(session.head, session.reached));
}

Outlet::~Outlet() {
  if (synced_ != 0) loop_.Remove(synced_);
  loop_.Cancel(drain_);
  loop_.Cancel(give_up_);
  loop_.Cancel(change_);
}

void Outlet::Append(const BlockHeader& header, Position from, const SharedBytes& bytes) {
  if (bytes.encoded) publisher_->PassOn(header, *bytes.encoded);
  kept_.journal->AppendBlock(header, from, bytes.bytes);
}

// ---- the end ----

void Outlet::End(std::uint32_t exit_status) {
  older_->ExpectEnd();
  kept_.journal->Settle();
  http_->End(exit_status, options_.publish.linger, [this] { Change(); });
  publisher_->End(exit_status);
}

void Outlet::Drain() {
  if (drain_ != 0) return;
  publisher_->ForgetOlder();
  http_->Drain();
  drain_ = loop_.Every(kDrainCheckEvery, [this] { CheckDrained(); });
  give_up_ = loop_.After(options_.publish.linger, [this] { Leave(); });
}

void Outlet::CheckDrained() {
  const auto& members = publisher_->members().all();
  const bool all = std::ranges::all_of(members, [this](const auto& entry) {
    return entry.second.role == control::Role::kTop || entry.second.position >= head();
  });
  if (all && http_->drained()) Leave();
}

void Outlet::Leave() {
  loop_.Cancel(std::exchange(drain_, 0));
  loop_.Cancel(std::exchange(give_up_, 0));
  if (done_) return;
  publisher_->Leave();
  done_ = left_ = true;
  Change();
}

void Outlet::OnFinished(const std::vector<std::string>& unconfirmed) {
  ReportUnconfirmed(reporter_, unconfirmed);
  unconfirmed_ = !unconfirmed.empty();
  done_ = true;
  Change();
}

// Not from within what has changed it: the owner may destroy this.
void Outlet::Change() {
  if (change_ != 0) return;
  change_ = loop_.After(Duration(0), [this] {
    change_ = 0;
    on_change_();
  });
}

// ---- what is older ----

void Outlet::SetOrigin(Position tail, std::int64_t started_ns, Position reached) {
  older_tail_ = tail;
  publisher_->SetOrigin(started_ns, reached);
}

void Outlet::OnRangeBlock(std::uint64_t ticket, const BlockHeader& header,
                          SharedBytes payload) {
  publisher_->OnOlderBlock(ticket, {header, std::move(payload)});
}

void Outlet::OnRangeDone(std::uint64_t ticket, const control::Done* done) {
  older_lost_ = older_lost_ || (done == nullptr && older_->expects_end());
  publisher_->OnOlderDone(ticket, done);
}

bool Outlet::MoreIsNeeded() const {
  return std::ranges::any_of(publisher_->members().all(), [this](const auto& entry) {
    return entry.second.role != control::Role::kTop &&
           entry.second.position < kept_.journal->tail();
  });
}

// ---- subscribers ----

void Outlet::OnJoined(const Member& member) {
  ReportJoined(reporter_, member);
}

void Outlet::OnLeft(const Member& member, Leaving how) {
  ReportLeft(reporter_, member, how);
}

void Outlet::OnReady(std::size_t) {}

void Outlet::OnHold(const Member* waits_for) {
  hold_.OnHold(waits_for, head());
  Change();
}

void Outlet::OnLetGo(const Member& member) {
  ReportLetGo(reporter_, member, options_.publish.stall_limit);
}

}  // namespace pipedup
