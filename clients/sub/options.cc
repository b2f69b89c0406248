#include "options.h"

#include <pipedup/nats_options.h>
#include <pipedup/version.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
using pipedup::SubscribeOptions;
using pipedup::cli::Option;

constexpr std::chrono::nanoseconds kYear = 365 * 24h;
constexpr std::size_t kMaxNameBytes = 256;

std::string CheckName(std::string_view text) {
  if (!text.empty() && text.size() <= kMaxNameBytes) return "";
  return pipedup::cli::Quote(text) + " is not a name: 1 to 256 bytes";
}

std::string CheckFile(std::string_view text) {
  return text.empty() ? "'' is not a file" : "";
}

std::vector<Option> StreamOptions(Line* to) {
  namespace cli = pipedup::cli;
  SubscribeOptions& options = to->options;
  return {
      {.name = "endpoint",
       .value = "ENDPOINT",
       .summary = "Where the publisher is; may be given several times.",
       .details =
           "HOST, HOST:PORT, :PORT, [::1]:PORT, tcp://..., ipc:///PATH, or "
           "nats://HOST,HOST/NAME: the stream NAME of a NATS cluster. Several that have the "
           "same session are read as one stream: each block is taken from whoever has "
           "it first, "
           "and what one lacks from the others. One that dies is not felt. Different "
           "streams are "
           "merged: whole records are interleaved (see --prefix), until all have ended.",
       .target = cli::List(
           [to](std::string_view text) -> std::string {
             std::string endpoint;
             std::string wrong = cli::ParseEndpointText(text, &endpoint);
             if (wrong.empty()) to->endpoints.push_back(endpoint);
             return wrong;
           },
           options.endpoints.front()),
       .group = "What to read",
       .positional = true},
      {.name = "stream",
       .letter = 's',
       .value = "NAME",
       .summary = "Name of the stream, or a pattern: all that match.",
       .details =
           "'*' is any text, '?' a character. The streams of all endpoints that match are "
           "merged, also those that come while others are read.",
       .target = cli::Text(&options.stream, cli::CheckStreamPattern),
       .shown_default = "the one there is"},
      {.name = "from",
       .value = "now|start|POSITION|-DURATION",
       .summary = "Where to begin: now, start, a position, or a time ago (-5m).",
       .details =
           "A new reader begins at the first record from there on. start is the oldest that "
           "the publisher has kept.",
       .target = cli::Custom(
           [&options](std::string_view text) { return cli::ParseStartAt(text, &options.from); },
           "now"),
       .conflicts = "last"},
      {.name = "last",
       .letter = 'n',
       .value = "N",
       .summary = "Begin with the last N records, then go on live.",
       .target = cli::Count(&to->last),
       .conflicts = "from"},
      {.name = "cursor",
       .value = "FILE",
       .summary = "Keep in FILE how far the stream was written, and go on there next time.",
       .details =
           "Also after a kill at any point, without loss. Where stdout is a regular file (give "
           "it by >>) not a byte comes twice. Where it is a pipe, or with consumers, the one "
           "write that was under way may: its positions are said. --from and --last count "
           "while there is no FILE yet, or when its session is gone. Of one stream only.",
       .target = cli::Text(&options.cursor, CheckFile)},
      {.name = "count",
       .value = "N",
       .summary = "Stop after N records, of all streams together.",
       .target = cli::Count(&options.count, 1)},
      {.name = "timeout",
       .value = "DURATION",
       .summary = "Stop after this long, with status 124.",
       .target = cli::Time(&options.timeout, 1ms, kYear)},
  };
}

std::vector<Option> KeyOptions(Line* to) {
  namespace cli = pipedup::cli;
  SubscribeOptions& options = to->options;
  return {
      {.name = "server-key",
       .value = "FILE",
       .summary = "Encrypt, and read only from the publisher with this public key.",
       .details =
           "FILE is a copy of the .pub file that pipedup-keygen made there. The key itself "
           "may be in the variable PIPEDUP_SERVER_PUBLIC_KEY instead. Needs --curve-secret.",
       .target = cli::KeyFile(&options.server_key),
       .group = "Keys"},
      {.name = "curve-secret",
       .value = "FILE",
       .summary = "This subscriber's secret key; needs --server-key.",
       .details =
           "Made by pipedup-keygen; its public key has to be in the publisher's --allow-keys. "
           "The key itself may be in the variable PIPEDUP_CURVE_SECRET_KEY instead. Consumers "
           "see neither variable.",
       .target = cli::KeyFile(&options.curve_secret)},
  };
}

std::vector<Option> BehaviorOptions(Line* to) {
  namespace cli = pipedup::cli;
  SubscribeOptions& options = to->options;
  return {
      {.name = "follow",
       .letter = 'F',
       .summary = "Stay through the end of a session and publisher restarts, like tail -F.",
       .details = "Without it, the end of the stream is the end.",
       .target = cli::Flag(&options.follow),
       .group = "Behavior"},
      {.name = "strict",
       .summary = "Stop at the first gap.",
       .details = "Without it, each gap is reported, and the status at the end is 3.",
       .target = cli::Flag(&options.strict)},
      {.name = "tap",
       .summary = "Never make a producer wait.",
       .details = "For a look at a stream whose publisher was given --slow wait.",
       .target = cli::Flag(&options.tap)},
      {.name = "no-attach",
       .summary = "Do not read the journal of a publisher on this machine.",
       .details = "It is read, when it can be, because that costs least; with this the network "
                  "is used in any case.",
       .target = cli::Flag(&options.attach, false)},
      {.name = "name",
       .value = "NAME",
       .summary = "What operators see.",
       .target = cli::Text(&options.name, CheckName),
       .shown_default = "host and process id"},
      {.name = "give-up",
       .value = "DURATION",
       .summary = "Give up when the publisher is not reachable for this long.",
       .details = "0 is never.",
       .target = cli::Time(&to->give_up, 0ns, kYear),
       .shown_default = "30s, with --follow never"},
      {.name = "dead-after",
       .value = "DURATION",
       .summary = "Remake the connection after this long without a sign of life.",
       .target = cli::Time(&options.dead_after, 200ms, 1h)},
  };
}

std::vector<Option> ConsumerOptions(Line* to) {
  namespace cli = pipedup::cli;
  SubscribeOptions& options = to->options;
  return {
      {.name = "exec",
       .value = "COMMAND",
       .summary = "Run a consumer of the stream by sh -c; may be given several times.",
       .details =
           "Each has its own position and pace: a slow, stopped or dead one does not touch the "
           "others. The pace is that of the fastest. One that falls more than 64MiB behind it "
           "loses data: the gap is reported with its name, and the status is 3. A single "
           "consumer, also one after --, is never passed: the stream waits for it at the "
           "publisher. The stream then goes to the consumers only; what they write goes to "
           "stdout.",
       .target = cli::List([&options](std::string_view text) -> std::string {
         if (text.empty()) return "'' is not a command";
         options.exec.emplace_back(text);
         return "";
       }),
       .group = "Consumers"},
      {.name = "restart",
       .summary = "Whether a consumer that ends before the stream does is started again.",
       .details = "After 100 ms, then after twice as long each time, up to 10 s; it goes on at "
                  "the first byte that was not read.",
       .target = cli::Choice<pipedup::Restart>(&options.restart,
                                               {{"never", pipedup::Restart::kNever},
                                                {"on-failure", pipedup::Restart::kOnFailure},
                                                {"always", pipedup::Restart::kAlways}})},
  };
}

std::vector<Option> OutputOptions(Line* to) {
  namespace cli = pipedup::cli;
  SubscribeOptions& options = to->options;
  return {
      {.name = "prefix",
       .summary = "Label each record with its stream.",
       .target = cli::Flag(&options.prefix),
       .group = "Output"},
      {.name = "timestamps",
       .summary = "Label each record with its publish time.",
       .target = cli::Flag(&options.timestamps)},
      {.name = "progress",
       .letter = 'p',
       .summary = "Show on stderr how much has come, how fast, lag and loss.",
       .details = "A line that is drawn in place, on a terminal only; with --log-format json "
                  "an event each second.",
       .target = cli::Flag(&options.progress)},
      {.name = "force-progress",
       .summary = "The same, also where stderr is no terminal: a line each second.",
       .target = cli::Flag(&options.force_progress)},
      {.name = "stats",
       .summary = "Say totals at the end.",
       .target = cli::Flag(&options.stats)},
  };
}

/// Fills in what depends on several options, and says what is wrong with them together.
std::string Complete(Line* line) {
  const SubscribeOptions& options = line->options;
  if (std::string wrong =
          pipedup::cli::CheckReaderKeys(options.server_key, options.curve_secret);
      !wrong.empty()) {
    return wrong;
  }
  if (!options.consumer.empty() && !options.exec.empty()) {
    return "--exec: there is a consumer after -- already; give every one by --exec";
  }
  if (options.restart != pipedup::Restart::kNever && options.consumer.empty() &&
      options.exec.empty()) {
    return "--restart: there is no consumer to start again (--exec COMMAND, or -- COMMAND)";
  }
  if (!line->endpoints.empty()) line->options.endpoints = line->endpoints;
  const bool nats = std::any_of(options.endpoints.begin(), options.endpoints.end(),
                                [](const auto& one) { return one.starts_with("nats://"); });
  if (std::string wrong = pipedup::CompleteNats(options.nats, nats); !wrong.empty())
    return wrong;
  const bool pattern =
      options.stream && options.stream->find_first_of("*?") != std::string::npos;
  if (pattern && options.cursor) {
    return "--cursor: a cursor is of one stream, and " + pipedup::cli::Quote(*options.stream) +
           " may be several";
  }
  if (line->last) line->options.from = {pipedup::StartAt::Kind::kLast, *line->last};
  if (line->give_up || line->options.follow) {
    line->options.give_up = line->give_up.value_or(0ns);
  }
  return "";
}

}  // namespace

pipedup::cli::Program SubProgram(Line* to) {
  pipedup::cli::Program program{
      .name = "pipedup-sub",
      .summary = "write a stream that pipedup-pub publishes to stdout, or to consumers",
      .usage = {"[options] [ENDPOINT...] [-- CONSUMER...]"},
      .examples = {{"pipedup-sub | grep --line-buffered ERROR",
                    "Read what the publisher on this machine has from now on."},
                   {"pipedup-sub --from start build.example.org:5590 > build.log",
                    "All that is kept, then live, until the stream ends."},
                   {"pipedup-sub relay1.example.org relay2.example.org > build.log",
                    "The same stream from both: either may die."},
                   {"pipedup-sub --cursor web.cursor >> web.log",
                    "Go on where the last run stopped, however it ended."},
                   {"pipedup-sub --restart on-failure -- ./import --batch",
                    "Run a consumer, and start it again where it stopped if it fails."},
                   {"pipedup-sub --exec 'grep 500 > errors' --exec './stats'",
                    "Several, each at its own pace."},
                   {"pipedup-sub -F -n 100 ipc:///run/app.sock",
                    "The last 100 records, and on through restarts of the publisher."}},
      .options = StreamOptions(to),
      .exit_statuses = {{"0", "the end of the stream was reached and nothing was lost"},
                        {"1", "failure"},
                        {"2", "wrong usage"},
                        {"3", "data was lost; each gap was reported"},
                        {"4", "publisher not reached, or vanished before the end"},
                        {"5", "refused by the publisher"},
                        {"124", "--timeout has passed"},
                        {"126, 127", "the consumer could not be run, was not found"},
                        {"N", "of the first consumer, as given, whose status is not 0"},
                        {"128+N", "ended by signal N"},
                        {"141", "the reader of stdout has left"}},
      .libraries = pipedup::LibraryVersions(),
      .command = &to->options.consumer,
      .check = [to] { return Complete(to); }};
  for (auto* more : {KeyOptions, BehaviorOptions, ConsumerOptions, OutputOptions}) {
    for (Option& option : more(to)) program.options.push_back(std::move(option));
  }
  for (Option& option : pipedup::NatsOptions(&to->options.nats)) {
    program.options.push_back(std::move(option));
  }
  return program;
}
