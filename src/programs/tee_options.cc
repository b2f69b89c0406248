#include "programs/tee_options.h"

#include <utility>

namespace pipedup {
namespace {

using cli::Option;

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kTiB = kMiB * 1024 * 1024;
constexpr std::uint64_t kDefaultBuffer = 64 * kMiB;

cli::Store AddCommand(std::vector<std::string>* to) {
  return [to](std::string_view text) -> std::string {
    if (text.find_first_not_of(" \t\n") == std::string_view::npos) {
      return cli::Quote(text) + " is no command; give one like 'gzip > copy.gz'";
    }
    to->emplace_back(text);
    return "";
  };
}

cli::Store AddFile(std::vector<std::string>* to) {
  return [to](std::string_view text) -> std::string {
    if (text.empty()) return "'' is no file name";
    to->emplace_back(text);
    return "";
  };
}

/// Fills in what depends on several options. Returns "" or what is wrong.
std::string Complete(TeeOptions* options, const std::vector<std::string>& behind_dashes) {
  const cli::Store add = AddCommand(&options->commands);
  for (const std::string& command : behind_dashes) {
    if (const std::string wrong = add(command); !wrong.empty()) return "command: " + wrong;
  }
  if (options->drop && !options->buffer_bytes) options->buffer_bytes = kDefaultBuffer;
  if (!options->to_stdout && options->commands.empty() && options->files.empty()) {
    return "--no-stdout: nothing is left to write to; give a command or --output FILE";
  }
  return "";
}

cli::Program Table(TeeOptions* to, std::vector<std::string>* behind_dashes,
                   const std::string& libraries) {
  return {.name = "pipedup-tee",
          .summary = "copy stdin to stdout and to the input of each command",
          .usage = {"[options] [--] [COMMAND...]"},
          .examples =
              {{"make 2>&1 | pipedup-tee 'grep -c warning > count' 'gzip > log.gz'",
                "Show what make says, count the warnings, and keep it all."},
               {"pipedup-tee -o copy.sql --no-stdout 'mysql a' 'mysql b' < dump.sql",
                "One file, two databases and a copy."},
               {"tail -F log | pipedup-tee --slow drop 'ssh host \"cat >> log\"' | grep ERROR",
                "A slow network never holds up what is shown here."}},
          .options =
              {{.name = "output",
                .letter = 'o',
                .value = "FILE",
                .summary = "Also copy to this file, which is emptied first.",
                .target = cli::List(AddFile(&to->files)),
                .group = "Outputs"},
               {.name = "no-stdout",
                .summary = "Do not copy to stdout.",
                .details = "What the commands print still goes there.",
                .target = cli::Flag(&to->to_stdout, false)},
               {.name = "command",
                .value = "COMMAND",
                .summary = "Run by sh -c, with the copy as its input.",
                .target = cli::List(AddCommand(&to->commands)),
                .positional = true},
               {.name = "slow",
                .summary = "What happens when an output is slower than the input.",
                .details =
                    "wait: the input waits for the slowest output. drop: it never does, and an "
                    "output that is further behind than --buffer loses data; each loss is "
                    "reported.",
                .target = cli::Choice<bool>(&to->drop, {{"wait", false}, {"drop", true}}),
                .group = "Slow outputs"},
               {.name = "buffer",
                .value = "SIZE",
                .summary = "How far an output may be behind the input.",
                .details =
                    "It is kept in memory. Without it, and with --slow wait, all outputs keep "
                    "pace with each other, as with tee.",
                .target = cli::Custom([to](std::string_view text) {
                  std::uint64_t bytes = 0;
                  std::string wrong = cli::Size(&bytes, kMiB, kTiB).store(text);
                  if (wrong.empty()) to->buffer_bytes = bytes;
                  return wrong;
                }),
                .shown_default = "none; 64MiB with --slow drop"},
               {.name = "progress",
                .letter = 'p',
                .summary = "Show on stderr how much was copied, how fast, and who lags.",
                .details = "A line that is drawn in place, on a terminal only; with "
                           "--log-format json an event each second.",
                .target = cli::Flag(&to->progress),
                .group = "Progress"},
               {.name = "force-progress",
                .summary = "The same, also where stderr is no terminal: a line each second.",
                .target = cli::Flag(&to->force_progress)}},
          .exit_statuses = {{"0", "every output has all of it, or left early without an error"},
                            {"1", "failure; an output that could not be written"},
                            {"2", "wrong usage"},
                            {"3", "data was lost (--slow drop), and all else was well"},
                            {"141", "stdout was the only output, and its reader has left"},
                            {"other",
                             "of the first command, in the order given, that ended with one; "
                             "128 + N: ended by signal N"}},
          .libraries = libraries,
          .command = behind_dashes,
          .check = [to, behind_dashes] { return Complete(to, *behind_dashes); }};
}

}  // namespace

ParsedTee ParseTeeOptions(int argc, const char* const* argv, const std::string& libraries) {
  TeeOptions options;
  std::vector<std::string> behind_dashes;  // commands that may begin with a dash
  cli::Parsed parsed = cli::Parse(Table(&options, &behind_dashes, libraries), argc, argv);
  return {std::move(parsed), std::move(options)};
}

}  // namespace pipedup
