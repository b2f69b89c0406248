// What pipedup-relay can be told. Plain values: the command line fills them in, nothing acts.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/endpoint.h"
#include "pipedup/command_line.h"
#include "programs/pub_options.h"

namespace pipedup {

struct RelayOptions {
  std::vector<Endpoint> from;  ///< never empty once parsed
  std::string streams = "*";   ///< a name, or a pattern of names
  bool follow = false;
  std::string name;                                             ///< "": host and process id
  std::optional<std::chrono::nanoseconds> give_up_asked = {};   ///< as it was said, or not
  std::chrono::nanoseconds give_up = std::chrono::seconds(30);  ///< 0: never, as with `follow`
  std::chrono::nanoseconds dead_after = std::chrono::seconds(3);
  std::string server_key;  ///< file; empty: none, or it is in the environment
  bool encrypt = false;    ///< its listeners: there is a list of keys
  /// The other side: what it keeps, where it is read, by whom. No stream, no records.
  PubOptions publish;
};

struct ParsedRelay {
  cli::Parsed parsed;
  RelayOptions options;  ///< complete unless `parsed` has an exit status
};

/// The table of options, which fills in `*to`.
cli::Program RelayProgram(RelayOptions* to, const std::string& libraries);

/// Reads the command line of pipedup-relay, as cli::Parse does. `libraries`: see
/// LibraryVersions.
ParsedRelay ParseRelayOptions(int argc, const char* const* argv, const std::string& libraries);

}  // namespace pipedup
