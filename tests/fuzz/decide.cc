#include "decide.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string_view>

#include "../../clients/sub/options.h"
#include "cli/log_line.h"
#include "input.h"
#include "programs/pub_options.h"

namespace pipedup::fuzz {
namespace {

using cli::Decision;

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

Decision DecideWith(const cli::Program& program, const CommandLine& line) {
  const cli::Surroundings surroundings{
      .environment =
          [&](const std::string& name) {
            const auto found = line.variables.find(name);
            return found == line.variables.end() ? "" : found->second;
          },
      .read_file = [&](const std::string&, std::string*) { return std::optional(line.file); },
      .stderr_is_terminal = false};
  return cli::Decide(program, line.words, surroundings);
}

/// The values, without where each came from and what is not set.
std::string Values(const std::string& settings) {
  std::string out;
  for (std::size_t at = 0; at < settings.size();) {
    const std::size_t end = std::min(settings.find('\n', at), settings.size());
    const std::string line = settings.substr(at, end - at);
    if (!line.starts_with('#')) out += line.substr(0, line.rfind("  # ")) + "\n";
    at = end + 1;
  }
  return out;
}

void RequireSame(const std::string& a, const std::string& b) {
  if (a != b) std::fprintf(stderr, "--- this:\n%s--- and this:\n%s", a.c_str(), b.c_str());
  Require(a == b);
}

/// --print-config of what `line` comes to.
std::string Printed(CommandLine line) {
  line.words.insert(line.words.begin(), "--print-config");
  const Decision decision = DecideAs(line);
  Require(decision.exit_status == 0 && !decision.out.empty());
  return decision.out;
}

}  // namespace

Decision DecideAs(const CommandLine& line) {
  PubOptions pub;
  Line sub;
  const cli::Program program =
      line.program == Which::kPub ? PubProgram(&pub, "libraries") : SubProgram(&sub);
  const Decision decision = DecideWith(program, line);
  Require(!decision.exit_status || *decision.exit_status == 0 || *decision.exit_status == 2);
  Require((decision.exit_status == 2) == !decision.wrong.empty());
  Require((decision.exit_status == 0) == !decision.out.empty());
  const std::string said = cli::TextLine(decision.reporter, LogLevel::kError, decision.wrong);
  Require(said.find('\n') == said.size() - 1);
  // What the programs count on.
  if (decision.exit_status || line.program == Which::kSub) return decision;
  Require(!pub.bind.empty() && pub.retain_bytes >= 1024 * 1024);
  Require(pub.wait_subs <= pub.max_subs && pub.sync_interval.count() > 0);
  return decision;
}

void RequireRoundTrip(CommandLine line) {
  const std::string first = Printed(line);
  if (first.find(kReplacement) != first.npos) return;  // TOML is UTF-8, a path need not be
  // A command stays where it is: it is no setting.
  line.words.erase(line.words.begin(), std::ranges::find(line.words, "--"));
  line.words.insert(line.words.begin(), "--config=printed");
  line.variables.clear();
  line.file = first;
  const std::string second = Printed(line);
  RequireSame(Values(second), Values(first));
  line.file = second;
  RequireSame(Printed(line), second);
}

}  // namespace pipedup::fuzz
