// Where each option's value comes from: flag before variable before config file. Pure: nothing
// is stored yet.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipedup/command_line.h"

namespace pipedup::cli {

/// What a command line depends on besides itself.
struct Surroundings {
  /// "" for a variable that is not set; an empty one counts as not set.
  std::function<std::string(const std::string& name)> environment;
  /// Nothing, with `*why`, if the file cannot be read.
  std::function<std::optional<std::string>(const std::string& path, std::string* why)>
      read_file;
  bool stdout_is_terminal = false;
  bool stderr_is_terminal = false;
};

enum class Source : std::uint8_t { kNone, kFile, kVariable, kFlag };

/// What an option is set to. `texts` is empty if it is not set, or gave way to one that it
/// conflicts with.
struct Setting {
  Source source = Source::kNone;
  std::string where =
      {};  ///< as messages name it: "--retain", "PIPEDUP_RETAIN", "pub.toml: retain"
  std::vector<std::string> texts = {};  ///< "true" for a flag without a value
  bool displaced = false;               ///< an option that it conflicts with is set
};

/// One for each option of the table, or what is wrong.
struct Settings {
  std::vector<Setting> of;
  std::string wrong;
};

/// "retain-age" -> "PIPEDUP_RETAIN_AGE".
std::string VariableName(std::string_view option);

/// Whether an option can be set by a variable; all but those that only print.
bool HasVariable(const Option& option);
/// Whether it can be set in a config file; not the file's own name.
bool HasKey(const Option& option);

/// `words` is a command line up to the first "--". `stray` is said of a positional value that
/// no option takes. With --help or --version nothing else is looked at.
[[nodiscard]] Settings Gather(std::span<const Option> table, std::span<const std::string> words,
                              std::string_view stray, const Surroundings& surroundings);

/// The option of this name, which is one of the table.
const Setting& Find(std::span<const Option> table, const Settings& settings,
                    std::string_view name);

/// Calls each target's store, also after one has failed. Returns "" or the first thing wrong.
std::string StoreAll(std::span<const Option> table, const Settings& settings);

}  // namespace pipedup::cli
