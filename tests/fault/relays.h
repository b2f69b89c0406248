// Faults by seed in a row of relays: publisher → relay → relay → subscriber.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace pipedup::test {

struct RelayRun {
  std::string violation = {};  ///< "": every byte came, in order, once
  std::size_t faults = 0;
  std::string report = {};  ///< what was done, and what every program said, if there is one
};

/// Kills, stops and starts again each of the four at random while a stream passes through them.
/// The publisher has its journal on disk, the subscriber a cursor and a file: nothing may be
/// lost or come twice, whatever the relays keep. In a directory of its own.
RelayRun RunRelays(std::uint64_t seed);

}  // namespace pipedup::test
