#include "programs/publisher_reports.h"

#include <chrono>
#include <cstdint>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "programs/key_files.h"
#include "publish/slow_policy.h"

namespace pipedup {
namespace {

constexpr auto kSayHoldAfter = std::chrono::seconds(1);  // shorter waits are ordinary pace
constexpr std::size_t kMaxWhy = 1000;                    // a path, and what is wrong there

std::string Listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? " (" : ", ") + Escape(name);
  return text.empty() ? "" : text + ")";
}

/// Which member it is; `more` comes behind that.
Fields FieldsOf(const Member& member, const Fields& more = {}) {
  Fields fields = {{"id", Escape(member.id)}, {"name", Escape(member.name)}};
  if (!member.key.empty()) fields.emplace_back("key", Escape(member.key));
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

}  // namespace

void ReportJoined(Reporter& reporter, const Member& member) {
  reporter.Debug("joined", "subscriber " + member.Label() + " has joined", FieldsOf(member));
}

void ReportLeft(Reporter& reporter, const Member& member, Leaving how) {
  const Fields fields =
      FieldsOf(member, {{"position", member.position}, {"lost", member.lost}});
  const std::string who = "subscriber " + member.Label();
  switch (how) {
    case Leaving::kBye:
      return reporter.Debug("left", who + " has left", fields);
    case Leaving::kVanished:
      return reporter.Warn("vanished", who + " has vanished without a word", fields);
    case Leaving::kRevoked:
      return reporter.Warn("revoked", who + " is cut off: its key is no longer allowed",
                           fields);
  }
}

void ReportLetGo(Reporter& reporter, const Member& member, Duration stall_limit) {
  reporter.Warn("let-go",
                "subscriber " + member.Label() + " made no progress for " +
                    FormatDuration(StallLimitOf(member, stall_limit)) +
                    " (--stall-limit) and is no longer waited for",
                FieldsOf(member, {{"position", member.position}}));
}

void ReportUnconfirmed(Reporter& reporter, const std::vector<std::string>& labels) {
  for (const std::string& label : labels) {
    reporter.Warn("unconfirmed",
                  "subscriber " + label + " did not confirm the end of the stream");
  }
}

void ServerReports::OnNotAdmitted(const std::string& key, const std::string& address) {
  reporter_.Debug("not-admitted",
                  "somebody at " + Escape(address) + " was not let in: " +
                      (key.empty() ? "without a key" : "the key " + key + " is not allowed"),
                  {{"address", Escape(address)}, {"public_key", key}});
}

void ServerReports::OnRemade(std::uint64_t bytes) {
  reporter_.Warn("remade",
                 bytes == 0 ? "peers have made far too many subscriptions: all connections "
                              "of the data socket are made anew"
                            : "peers hold " + FormatSize(bytes) +
                                  " more than they may: all their connections are made anew");
}

void ServerReports::OnConnectionsRefused() {
  reporter_.Warn("connections-refused",
                 "there are as many connections as this process may have descriptors for "
                 "(ulimit -n): new ones are closed at once until others leave");
}

void ReportListening(Reporter& reporter, const std::string& what, const Fields& fields,
                     const std::vector<Endpoint>& wanted, const std::vector<Endpoint>& bound,
                     bool encrypted) {
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Endpoint& endpoint = bound[i];
    const std::string text = "publishing " + what + " on " + endpoint.data();
    Fields all = fields;
    all.emplace_back("endpoint", endpoint.data());
    // Whoever asked for any port has to be told which one it is.
    const bool any_port =
        endpoint.kind == Endpoint::Kind::kTcp && wanted[i].port != endpoint.port;
    any_port ? reporter.Info("listening", text, all) : reporter.Debug("listening", text, all);
    if (!endpoint.IsLocal() && !encrypted) {
      reporter.Warn("insecure",
                    endpoint.data() +
                        " is open to everyone who can reach it: what is published there "
                        "is neither encrypted nor restricted");
    }
  }
}

std::optional<AllowList> LoadAllowList(const std::string& file) {
  if (file.empty()) return std::nullopt;
  std::string why;
  std::optional<AllowList> list = ReadAllowList(file, &why);
  if (!list) throw Error("--allow-keys: " + Escape(why, kMaxWhy));
  return list;
}

void ReportReadOnce(Reporter& reporter) {
  reporter.Warn(
      "keys",
      "--allow-keys and --http-token are read only once: SIGHUP is ignored here, as by "
      "nohup");
}

void ReadKeysAgain(Reporter& reporter, const std::string& file, Server& server) {
  std::string why;
  std::optional<AllowList> list = ReadAllowList(file, &why);
  if (!list) {
    reporter.Error("keys", "--allow-keys: " + Escape(why, kMaxWhy) +
                               "; those that were allowed before still are");
    return;
  }
  const std::size_t count = list->size();
  const KeyChange change = server.Allow(std::move(*list));
  reporter.Info("keys",
                "--allow-keys was read again: " + std::to_string(change.added.size()) +
                    " added" + Listed(change.added) + ", " +
                    std::to_string(change.removed.size()) + " removed" +
                    Listed(change.removed) + ", " + std::to_string(count) + " in all",
                {{"added", std::uint64_t{change.added.size()}},
                 {"removed", std::uint64_t{change.removed.size()}},
                 {"keys", std::uint64_t{count}}});
}

void HoldReport::OnHold(const Member* waits_for, Position head) {
  if (waits_for == nullptr) {
    loop_.Cancel(say_);
    say_ = 0;
    held_ = false;
    if (!std::exchange(said_, false)) return;
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(loop_.now() - since_);
    reporter_.Info("resumed", "no longer waiting, after " + FormatDuration(took));
    return;
  }
  if (!held_) since_ = loop_.now();
  held_ = true;
  text_ = "waiting for subscriber " + waits_for->Label() + ", " +
          FormatSize(head - waits_for->position) + " behind";
  if (say_ != 0 || said_) return;
  say_ = loop_.After(kSayHoldAfter, [this] {
    say_ = 0;
    said_ = true;
    reporter_.Warn("waiting", text_);
  });
}

}  // namespace pipedup
