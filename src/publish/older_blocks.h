// What is older than a journal, where somebody else has it.
#pragma once

#include <cstdint>

#include "pipedup/types.h"
#include "wire/control.h"

namespace pipedup {

/// A relay's parent, or a cluster. What comes of a question is told to the control server, from
/// the loop: ControlServer::OnOlderBlock and OnOlderDone.
class OlderBlocks {
 public:
  virtual ~OlderBlocks() = default;
  /// The first position that is there, as far as is known: it may be behind that by now.
  virtual Position older_tail() const = 0;
  /// Asks for at most `max` bytes, as often and as long as there is hope for an answer;
  /// `ticket` is never 0, and comes back with the answer. False: not now; after the next
  /// OnOlderDone it may be asked again.
  virtual bool AskOlder(std::uint64_t ticket, const control::ReadFrom& from,
                        std::uint64_t max) = 0;
};

}  // namespace pipedup
