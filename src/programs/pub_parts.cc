#include "programs/pub_parts.h"

#include <utility>

#include "base/clock.h"
#include "base/text.h"
#include "os/process.h"
#include "programs/publisher_reports.h"

namespace pipedup {

PubJournal MakePubJournal(const PubOptions& options, Reporter& reporter) {
  std::unique_ptr<ClusterJournal> cluster;
  if (options.cluster) {
    ClusterJournalOptions made;
    made.endpoint = *options.cluster;
    made.access = options.nats;
    made.stream = options.stream;
    made.records = options.records;
    made.replicas = options.nats_replicas;
    made.retain_bytes = options.nats_retain_bytes;
    made.retain_age = options.retain_age;
    cluster = ClusterJournal::Open(std::move(made), RandomId(), reporter);
  }
  PubJournal journal = MakePubJournal(
      options, [&reporter](const std::string& text) { reporter.Warn("journal", text); });
  if (cluster) {
    journal.options.session = cluster->session();
    journal.options.past = cluster->past();
  }
  journal.cluster = std::move(cluster);
  return journal;
}

Journal& BeginIn(Journal& journal, const PubJournal& kept) {
  if (kept.cluster) {
    journal.Skip(kept.cluster->position(), kept.cluster->records(), "before this publisher");
  }
  return journal;
}

PubJournal MakePubJournal(const PubOptions& options,
                          std::function<void(const std::string&)> warn) {
  PubJournal journal;
  JournalOptions& made = journal.options;
  made.session = RandomId();
  made.readers = options.journal_group ? Readers::kGroup : Readers::kNobody;
  made.records = options.records;
  made.retain_bytes = options.retain_bytes;
  made.retain_age = options.retain_age;
  made.checksum = options.checksum;
  made.wall_clock = WallNow;
  made.warn = std::move(warn);
  if (!options.journal.empty()) {
    journal.directory.emplace(JournalDirectory::OnDisk(options.journal, options.journal_group));
    made.directory = journal.directory->path();
    made.durable =
        JournalOptions::Durable{options.stream, options.sync, options.sync_interval, BootId()};
    return journal;
  }
  if (auto directory = JournalDirectory::Create(RuntimeDirectories(),
                                                options.stream + "-" + Hex(made.session),
                                                made.warn, options.journal_group)) {
    journal.directory.emplace(std::move(*directory));
    made.directory = journal.directory->path();
  } else {
    made.warn("journal: no directory can hold it; it stays in private memory");
  }
  return journal;
}

PublishedStreamOptions MakeStreamOptions(const PubOptions& options) {
  PublishedStreamOptions made;
  made.stream = options.stream;
  made.wait = options.wait;
  made.retain_bytes = options.retain_bytes;
  made.stall_limit = options.stall_limit;
  made.linger = options.linger;
  made.zstd_level = options.zstd_level;
  if (!options.journal.empty()) made.member_file = options.journal + "/members";
  return made;
}

ServerOptions MakeServerOptions(const PubOptions& options) {
  ServerOptions made;
  made.endpoints = options.bind;
  made.max_subs = options.max_subs;
  made.allowed = LoadAllowList(options.allow_keys);
  return made;
}

}  // namespace pipedup
