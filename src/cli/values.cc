// Values that only this project knows: endpoints, stream names, places to start.
#include <charconv>
#include <optional>

#include "base/endpoint.h"
#include "base/keys.h"
#include "base/units.h"
#include "os/file.h"
#include "os/process.h"
#include "pipedup/command_line.h"
#include "pipedup/subscribe.h"
#include "wire/block_header.h"

namespace pipedup::cli {

std::string ParseStartAt(std::string_view text, StartAt* to) {
  if (text == "now") {
    *to = {StartAt::Kind::kNow, 0};
    return "";
  }
  if (text == "start") {
    *to = {StartAt::Kind::kStart, 0};
    return "";
  }
  if (text.starts_with('-')) {
    if (const std::optional<Duration> ago = ParseDuration(text.substr(1))) {
      *to = {StartAt::Kind::kAgo, static_cast<std::uint64_t>(ago->count())};
      return "";
    }
  } else {
    std::uint64_t position = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), position);
    if (error == std::errc() && end == text.data() + text.size()) {
      *to = {StartAt::Kind::kPosition, position};
      return "";
    }
    if (ParseDuration(text)) {
      return Quote(text) + " is in the future (did you mean -" + std::string(text) + "?)";
    }
  }
  return Quote(text) +
         " is none of now, start, a position (like 4096), "
         "a time ago (like -5m)";
}

Target KeyFile(std::string* to) {
  return Text(to, [](std::string_view text) -> std::string {
    if (text.empty()) return "'' is not a file";
    if (!DecodeKey(text) || FileBytes(std::string(text))) return "";
    return "this is a key and not the name of a file; it belongs into one, because everybody "
           "on "
           "this machine can see command lines";
  });
}

std::string FindKey(const std::string& option, const std::string& file, const char* variable,
                    std::string* where) {
  const Secret text(Environment(variable));
  *where = !file.empty() ? option : text.empty() ? "" : variable;
  if (text.empty()) return "";
  if (!file.empty()) return option + " and " + variable + " cannot be given together";
  if (DecodeKey(text.text())) return "";
  return std::string(variable) +
         ": not a key, which is 40 characters as pipedup-keygen makes them";
}

std::string ParseEndpointText(std::string_view text, std::string* to) {
  std::string why;
  const std::optional<Endpoint> endpoint = ParseSource(text, &why);
  if (!endpoint) return Quote(text) + " is not an endpoint: " + why;
  *to = endpoint->data();
  return "";
}

std::string CheckStreamName(std::string_view text) {
  if (IsValidStreamName(text)) return "";
  return Quote(text) + " is not a stream name: 1 to 128 letters, digits, '.', '_' or '-'";
}

std::string CheckStreamPattern(std::string_view text) {
  std::string name(text);
  for (char& c : name) c = c == '*' || c == '?' ? '.' : c;
  return IsValidStreamName(name) ? "" : CheckStreamName(text);
}

std::string CheckReaderKeys(const std::string& server_key, const std::string& curve_secret) {
  std::string server;
  std::string secret;
  std::string wrong = FindKey("--server-key", server_key, kServerKeyVariable, &server);
  if (wrong.empty()) {
    wrong = FindKey("--curve-secret", curve_secret, kSecretKeyVariable, &secret);
  }
  if (!wrong.empty() || server.empty() == secret.empty()) return wrong;
  return secret.empty() ? server +
                              ": the publisher asks who is there: --curve-secret FILE is "
                              "needed as well (pipedup-keygen makes it)"
                        : secret +
                              ": --server-key FILE, the publisher's public key, is needed as "
                              "well: without it anybody could be the publisher";
}

}  // namespace pipedup::cli
