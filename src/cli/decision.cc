#include "cli/decision.h"

#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/manual.h"

namespace pipedup::cli {
namespace {

/// What the build makes manual pages and completions of. Not an option of the table, so that
/// nothing which is made of the table has it.
constexpr std::string_view kGenerate = "--generate";

enum class Color : std::uint8_t { kAuto, kAlways, kNever };

/// The options of all programs.
struct Common {
  bool help = false;
  bool version = false;
  bool quiet = false;
  bool verbose = false;
  bool json = false;
  Color color = Color::kAuto;
  std::string config;
  bool print_config = false;
};

std::vector<Option> CommonOptions(Common* to) {
  return {
      {.name = "help",
       .letter = 'h',
       .summary = "Print help and exit; -h is short, --help is complete.",
       .target = Flag(&to->help),
       .group = "Common options"},
      {.name = "version",
       .letter = 'V',
       .summary = "Print versions (program, protocol, libraries, features) and exit.",
       .target = Flag(&to->version)},
      {.name = "quiet",
       .letter = 'q',
       .summary = "Say nothing but warnings and errors.",
       .target = Flag(&to->quiet),
       .conflicts = "verbose"},
      {.name = "verbose",
       .letter = 'v',
       .summary = "Say more about what happens.",
       .target = Flag(&to->verbose),
       .conflicts = "quiet"},
      {.name = "log-format",
       .summary = "How events are written to stderr.",
       .details = "With json, each event is one object on one line.",
       .target = Choice<bool>(&to->json, {{"text", false}, {"json", true}})},
      {.name = "color",
       .summary = "When to color what people read.",
       .details = "With auto: on a terminal, unless the variable NO_COLOR is set.",
       .target = Choice<Color>(
           &to->color,
           {{"auto", Color::kAuto}, {"always", Color::kAlways}, {"never", Color::kNever}})},
      {.name = "config",
       .value = "FILE",
       .summary = "Read settings from a TOML file.",
       .details = "It holds lines such as: retain = \"64MiB\". A name that is no option is an "
                  "error.",
       .target = Text(&to->config)},
      {.name = "print-config",
       .summary = "Print the effective settings as such a file and exit.",
       .target = Flag(&to->print_config)},
  };
}

bool MayColor(const Common& common, const Surroundings& surroundings, bool is_terminal) {
  if (common.color != Color::kAuto) return common.color == Color::kAlways;
  return is_terminal && surroundings.environment("NO_COLOR").empty() &&
         surroundings.environment("TERM") != "dumb";
}

ReporterOptions ReporterFor(const std::string& program, const Common& common,
                            const Surroundings& surroundings) {
  ReporterOptions options;
  options.program = program;
  options.json = common.json;
  options.verbosity = common.quiet ? -1 : common.verbose ? 1 : 0;
  options.color = MayColor(common, surroundings, surroundings.stderr_is_terminal);
  return options;
}

class Decider {
 public:
  Decider(const Program& program, std::span<const std::string> words,
          const Surroundings& surroundings)
      : program_(program), surroundings_(surroundings), table_(program.options) {
    for (Option& option : CommonOptions(&common_)) table_.push_back(std::move(option));
    const auto dashes = std::ranges::find(words, "--");
    words_.assign(words.begin(), dashes);
    if (dashes != words.end()) command_.emplace(dashes + 1, words.end());
  }

  Decision Decide() {
    if (words_.size() == 2 && words_[0] == kGenerate) return Generate(words_[1]);
    const Settings settings =
        Gather(table_, words_,
               program_.command == nullptr ? "unexpected argument"
                                           : "unexpected argument (a command goes after --)",
               surroundings_);
    // Help comes before anything that can be wrong.
    if (!Find(table_, settings, "help").texts.empty()) {
      const bool everything = std::ranges::find(words_, "--help") != words_.end();
      return Print(HelpText(program_, table_, everything));
    }
    if (!Find(table_, settings, "version").texts.empty()) return Print(VersionText(program_));

    std::string wrong = settings.wrong;
    // Stored even so: an error is said in the format that was asked for.
    const std::string wrong_value = StoreAll(table_, settings);
    if (wrong.empty()) wrong = wrong_value;
    if (wrong.empty()) wrong = TakeCommand();
    if (wrong.empty() && program_.check) wrong = program_.check();

    Decision decision;
    decision.reporter = ReporterFor(program_.name, common_, surroundings_);
    decision.color = MayColor(common_, surroundings_, surroundings_.stdout_is_terminal);
    if (!wrong.empty()) {
      decision.exit_status = kExitUsage;
      decision.wrong = std::move(wrong);
    } else if (common_.print_config) {
      decision.exit_status = kExitOk;
      decision.out = SettingsText(program_, table_, settings);
    }
    return decision;
  }

 private:
  Decision Print(std::string text) const {
    Decision decision;
    decision.exit_status = kExitOk;
    decision.out = std::move(text);
    decision.reporter = ReporterFor(program_.name, common_, surroundings_);
    return decision;
  }

  Decision Generate(const std::string& what) const {
    if (what == "man") return Print(ManualText(program_, table_));
    if (what == "bash") return Print(BashCompletion(program_, table_));
    if (what == "zsh") return Print(ZshCompletion(program_, table_));
    if (what == "fish") return Print(FishCompletion(program_, table_));
    Decision decision;
    decision.exit_status = kExitUsage;
    decision.wrong =
        std::string(kGenerate) + ": " + Quote(what) + " is none of man, bash, zsh, fish";
    decision.reporter = ReporterFor(program_.name, common_, surroundings_);
    return decision;
  }

  std::string TakeCommand() const {
    if (!command_) return "";
    if (program_.command == nullptr) {
      return "--: " + (program_.command_refused.empty() ? "nothing may follow it"
                                                        : program_.command_refused);
    }
    if (command_->empty()) return "--: a command is missing";
    *program_.command = *command_;
    return "";
  }

  const Program& program_;
  const Surroundings& surroundings_;
  Common common_;
  std::vector<Option> table_;
  std::vector<std::string> words_;  // up to the first "--"
  std::optional<std::vector<std::string>> command_;
};

}  // namespace

Decision Decide(const Program& program, std::span<const std::string> words,
                const Surroundings& surroundings) {
  return Decider(program, words, surroundings).Decide();
}

}  // namespace pipedup::cli
