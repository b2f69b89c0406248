#include "programs/relay_run.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "journal/layout.h"
#include "os/file.h"
#include "os/process.h"
#include "programs/key_files.h"
#include "programs/sub_reports.h"

namespace pipedup {
namespace {

constexpr auto kFirstCheckEvery = std::chrono::milliseconds(100);
constexpr std::size_t kIdBytes = 8;

ServerOptions MakeServerOptions(const RelayOptions& options, Connections& connections) {
  ServerOptions made;
  made.endpoints = options.publish.bind;
  made.max_subs = options.publish.max_subs;
  made.connections = &connections;
  made.allowed = LoadAllowList(options.publish.allow_keys);
  made.streams_may_come = true;
  return made;
}

/// Of this process alone, with the journals of all streams in it.
std::optional<JournalDirectory> HoldDirectory(const PubOptions& options) {
  if (options.journal.empty()) return std::nullopt;
  JournalDirectory held = JournalDirectory::OnDisk(options.journal, options.journal_group);
  std::string why;
  if (ReadJournalLabel(held.path(), &why)) {
    throw Error("journal '" + Escape(options.journal) +
                "': is that of a publisher; a relay needs a directory of its own");
  }
  return held;
}

/// By which parents and the relays behind it know it, also after a restart.
std::string KeptId(const std::string& directory, Reporter& reporter) {
  const std::string path = directory + "/id";
  std::string why;
  if (auto kept = ReadRegularFile(path, &why)) {
    if (kept->size() == 2 * kIdBytes + 1 && kept->back() == '\n') {
      kept->pop_back();
      return *kept;
    }
  }
  std::string id = RandomHex(kIdBytes);
  if (const int error = ReplaceFile(path, id + "\n", Readers::kNobody, true); error != 0) {
    reporter.Warn("journal", "journal: write to '" + path + "': " + ErrnoText(error));
  }
  return id;
}

std::string Listed(const std::vector<Endpoint>& endpoints) {
  std::string text;
  for (const Endpoint& endpoint : endpoints) {
    text += (text.empty() ? "" : ", ") + endpoint.data();
  }
  return text;
}

}  // namespace

RelayRun::RelayRun(const RelayOptions& options, Reporter& reporter, Connections& connections)
    : options_(options),
      reporter_(reporter),
      signals_({SIGINT, SIGTERM, SIGHUP, SIGQUIT}),
      context_(
          LoadRelayKeys(options.server_key, options.publish.curve_secret, options.encrypt)),
      server_reports_(reporter),
      server_(context_, loop_, MakeServerOptions(options, connections), server_reports_),
      http_(loop_, connections, options.publish, reporter),
      directory_(HoldDirectory(options.publish)),
      id_(directory_ ? KeptId(directory_->path(), reporter) : RandomHex(kIdBytes)),
      started_(loop_.now()) {
  loop_.OnReadable(signals_.fd(), [this] { OnSignals(); });
  if (ReadsFilesAgain(options_.publish) && !signals_.Takes(SIGHUP)) ReportReadOnce(reporter_);
  if (!IsPattern(options_.streams)) {
    Add(options_.streams);
  } else {
    FindStreams();
  }
}

int RelayRun::Run() {
  loop_.Run();
  for (auto& [name, entry] : streams_) {
    entry.stream->Leave();
  }
  return status_;
}

// ---- streams ----

void RelayRun::FindStreams() {
  for (const Endpoint& parent : options_.from) {
    if (parent.kind == Endpoint::Kind::kNats) {
      found_in_clusters_.push_back(ClusterStream::Find(
          loop_, parent, options_.publish.nats, [this](const std::string& name) {
            if (MatchesPattern(options_.streams, name)) Add(name);
          }));
      continue;
    }
    finders_.push_back(std::make_unique<StreamList>(
        context_, loop_, parent, options_.dead_after,
        [this](const control::ListedStream& listed) {
          if (MatchesPattern(options_.streams, listed.stream)) Add(listed.stream);
        },
        [] {}));
  }
  look_ = loop_.Every(kFirstCheckEvery, [this] { LookForFirst(); });
}

void RelayRun::Add(const std::string& name) {
  if (streams_.contains(name)) return;
  loop_.Cancel(std::exchange(look_, 0));
  streams_[name].stream = std::make_unique<RelayedStream>(
      context_, loop_, server_, http_, options_, reporter_, name, id_,
      [this, name](int status) { OnOver(name, status); });
}

// As long as there is no stream: what is waited for, and for how long.
void RelayRun::LookForFirst() {
  TimePoint heard = started_;
  for (const auto& finder : finders_) heard = std::max(heard, finder->last_heard());
  const bool answered = heard > started_;
  const std::string what =
      answered ? "waiting for a stream" +
                     (options_.streams == "*" ? "" : " like '" + options_.streams + "'") +
                     " at " + Listed(options_.from)
               : "waiting for a publisher at " + Listed(options_.from);
  const Duration waited = loop_.now() - started_;
  if (waited >= kSayWaitingAfter && !std::exchange(said_waiting_, true)) {
    reporter_.Info("waiting", what);
  }
  if (options_.give_up.count() == 0 || waited <= options_.give_up) return;
  reporter_.Error("unreachable",
                  what + ": in vain for " + FormatDuration(options_.give_up) + " (--give-up)");
  status_ = kExitUnreachable;
  loop_.Stop();
}

void RelayRun::OnOver(const std::string& name, int status) {
  Entry& entry = streams_.at(name);
  entry.stream->Leave();  // it is what calls this, and destroyed at the end
  entry.status = status;
  for (const auto& [other, its] : streams_) {
    if (!its.status) return;
  }
  // A loss is the least of what can have gone wrong.
  for (const auto& [other, its] : streams_) {
    if (*its.status != kExitOk && (status_ == kExitOk || status_ == kExitLoss)) {
      status_ = *its.status;
    }
  }
  loop_.Stop();
}

void RelayRun::OnSignals() {
  for (auto signal = signals_.Next(); signal.number != 0; signal = signals_.Next()) {
    if (signal.number == SIGHUP && ReadsFilesAgain(options_.publish)) {
      if (!options_.publish.allow_keys.empty()) {
        ReadKeysAgain(reporter_, options_.publish.allow_keys, server_);
      }
      http_.ReadTokenAgain();
      continue;
    }
    reporter_.Debug("stopped", "stopped by a signal; the stream has not ended");
    status_ = kExitSignalBase + signal.number;
    loop_.Stop();
  }
}

}  // namespace pipedup
