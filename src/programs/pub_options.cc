#include "programs/pub_options.h"

#include <charconv>
#include <optional>
#include <system_error>

#include "base/units.h"
#include "os/process.h"
#include "pipedup/nats_options.h"
#include "wire/compression.h"

namespace pipedup {
namespace {

using namespace std::chrono_literals;
using cli::Option;

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kTiB = kMiB * 1024 * 1024;
constexpr std::uint64_t kMostSubscribers = 1'000'000;
constexpr std::chrono::nanoseconds kDay = 24h;
constexpr std::uint16_t kDefaultHttpPort = 5592;
constexpr const char* kDefaultBind = "tcp://127.0.0.1:5590";

Endpoint DefaultEndpoint() {
  std::string why;
  return ParseEndpoint(kDefaultBind, &why).value();
}

cli::Store AddEndpoint(std::vector<Endpoint>* to) {
  return [to](std::string_view text) -> std::string {
    std::string why;
    std::optional<Endpoint> endpoint = ParseEndpoint(text, &why);
    if (!endpoint) return cli::Quote(text) + " is not an endpoint: " + why;
    to->push_back(std::move(*endpoint));
    return "";
  };
}

/// As an endpoint, with a port of its own where none is given.
std::string SetHttp(std::string_view text, PubOptions* to) {
  if (!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos) {
    return cli::Quote(text) + " is not an address: ':" + std::string(text) + "' is a port here";
  }
  std::string why;
  std::optional<Endpoint> endpoint = ParseEndpoint(text, &why);
  if (endpoint && endpoint->kind != Endpoint::Kind::kTcp) why = "HTTP is served over tcp";
  if (!why.empty()) return cli::Quote(text) + " is not an address for HTTP: " + why;
  const bool has_port = text.ends_with(":" + std::to_string(endpoint->port));
  if (!has_port && endpoint->port == kDefaultPort) endpoint->port = kDefaultHttpPort;
  to->http = std::move(endpoint);
  return "";
}

std::string SetJournal(std::string_view text, PubOptions* to) {
  to->cluster.reset();
  to->journal.clear();
  if (text.empty()) return "a directory is needed";
  if (!text.starts_with("nats://")) {
    to->journal = text;
    return "";
  }
  std::string why;
  to->cluster = ParseSource(text, &why);
  return to->cluster ? "" : cli::Quote(text) + " is not a stream of a cluster: " + why;
}

std::string SetSync(std::string_view text, PubOptions* to) {
  to->sync = SyncMode::kInterval;
  if (text == "never") {
    to->sync = SyncMode::kNever;
  } else if (text == "always") {
    to->sync = SyncMode::kAlways;
  } else {
    const auto interval = ParseDuration(text);
    if (!interval || *interval < 1ms || *interval > 1h) {
      return cli::Quote(text) + " is not never, always, or a time from 1ms to 1h";
    }
    to->sync_interval = *interval;
  }
  return "";
}

std::string SetCompression(std::string_view text, PubOptions* to) {
  to->zstd_level = 0;
  if (text == "none") return "";
  const std::string_view name = text.substr(0, text.find(':'));
  int level = kFastestLevel;
  bool sound = name == kZstdName;
  if (sound && name.size() < text.size()) {
    const std::string_view digits = text.substr(name.size() + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), level);
    sound = error == std::errc() && end == digits.data() + digits.size();
  }
  if (!sound || level < kFastestLevel || level > kBestLevel) {
    return cli::Quote(text) + " is not none, zstd, or zstd:LEVEL with a level from " +
           std::to_string(kFastestLevel) + " to " + std::to_string(kBestLevel);
  }
  to->zstd_level = level;
  return "";
}

std::vector<Option> StreamOptions(PubOptions* to) {
  return {
      {.name = "stream",
       .letter = 's',
       .value = "NAME",
       .summary = "Name of the stream.",
       .details = "Subscribers may ask for it; 1 to 128 letters, digits, '.', '_' or '-'.",
       .target = cli::Text(&to->stream, cli::CheckStreamName),
       .group = "Stream"},
      {.name = "exec",
       .value = "COMMAND",
       .summary = "Run the producer by sh -c.",
       .details = "In place of one after --, and for config files.",
       .target = cli::Text(&to->exec,
                           [](std::string_view text) -> std::string {
                             return text.empty() ? "'' is not a command" : "";
                           })},
      {.name = "records",
       .summary = "What separates records.",
       .details = "Readers begin at a record, and what is published at once ends with one. The "
                  "bytes themselves are never changed.",
       .target = cli::Choice<RecordFormat>(&to->records, {{"lines", RecordFormat::kLines},
                                                          {"nul", RecordFormat::kNul},
                                                          {"raw", RecordFormat::kRaw}})},
      {.name = "max-delay",
       .value = "DURATION",
       .summary = "Publish an unfinished record after this long.",
       .details = "Finished ones are published at once.",
       .target = cli::Time(&to->max_delay, 0ns, 1h)},
      {.name = "no-checksum",
       .summary = "Give blocks no checksum.",
       .details = "Faster; damage on the way goes unnoticed.",
       .target = cli::Flag(&to->checksum, false)},
      {.name = "tee",
       .letter = 't',
       .summary = "Copy the stream to stdout as well, as tee does.",
       .target = cli::Flag(&to->tee)},
  };
}

std::vector<Option> RetentionOptions(PubOptions* to) {
  return {
      {.name = "retain",
       .value = "SIZE",
       .summary = "Keep this much for late and slow subscribers.",
       .details = "In memory, or in --journal. A subscriber that falls further behind loses "
                  "data, and is told which.",
       .target = cli::Size(&to->retain_bytes, kMiB, kTiB)},
      {.name = "retain-age",
       .value = "DURATION",
       .summary = "Keep nothing longer than this.",
       .target = cli::Time(&to->retain_age, 0ns, 365 * kDay),
       .shown_default = "0s, no limit"},
      {.name = "journal-group",
       .value = "GROUP",
       .summary = "Let subscribers of this group read the journal itself.",
       .details = "Those on this machine that run as this user do in any case: it costs least.",
       .target = cli::Custom(
           [to](std::string_view text) -> std::string {
             to->journal_group = GroupId(std::string(text));
             return to->journal_group ? "" : cli::Quote(text) + " is not a group here";
           },
           ""),
       .shown_default = "nobody else"},
  };
}

std::vector<Option> NetworkOptions(PubOptions* to) {
  return {
      {.name = "bind",
       .letter = 'b',
       .value = "ENDPOINT",
       .summary = "Where subscribers connect.",
       .details =
           "HOST, HOST:PORT, :PORT, *:PORT, [::1]:PORT, tcp://... or ipc:///PATH. The port "
           "after it (or PATH.ctl) is taken as well. What other machines can reach needs keys, "
           "or --insecure.",
       .target = cli::List(AddEndpoint(&to->bind), kDefaultBind),
       .group = "Network"},
      {.name = "insecure",
       .summary = "Allow --bind beyond this machine without keys, and --http without a token.",
       .details = "Whoever can connect can read the stream.",
       .target = cli::Flag(&to->insecure)},
      {.name = "compress",
       .value = "none|zstd|zstd:LEVEL",
       .summary = "Compress what is sent, block by block.",
       .details =
           "For links that are slower than the stream. Once for all subscribers; the journal "
           "stays as it is. LEVEL: 1, fastest and the default, to 19; blocks over 64 KiB at "
           "most "
           "9. Above 3 the publisher may be slower than the producer. A block that does not "
           "shrink is sent as it is.",
       .target = cli::Custom([to](std::string_view text) { return SetCompression(text, to); },
                             "none")},
      {.name = "curve-secret",
       .value = "FILE",
       .summary = "Encrypt, with this secret key; needs --allow-keys.",
       .details =
           "Made by pipedup-keygen; subscribers need its public key. The key itself may be in "
           "the variable PIPEDUP_CURVE_SECRET_KEY instead, which the producer does not see.",
       .target = cli::KeyFile(&to->curve_secret)},
      {.name = "allow-keys",
       .value = "FILE",
       .summary = "Let in only those whose public keys are in FILE; needs --curve-secret.",
       .details =
           "A key and its name a line, as in the .pub files of pipedup-keygen; # begins a "
           "comment. SIGHUP means that it is read again, and nothing else then: whoever came "
           "with a key that is no longer there is cut off at once.",
       .target = cli::KeyFile(&to->allow_keys)},
  };
}

std::vector<Option> HttpOptions(PubOptions* to) {
  return {
      {.name = "http",
       .value = "ADDRESS:PORT",
       .summary = "Serve HTTP here: a live page, the stream, metrics, health.",
       .details =
           "/ in a browser; /stream and /events are the stream, /stats and /metrics what "
           "there is to know of it, /healthz and /readyz for those who look after "
           "processes. ADDRESS: this machine if it is left out, * for all; PORT: 5592 if it "
           "is left out. What other machines can reach needs --http-token, or --insecure.",
       .target = cli::Custom([to](std::string_view text) { return SetHttp(text, to); }),
       .group = "HTTP",
       .shown_default = "no HTTP"},
      {.name = "http-token",
       .value = "FILE",
       .summary = "Serve the stream and what concerns it only to those who show this token.",
       .details =
           "FILE has one line, and is readable by this user alone. Shown as Authorization: "
           "Bearer TOKEN; the page asks for it. SIGHUP means that it is read again, and "
           "nothing "
           "else then: whoever reads by another one is cut off. HTTP is not encrypted: beyond "
           "this machine "
           "put a proxy that does that in front of it.",
       .target = cli::KeyFile(&to->http_token),
       .shown_default = "none is asked for"},
  };
}

std::vector<Option> SubscriberOptionsOf(PubOptions* to) {
  return {
      {.name = "slow",
       .summary = "What happens when a subscriber is slower than the stream.",
       .details = "drop: the producer never waits. wait: it waits for the slowest subscriber "
                  "that is not a --tap, before retention would pass it.",
       .target = cli::Choice<bool>(&to->wait, {{"drop", false}, {"wait", true}}),
       .group = "Subscribers"},
      {.name = "stall-limit",
       .value = "DURATION",
       .summary = "With --slow wait: let go a subscriber that stands still this long.",
       .target = cli::Time(&to->stall_limit, 100ms, kDay)},
      {.name = "max-subs",
       .value = "N",
       .summary = "Most subscribers at a time.",
       .target = cli::Count(&to->max_subs, 1, kMostSubscribers)},
      {.name = "linger",
       .value = "DURATION",
       .summary = "At the end, wait this long for subscribers to confirm the last byte.",
       .target = cli::Time(&to->linger, 0ns, kDay)},
  };
}

std::vector<Option> ClusterOptions(PubOptions* to) {
  std::vector<Option> all = NatsOptions(&to->nats);
  all.push_back(
      {.name = "nats-replicas",
       .value = "N",
       .summary = "With --journal nats://: servers that keep it, if it has to be made.",
       .target = cli::Count(&to->nats_replicas, 1, 5)});
  all.push_back({.name = "nats-retain",
                 .value = "SIZE",
                 .summary = "With --journal nats://: what they keep, if it has to be made.",
                 .details = "--retain-age counts there, too.",
                 .target = cli::Size(&to->nats_retain_bytes, 0, 1024 * kTiB),
                 .shown_default = "0B, no limit"});
  return all;
}

std::vector<Option> StartOptions(PubOptions* to) {
  return {
      {.name = "wait-subs",
       .value = "N",
       .summary = "Read nothing before N subscribers have joined.",
       .target = cli::Count(&to->wait_subs, 0, kMostSubscribers)},
      {.name = "wait-timeout",
       .value = "DURATION",
       .summary = "With --wait-subs: begin after this long in any case.",
       .target = cli::Time(&to->wait_timeout, 0ns, 365 * kDay),
       .shown_default = "0s, no limit"},
      {.name = "progress",
       .letter = 'p',
       .summary = "Show on stderr how much is published, how fast, and who lags.",
       .details = "A line that is drawn in place, on a terminal only; with --log-format json "
                  "an event each second.",
       .target = cli::Flag(&to->progress)},
      {.name = "force-progress",
       .summary = "The same, also where stderr is no terminal: a line each second.",
       .target = cli::Flag(&to->force_progress)},
  };
}

/// Fills in what depends on several options. Returns "" or what is wrong.
std::string Complete(PubOptions* options) {
  if (!options->exec.empty()) {
    if (!options->producer.empty()) {
      return "--exec: there is a producer after -- already; give only one of them";
    }
    options->producer = {"/bin/sh", "-c", options->exec};
  }
  std::string secret;
  std::string wrong =
      cli::FindKey("--curve-secret", options->curve_secret, cli::kSecretKeyVariable, &secret);
  if (wrong.empty() && !secret.empty() && options->allow_keys.empty()) {
    wrong = secret +
            ": without --allow-keys FILE, the public keys of subscribers, nobody could come in";
  }
  if (wrong.empty()) wrong = CompleteShared(options, secret);
  if (!wrong.empty()) return wrong;
  if (wrong = CompleteDisk(options); !wrong.empty()) return wrong;
  if (wrong = CompleteNats(options->nats, options->cluster.has_value()); !wrong.empty()) {
    return wrong;
  }
  if (options->wait_subs > options->max_subs) {
    return "--wait-subs: " + std::to_string(options->wait_subs) +
           " subscribers cannot join with --max-subs " + std::to_string(options->max_subs);
  }
  return "";
}

/// Who may read over HTTP is no wider a circle than it is otherwise, unless that is said.
std::string CheckHttp(const PubOptions& options) {
  if (!options.http) {
    return options.http_token.empty() ? "" : "--http-token: it is of no use without --http";
  }
  if (!options.http_token.empty() || options.insecure) return "";
  const std::string ways =
      ": ask for a token (--http-token FILE), or give --insecure to let anyone who can connect "
      "read the stream";
  if (!options.http->IsLocal()) {
    const std::string address = options.http->data().substr(std::string_view("tcp://").size());
    return "--http: " + cli::Quote(address) + " can be reached from other machines" + ways;
  }
  if (!options.allow_keys.empty()) {
    return "--http: with --allow-keys only those with a key read the stream, but over HTTP "
           "anyone "
           "on this machine could" +
           ways;
  }
  return "";
}

}  // namespace

std::vector<Option> DiskOptions(PubOptions* to) {
  return {
      {.name = "journal",
       .value = "DIRECTORY",
       .summary = "Keep it on disk, or in a cluster: a restart goes on with the same stream.",
       .details =
           "After a restart, or a crash, the same session goes on at the next position, "
           "and subscribers notice a pause. One process at a time. nats://: in the "
           "stream NAME of a NATS JetStream cluster, where pipedup-sub reads it as well; "
           "while the cluster is away, what --retain holds.",
       .target = cli::Custom([to](std::string_view text) { return SetJournal(text, to); }),
       .shown_default = "in memory, gone at the end"},
      {.name = "fsync",
       .value = "never|DURATION|always",
       .summary = "With --journal: when it is made safe from a crash of the machine.",
       .details = "A process that is killed loses nothing in any case. always: a block is "
                  "published when it is safe.",
       .target = cli::Custom([to](std::string_view text) { return SetSync(text, to); }, "1s")},
  };
}

std::string CompleteDisk(PubOptions* options) {
  while (options->journal.size() > 1 && options->journal.back() == '/')
    options->journal.pop_back();
  const bool syncs_by_default =
      options->sync == SyncMode::kInterval && options->sync_interval == 1s;
  if (options->journal.empty() && !syncs_by_default) {
    return "--fsync: a journal in memory is not synced; give --journal DIRECTORY as well";
  }
  return "";
}

std::vector<Option> SharedOptions(PubOptions* to) {
  std::vector<Option> all = RetentionOptions(to);
  for (auto* more : {NetworkOptions, HttpOptions, SubscriberOptionsOf}) {
    for (Option& option : more(to)) all.push_back(std::move(option));
  }
  return all;
}

std::string CompleteShared(PubOptions* options, const std::string& secret) {
  if (options->bind.empty()) options->bind.push_back(DefaultEndpoint());
  if (secret.empty() && !options->allow_keys.empty()) {
    return "--allow-keys: a publisher that checks keys needs one itself: --curve-secret FILE "
           "(pipedup-keygen makes it)";
  }
  for (const Endpoint& endpoint : options->bind) {
    if (endpoint.IsLocal() || options->insecure || !options->allow_keys.empty()) continue;
    return "--bind: " + cli::Quote(endpoint.data()) +
           " can be reached from other machines: encrypt, and say who may come in, with keys "
           "that pipedup-keygen makes (--curve-secret FILE --allow-keys FILE), or give "
           "--insecure to let anyone who can connect read the stream";
  }
  return CheckHttp(*options);
}

cli::Program PubProgram(PubOptions* to, const std::string& libraries) {
  cli::Program program{
      .name = "pipedup-pub",
      .summary = "publish one program's output, live, to any number of readers",
      .usage = {"[options]", "[options] -- PRODUCER [ARGUMENT...]"},
      .examples = {{"make 2>&1 | pipedup-pub --tee",
                    "Publish what make says, and show it here too."},
                   {"pipedup-pub -s access -- tail -F /var/log/nginx/access.log",
                    "Run the producer, and take over its exit status."},
                   {"pipedup-pub --slow wait --wait-subs 2 < dump.sql",
                    "Wait for two readers, and for the slower of them."}},
      .options = StreamOptions(to),
      .exit_statuses = {{"0", "everything was published and confirmed, or nobody listened"},
                        {"1", "failure"},
                        {"2", "wrong usage"},
                        {"3", "a subscriber did not confirm the end within --linger"},
                        {"other", "that of the producer; 128 + N: ended by signal N"}},
      .libraries = libraries,
      .command = &to->producer,
      .check = [to] { return Complete(to); }};
  for (auto* more : {DiskOptions, SharedOptions, StartOptions, ClusterOptions}) {
    for (Option& option : more(to)) program.options.push_back(std::move(option));
  }
  return program;
}

ParsedPub ParsePubOptions(int argc, const char* const* argv, const std::string& libraries) {
  PubOptions options;
  cli::Parsed parsed = cli::Parse(PubProgram(&options, libraries), argc, argv);
  return {std::move(parsed), std::move(options)};
}

}  // namespace pipedup
