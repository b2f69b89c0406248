// What pipedup-pub can be told. Plain values: the command line fills them in, nothing acts.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/endpoint.h"
#include "journal/layout.h"
#include "pipedup/command_line.h"
#include "pipedup/nats.h"
#include "pipedup/types.h"

namespace pipedup {

struct PubOptions {
  std::string stream = "default";
  std::vector<Endpoint> bind;  ///< never empty once parsed
  bool insecure = false;       ///< may bind beyond this machine without keys
  std::string curve_secret;  ///< file; empty: no keys, or the secret one is in the environment
  std::string allow_keys;    ///< file; empty: no keys
  RecordFormat records = RecordFormat::kLines;
  std::chrono::nanoseconds max_delay = std::chrono::milliseconds(100);
  std::uint64_t retain_bytes = 64 * 1024 * 1024;  ///< 1 MiB to 1 TiB
  std::chrono::nanoseconds retain_age{0};         ///< 0: no limit
  bool wait = false;                              ///< --slow wait
  std::chrono::nanoseconds stall_limit = std::chrono::seconds(30);
  std::uint64_t wait_subs = 0;
  std::chrono::nanoseconds wait_timeout{0};  ///< 0: no limit
  std::chrono::nanoseconds linger = std::chrono::seconds(30);
  std::uint64_t max_subs = 1000;
  bool tee = false;
  bool checksum = true;
  int zstd_level = 0;   ///< --compress: 0: not, else 1 to 19
  std::string journal;  ///< directory on disk; empty: in memory
  std::optional<Endpoint>
      cluster;  ///< nats: where the stream is kept as well; no `journal` then
  NatsAccess nats;
  std::uint64_t nats_replicas = 3;
  std::uint64_t nats_retain_bytes = 0;  ///< 0: no limit
  SyncMode sync = SyncMode::kInterval;  ///< of a journal on disk
  std::chrono::nanoseconds sync_interval = std::chrono::seconds(1);
  std::optional<std::uint32_t> journal_group;  ///< may read the journal's files
  std::optional<Endpoint> http;                ///< tcp; nothing: no HTTP
  std::string http_token;                      ///< file; empty: none is asked for
  bool progress = false;
  bool force_progress = false;
  std::string exec;                   ///< the producer as a command for sh; becomes `producer`
  std::vector<std::string> producer;  ///< argv; empty: stdin
};

/// There are files that SIGHUP means to be read again: --allow-keys, --http-token.
inline bool ReadsFilesAgain(const PubOptions& options) {
  return !options.allow_keys.empty() || !options.http_token.empty();
}

struct ParsedPub {
  cli::Parsed parsed;
  PubOptions options;  ///< complete unless `parsed` has an exit status
};

/// The table of options, which fills in `*to`.
cli::Program PubProgram(PubOptions* to, const std::string& libraries);

/// Where the journal is kept. They fill in `*to`, and CompleteDisk checks them.
std::vector<cli::Option> DiskOptions(PubOptions* to);
/// Returns "" or what is wrong.
std::string CompleteDisk(PubOptions* options);

/// The options of a program that publishes what it has read elsewhere: what is kept, where
/// subscribers connect, and what becomes of slow ones. They fill in `*to`.
std::vector<cli::Option> SharedOptions(PubOptions* to);
/// Fills in, and checks, what depends on several of these. `secret` is where the secret key
/// comes from, "" if there is none. Returns "" or what is wrong.
std::string CompleteShared(PubOptions* options, const std::string& secret);

/// Reads the command line of pipedup-pub, as cli::Parse does. `libraries`: see LibraryVersions.
ParsedPub ParsePubOptions(int argc, const char* const* argv, const std::string& libraries);

}  // namespace pipedup
