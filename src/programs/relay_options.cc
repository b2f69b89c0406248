#include "programs/relay_options.h"

#include <algorithm>
#include <utility>

#include "pipedup/nats_options.h"
#include "pipedup/subscribe.h"

namespace pipedup {
namespace {

using namespace std::chrono_literals;
using cli::Option;

constexpr std::chrono::nanoseconds kYear = 365 * 24h;
constexpr std::size_t kMaxNameBytes = 256;

std::string AddParent(std::string_view text, RelayOptions* to) {
  std::string why;
  std::optional<Endpoint> endpoint = ParseSource(text, &why);
  if (!endpoint) return cli::Quote(text) + " is not an endpoint: " + why;
  if (endpoint->kind == Endpoint::Kind::kTcp && endpoint->port == 0) {
    return cli::Quote(text) + ": port 0 is nobody's";
  }
  to->from.push_back(std::move(*endpoint));
  return "";
}

std::vector<Option> SourceOptions(RelayOptions* to) {
  return {
      {.name = "from",
       .letter = 'f',
       .value = "ENDPOINT",
       .summary = "Where the stream comes from: a publisher or another relay.",
       .details = "HOST, HOST:PORT, :PORT, [::1]:PORT, tcp://..., ipc:///PATH, or "
                  "nats://HOST,HOST/NAME: the stream NAME of a NATS cluster.",
       .target = cli::List([to](std::string_view text) { return AddParent(text, to); }),
       .group = "Source"},
      {.name = "stream",
       .letter = 's',
       .value = "NAME",
       .summary = "Name of the stream, or a pattern of names.",
       .details = "With * and ?: all streams that match are passed on under their names, also "
                  "those that come later.",
       .target = cli::Text(&to->streams, cli::CheckStreamPattern),
       .shown_default = "all there are"},
      {.name = "follow",
       .letter = 'F',
       .summary = "Stay through the end of a session and publisher restarts, like tail -F.",
       .details =
           "Without it, the end of the stream is the end, once everybody has confirmed it.",
       .target = cli::Flag(&to->follow)},
      {.name = "server-key",
       .value = "FILE",
       .summary = "Encrypt, and read only from the publisher with this public key.",
       .details =
           "FILE is a copy of the .pub file that pipedup-keygen made there. The key itself "
           "may be in the variable PIPEDUP_SERVER_PUBLIC_KEY instead. Needs "
           "--curve-secret.",
       .target = cli::KeyFile(&to->server_key)},
      {.name = "name",
       .value = "NAME",
       .summary = "What operators see at the publisher.",
       .target = cli::Text(&to->name,
                           [](std::string_view text) -> std::string {
                             if (!text.empty() && text.size() <= kMaxNameBytes) return "";
                             return cli::Quote(text) + " is not a name: 1 to 256 bytes";
                           }),
       .shown_default = "host and process id"},
      {.name = "give-up",
       .value = "DURATION",
       .summary = "Give up when the publisher is not reachable for this long.",
       .details = "0 is never.",
       .target = cli::Time(&to->give_up_asked, 0ns, kYear),
       .shown_default = "30s, with --follow never"},
      {.name = "dead-after",
       .value = "DURATION",
       .summary = "Remake the connection after this long without a sign of life.",
       .target = cli::Time(&to->dead_after, 200ms, 1h)},
  };
}

/// Fills in what depends on several options. Returns "" or what is wrong.
std::string Complete(RelayOptions* options) {
  if (options->from.empty()) {
    return "--from ENDPOINT is needed: the publisher, or another relay, whose stream this one "
           "passes on";
  }
  if (options->give_up_asked || options->follow) {
    options->give_up = options->give_up_asked.value_or(0ns);
  }
  std::string server;
  std::string secret;
  std::string wrong =
      cli::FindKey("--server-key", options->server_key, cli::kServerKeyVariable, &server);
  if (wrong.empty()) {
    wrong = cli::FindKey("--curve-secret", options->publish.curve_secret,
                         cli::kSecretKeyVariable, &secret);
  }
  if (!wrong.empty()) return wrong;
  if (!server.empty() && secret.empty()) {
    return server +
           ": the publisher asks who is there: --curve-secret FILE is needed as well "
           "(pipedup-keygen makes it)";
  }
  options->encrypt = !options->publish.allow_keys.empty();
  if (!secret.empty() && server.empty() && !options->encrypt) {
    return secret +
           ": it is of no use without --server-key FILE, the publisher's public key, or "
           "--allow-keys FILE, the public keys of subscribers";
  }
  if (options->publish.cluster) {
    return "--journal: a relay keeps it in a directory; what is in a cluster it reads with "
           "--from";
  }
  if (wrong = CompleteDisk(&options->publish); !wrong.empty()) return wrong;
  const bool reads = std::ranges::any_of(options->from, [](const Endpoint& endpoint) {
    return endpoint.kind == Endpoint::Kind::kNats;
  });
  if (wrong = CompleteNats(options->publish.nats, reads); !wrong.empty()) return wrong;
  return CompleteShared(&options->publish, secret);
}

}  // namespace

cli::Program RelayProgram(RelayOptions* to, const std::string& libraries) {
  cli::Program program{
      .name = "pipedup-relay",
      .summary =
          "pass a stream on: read it once, and publish it again to any number of readers",
      .usage = {"--from ENDPOINT [options]"},
      .examples =
          {{"pipedup-relay --from web1.example.org -b :5690",
            "Read from web1 once; readers on this machine connect to port 5690."},
           {"pipedup-relay -F --from 10.0.0.7 -b 10.1.0.1:5590 --insecure",
            "For a network that cannot reach the publisher, and on through its restarts."}},
      .options = SourceOptions(to),
      .exit_statuses = {{"0", "the stream has ended, and every subscriber has all of it"},
                        {"1", "failure"},
                        {"2", "wrong usage"},
                        {"3",
                         "data was lost on the way here, or a subscriber did not confirm the "
                         "end within --linger"},
                        {"4", "publisher not reached, or vanished before the end"},
                        {"5", "refused by the publisher, or a loop"},
                        {"128+N", "ended by signal N"}},
      .libraries = libraries,
      .command_refused = "a relay runs no programs",
      .check = [to] { return Complete(to); }};
  for (auto* more : {DiskOptions, SharedOptions}) {
    for (Option& option : more(&to->publish)) program.options.push_back(std::move(option));
  }
  for (Option& option : NatsOptions(&to->publish.nats)) {
    program.options.push_back(std::move(option));
  }
  return program;
}

ParsedRelay ParseRelayOptions(int argc, const char* const* argv, const std::string& libraries) {
  RelayOptions options;
  cli::Parsed parsed = cli::Parse(RelayProgram(&options, libraries), argc, argv);
  return {std::move(parsed), std::move(options)};
}

}  // namespace pipedup
