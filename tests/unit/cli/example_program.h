// A program with one option of each kind, and surroundings that a test owns.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/decision.h"
#include "pipedup/command_line.h"

namespace pipedup::cli {

struct ExampleValues {
  std::string stream = "default";
  std::uint64_t retain = 64 * 1024 * 1024;
  std::chrono::nanoseconds linger = std::chrono::seconds(30);
  std::uint64_t most = 10;
  bool tee = false;
  bool checksum = true;
  bool wait = false;
  std::optional<std::uint64_t> last;
  std::string from = "now";
  std::vector<std::string> bind;
  std::string endpoint = "here";
  std::vector<std::string> command;
  std::string wrong_together;
};

inline Program MakeProgram(ExampleValues* to) {
  using namespace std::chrono_literals;
  const auto add = [to](std::string_view text) -> std::string {
    if (text == "bad") return Quote(text) + " is bad";
    to->bind.emplace_back(text);
    return "";
  };
  return {
      .name = "example",
      .summary = "show what a command line can be",
      .usage = {"[options] [ENDPOINT]", "[options] -- COMMAND"},
      .examples = {{"example -t", "Copy."}},
      .options =
          {{.name = "endpoint",
            .value = "ENDPOINT",
            .summary = "Where to go.",
            .target = Text(&to->endpoint),
            .group = "First",
            .positional = true,
            .too_many = "one is enough"},
           {.name = "stream",
            .letter = 's',
            .value = "NAME",
            .summary = "Name of the stream.",
            .details = "A long explanation that does not fit on one line of the help, and so "
                       "has to be wrapped somewhere.",
            .target = Text(&to->stream, CheckStreamName)},
           {.name = "retain",
            .value = "SIZE",
            .summary = "Keep this much.",
            .target = Size(&to->retain, 1024 * 1024, std::uint64_t{1} << 40)},
           {.name = "linger",
            .value = "DURATION",
            .summary = "Wait this long.",
            .target = Time(&to->linger, 0ns, 1h)},
           {.name = "max-subs",
            .value = "N",
            .summary = "Most subscribers.",
            .target = Count(&to->most, 1, 1000),
            .group = "Second"},
           {.name = "tee", .letter = 't', .summary = "Copy.", .target = Flag(&to->tee)},
           {.name = "no-checksum", .summary = "No sums.", .target = Flag(&to->checksum, false)},
           {.name = "slow",
            .summary = "What to do.",
            .target = Choice<bool>(&to->wait, {{"drop", false}, {"wait", true}})},
           {.name = "from",
            .value = "WHERE",
            .summary = "Where to begin.",
            .target = Text(&to->from),
            .conflicts = "last"},
           {.name = "last",
            .letter = 'n',
            .value = "N",
            .summary = "The last N.",
            .target = Count(&to->last),
            .conflicts = "from"},
           {.name = "bind",
            .letter = 'b',
            .value = "ENDPOINT",
            .summary = "Where to listen.",
            .target = List(add, "tcp://127.0.0.1:5590")}},
      .exit_statuses = {{"0", "all is well"}},
      .libraries = "libexample 1.2.3",
      .command = &to->command,
      .check = [to] { return to->wrong_together; }};
}

/// Decides on a command line with the variables and files given here, and no others.
struct Case {
  ExampleValues values;
  std::map<std::string, std::string> variables;
  std::map<std::string, std::string> files;
  bool terminal = false;

  Decision Run(const std::vector<std::string>& words) {
    const Surroundings surroundings{
        .environment =
            [this](const std::string& name) {
              const auto found = variables.find(name);
              return found == variables.end() ? "" : found->second;
            },
        .read_file = [this](const std::string& path,
                            std::string* why) -> std::optional<std::string> {
          const auto found = files.find(path);
          if (found != files.end()) return found->second;
          *why = path + ": No such file or directory";
          return std::nullopt;
        },
        .stderr_is_terminal = terminal};
    return Decide(MakeProgram(&values), words, surroundings);
  }

  /// The line of error for `words`.
  std::string Wrong(const std::vector<std::string>& words) { return Run(words).wrong; }
};

}  // namespace pipedup::cli
