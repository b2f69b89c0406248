// A program's command line as a table: one record per option, from which parsing, validation,
// --help and --print-config come. Parsing validates and stores; it never acts.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipedup/reporter.h"

namespace pipedup {

struct StartAt;

namespace cli {

/// Takes the text of a value. Returns "" when it was stored, else what is wrong with it, in
/// words that follow "--option: ": "'12Q' is not a size (like 64MiB)".
using Store = std::function<std::string(std::string_view text)>;

/// Where an option's value goes, and what it must be. What a target points to outlives it.
struct Target {
  enum class Form : std::uint8_t {
    kFlag,    ///< no value, or true/yes/on/1, false/no/off/0; may be repeated
    kNumber,  ///< one value; in a config file an integer
    kText,    ///< one value; of several on a command line the last counts
    kList,    ///< any number of values, in order; `store` is called for each
  };
  Form form = Form::kText;
  Store store = {};
  std::string initial = {};  ///< the default as a user would type it; "" if there is none
  std::string range = {};    ///< for people: "1MiB to 1TiB"
  std::vector<std::string> words = {};  ///< all values there are, where it is a choice
};

inline constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();
inline constexpr auto kForever = std::chrono::nanoseconds::max();

/// Stores `when_given` when the flag is given, and its opposite when it is given as "false".
Target Flag(bool* to, bool when_given = true);
/// Any text that `check` (see Store) does not object to.
Target Text(std::string* to, Store check = {});
Target Text(std::optional<std::string>* to, Store check = {});
/// Numbers, sizes and durations; `min` and `max` are allowed. Units: base/units.h.
Target Count(std::uint64_t* to, std::uint64_t min = 0, std::uint64_t max = kNoLimit);
Target Count(std::optional<std::uint64_t>* to, std::uint64_t min = 0,
             std::uint64_t max = kNoLimit);
Target Size(std::uint64_t* to, std::uint64_t min = 0, std::uint64_t max = kNoLimit);
Target Time(std::chrono::nanoseconds* to, std::chrono::nanoseconds min = {},
            std::chrono::nanoseconds max = kForever);
Target Time(std::optional<std::chrono::nanoseconds>* to, std::chrono::nanoseconds min = {},
            std::chrono::nanoseconds max = kForever);
/// Anything else: one value, or a list of them.
Target Custom(Store store, std::string initial = {});
Target List(Store store, std::string initial = {});
/// One of `words`; `chosen` is called with its index.
Target Words(std::vector<std::string> words, std::size_t initial,
             std::function<void(std::size_t)> chosen);

/// One of the words, each of which stands for a value.
template <typename T>
Target Choice(T* to, const std::vector<std::pair<std::string, T>>& choices) {
  std::vector<std::string> words;
  std::vector<T> values;
  std::size_t initial = 0;
  for (const auto& [word, value] : choices) {
    if (value == *to) initial = words.size();
    words.push_back(word);
    values.push_back(value);
  }
  return Words(std::move(words), initial,
               [to, values = std::move(values)](std::size_t index) { *to = values[index]; });
}

/// `now`, `start`, a position, or `-` and a duration ("-5m": what was published since then).
/// See Store. `last` is not read here: it is an option of its own.
std::string ParseStartAt(std::string_view text, StartAt* to);

/// Name of a file with a key, or with a list of them. A key in its place is refused, and not
/// repeated: command lines are seen by everybody.
Target KeyFile(std::string* to);

/// Variables that hold a key itself, and that no child is to see. No options: they are not read
/// from command lines and files.
inline constexpr const char* kSecretKeyVariable = "PIPEDUP_CURVE_SECRET_KEY";
inline constexpr const char* kServerKeyVariable = "PIPEDUP_SERVER_PUBLIC_KEY";

/// Looks where a key comes from: `option` with `file` (empty: not given), or `variable`.
/// Returns
/// "" or what is wrong; `*where` is the one that is given, "" if none is.
std::string FindKey(const std::string& option, const std::string& file, const char* variable,
                    std::string* where);

/// An endpoint as people type it ("host", ":5600", "ipc:///path"), stored in full. See Store.
std::string ParseEndpointText(std::string_view text, std::string* to);

/// "" if `text` may be the name of a stream. See Store.
std::string CheckStreamName(std::string_view text);
/// The same, or one with '*' and '?' in it.
std::string CheckStreamPattern(std::string_view text);

/// Whoever reads from a publisher with keys needs two: the files of --server-key and
/// --curve-secret (empty: not given), or their variables. Returns "" or what is wrong.
std::string CheckReaderKeys(const std::string& server_key, const std::string& curve_secret);

/// `text` escaped and in quotes, as every message shows what a user gave.
std::string Quote(std::string_view text);

/// One option. Also settable as PIPEDUP_<NAME>, and as `name` in a config file.
struct Option {
  std::string name;          ///< long name without dashes: "retain"
  char letter = 0;           ///< short name, or 0
  std::string value = {};    ///< "SIZE"; "" for flags and choices
  std::string summary;       ///< one sentence, for -h
  std::string details = {};  ///< more of them, for --help
  Target target;
  std::string group = {};          ///< heading in the help, at the first option of a group only
  std::string shown_default = {};  ///< in place of target.initial, where words say more
  std::string conflicts = {};      ///< name of an option that cannot be given together with it
  bool positional = false;    ///< given without its name; one value unless the form is kList
  std::string too_many = {};  ///< said of a second positional value
};

struct Example {
  std::string command;
  std::string what;
};

/// A program, as its command line has it.
struct Program {
  std::string name;                ///< "pipedup-sub"
  std::string summary;             ///< one sentence
  std::vector<std::string> usage;  ///< without the program's name: "[options] [ENDPOINT]"
  std::vector<Example> examples;
  std::vector<Option> options;  ///< without those of all programs (--help, --config, ...)
  std::vector<std::pair<std::string, std::string>> exit_statuses;  ///< "3", "data was lost"
  std::string libraries;  ///< for --version: see LibraryVersions
  /// What follows the first `--`; nullptr: nothing may.
  std::vector<std::string>* command = nullptr;
  std::string command_refused = {};  ///< why nothing may follow `--`
  /// Runs after all options were stored: what they mean together. Returns "" or what is wrong.
  std::function<std::string()> check = {};
};

/// What came of a command line: values were stored and the program runs, or (after help,
/// version, settings or one line of error were printed) it exits.
struct [[nodiscard]] Parsed {
  std::optional<int> exit_status;  ///< not set: run
  ReporterOptions reporter = {};
  bool color = false;  ///< of what goes to stdout; as ReporterOptions has it for stderr
};

/// Reads flags, variables and config file (in this order of precedence) into the targets of
/// `program`. Prints help and the like to stdout, errors to stderr (exit status 2); changes
/// nothing else. `argv` as main has it.
Parsed Parse(const Program& program, int argc, const char* const* argv);

/// The rest of main: exits as `parsed` says, or runs `body` and returns its status. An
/// exception becomes one `error` line and a status: its own, or 1.
int RunMain(const Parsed& parsed, const std::function<int(Reporter&)>& body);

}  // namespace cli
}  // namespace pipedup
