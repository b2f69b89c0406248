// Where a run happens: its directories, and what has to be gone from them when it is over.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

#include "support/files.h"

namespace pipedup::test {

/// Programs that are broken on purpose, to see whether the harness catches them.
struct Broken {
  std::string publisher_rules = {};  ///< FAULT_RULES of every life
  std::string subscriber_rules = {};
  std::string wrapper = {};     ///< a shell script that runs subscribers: "$@" is the program
  std::uint64_t lost_tail = 0;  ///< bytes that recovery cuts off the end of the journal
  bool no_checksum = false;
};

/// The directories of a run, below one that is removed with it.
class Place {
 public:
  Place();

  const std::string& root() const { return directory_.path(); }
  std::string runtime() const { return root() + "/run"; }      ///< XDG_RUNTIME_DIR
  std::string journal() const { return root() + "/journal"; }  ///< --journal
  std::string shadow() const { return root() + "/shadow"; }
  std::string trace() const { return root() + "/trace"; }  ///< of file faults
  /// Output and cursor of a subscriber.
  std::string OfSubscriber(std::size_t index) const;

  /// "" if nothing is left but what a run may leave, else what there is. Starts a publisher
  /// that sweeps up after those that were killed, as the next one to start does.
  std::string Leftovers() const;

 private:
  TempDir directory_;
};

using Variables = std::map<std::string, std::string>;

/// For a program whose files below `directory` are to fail. Empty if `rules` and `more` are.
Variables FileFaults(const std::string& directory, const std::string& rules,
                     const Variables& more, const Place& place);

/// As FreePortPair, and no other run of this process is given them: a port is to be there still
/// when a publisher that was killed is started again.
std::uint16_t OwnPortPair();

/// Whether the program has ended; it can still be waited for.
bool HasEnded(pid_t pid);
/// Ids of processes of the group `pid` other than itself, without zombies, as text; "" if none.
std::string OthersInGroup(pid_t pid);

}  // namespace pipedup::test
