#include "programs/top_options.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace pipedup {
namespace {

using namespace std::chrono_literals;
using cli::Option;

constexpr const char* kDefaultEndpoint = "tcp://127.0.0.1:5590";
constexpr std::chrono::nanoseconds kYear = 365 * 24h;

std::string AddEndpoint(std::string_view text, TopOptions* to) {
  std::string why;
  std::optional<Endpoint> endpoint = ParseEndpoint(text, &why);
  if (!endpoint) return cli::Quote(text) + " is not an endpoint: " + why;
  if (endpoint->kind == Endpoint::Kind::kTcp && endpoint->port == 0) {
    return cli::Quote(text) + ": port 0 is nobody's";
  }
  const bool known = std::ranges::find(to->endpoints, *endpoint) != to->endpoints.end();
  if (!known) to->endpoints.push_back(std::move(*endpoint));
  return "";
}

cli::Target OptionalSize(std::optional<std::uint64_t>* to) {
  return cli::Custom([to](std::string_view text) {
    std::uint64_t bytes = 0;
    std::string wrong = cli::Size(&bytes).store(text);
    if (wrong.empty()) *to = bytes;
    return wrong;
  });
}

std::vector<Option> LookOptions(TopOptions* to) {
  return {
      {.name = "endpoint",
       .value = "ENDPOINT",
       .summary = "A publisher or relay; may be given several times.",
       .details = "HOST, HOST:PORT, :PORT, [::1]:PORT, tcp://... or ipc:///PATH.",
       .target = cli::List([to](std::string_view text) { return AddEndpoint(text, to); },
                           kDefaultEndpoint),
       .group = "What to look at",
       .positional = true},
      {.name = "stream",
       .letter = 's',
       .value = "NAME",
       .summary = "Name of the stream, or a pattern: all that match.",
       .details = "'*' is any text, '?' a character.",
       .target = cli::Text(&to->streams, cli::CheckStreamPattern),
       .shown_default = "all there are"},
      {.name = "timeout",
       .value = "DURATION",
       .summary = "An endpoint that lets a question wait for longer is away.",
       .target = cli::Time(&to->timeout, 100ms, 1h)},
      {.name = "server-key",
       .value = "FILE",
       .summary = "Encrypt, and ask only the publisher with this public key.",
       .details =
           "FILE is a copy of the .pub file that pipedup-keygen made there. The key itself may "
           "be in the variable PIPEDUP_SERVER_PUBLIC_KEY instead. Needs --curve-secret. All "
           "endpoints have that one.",
       .target = cli::KeyFile(&to->server_key)},
      {.name = "curve-secret",
       .value = "FILE",
       .summary = "The secret key of who looks; needs --server-key.",
       .details = "Made by pipedup-keygen; its public key has to be in the publisher's "
                  "--allow-keys. The key itself may be in the variable "
                  "PIPEDUP_CURVE_SECRET_KEY instead.",
       .target = cli::KeyFile(&to->curve_secret)},
  };
}

std::vector<Option> ShowOptions(TopOptions* to) {
  return {
      {.name = "once",
       .letter = '1',
       .summary = "Print one table and exit, as without a terminal.",
       .details = "It takes an --interval, over which rates are measured.",
       .target = cli::Flag(&to->once),
       .group = "What to show"},
      {.name = "json",
       .letter = 'j',
       .summary = "Print an object on a line, every --interval, or --once.",
       .target = cli::Flag(&to->json)},
      {.name = "sort",
       .summary = "What comes first: the largest, or with name a to z.",
       .target = cli::Choice<top::Sort>(&to->sort, {{"lag", top::Sort::kLag},
                                                    {"rate", top::Sort::kRate},
                                                    {"lost", top::Sort::kLost},
                                                    {"name", top::Sort::kName}})},
      {.name = "interval",
       .letter = 'i',
       .value = "DURATION",
       .summary = "How often to ask, and to show what has changed.",
       .target = cli::Time(&to->interval, 100ms, 1h)},
  };
}

std::vector<Option> CheckOptions(TopOptions* to) {
  return {
      {.name = "check",
       .letter = 'c',
       .summary = "Print nothing, exit with 0 if all is well, else say why and exit with 1.",
       .details =
           "For health checks. All is well when every endpoint answers within --timeout, has a "
           "stream (the one of --stream, if that is given), and no bound that is given below "
           "is passed.",
       .target = cli::Flag(&to->check),
       .group = "Health"},
      {.name = "max-lag",
       .value = "SIZE",
       .summary = "With --check: no subscriber may be further behind.",
       .target = OptionalSize(&to->bounds.max_lag)},
      {.name = "max-lag-time",
       .value = "DURATION",
       .summary = "With --check: what no subscriber has yet may not be older.",
       .target = cli::Time(&to->bounds.max_lag_time, 0ns, kYear)},
      {.name = "max-lost",
       .value = "SIZE",
       .summary = "With --check: no subscriber that is there may have lost more.",
       .target = OptionalSize(&to->bounds.max_lost)},
      {.name = "min-subs",
       .value = "N",
       .summary = "With --check: each stream has at least N subscribers until it ends.",
       .target = cli::Count(&to->bounds.min_subs)},
  };
}

/// Fills in what depends on several options. Returns "" or what is wrong.
std::string Complete(TopOptions* options) {
  if (std::string wrong = cli::CheckReaderKeys(options->server_key, options->curve_secret);
      !wrong.empty()) {
    return wrong;
  }
  if (options->check && (options->once || options->json)) {
    return std::string("--check prints nothing: ") + (options->once ? "--once" : "--json") +
           " cannot be given with it";
  }
  const top::HealthBounds& bounds = options->bounds;
  if (!options->check &&
      (bounds.max_lag || bounds.max_lag_time || bounds.max_lost || bounds.min_subs)) {
    return "--max-lag, --max-lag-time, --max-lost and --min-subs are bounds for --check";
  }
  if (options->endpoints.empty()) return AddEndpoint(kDefaultEndpoint, options);
  return "";
}

cli::Program TopProgram(TopOptions* to, const std::string& libraries) {
  cli::Program program{
      .name = "pipedup-top",
      .summary = "show who is slow: streams and their subscribers, by lag",
      .usage = {"[options] [ENDPOINT...]"},
      .examples = {{"pipedup-top", "Watch the publisher on this machine; q quits."},
                   {"pipedup-top web1.example.org relay1.example.org:5690",
                    "A publisher and a relay behind it."},
                   {"pipedup-top --once --json | jq '.endpoints[].streams[].subscribers[]'",
                    "Every subscriber, for a program."},
                   {"pipedup-top --check --max-lag 64MiB --min-subs 2",
                    "Health check: it answers, two read it, and neither is far behind."}},
      .options = LookOptions(to),
      .exit_statuses = {{"0", "every endpoint was shown; with --check: all is well"},
                        {"1", "failure; with --check: not all is well"},
                        {"2", "wrong usage"},
                        {"4", "--once: an endpoint did not answer within --timeout"},
                        {"5", "--once: an endpoint did not answer that, or has no such stream"},
                        {"128+N", "ended by signal N"},
                        {"141", "the reader of stdout has left"}},
      .libraries = libraries,
      .command_refused = "pipedup-top runs no programs",
      .check = [to] { return Complete(to); }};
  for (auto* more : {ShowOptions, CheckOptions}) {
    for (Option& option : more(to)) program.options.push_back(std::move(option));
  }
  return program;
}

}  // namespace

ParsedTop ParseTopOptions(int argc, const char* const* argv, const std::string& libraries) {
  TopOptions options;
  cli::Parsed parsed = cli::Parse(TopProgram(&options, libraries), argc, argv);
  return {std::move(parsed), std::move(options)};
}

}  // namespace pipedup
