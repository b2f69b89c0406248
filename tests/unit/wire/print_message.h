// How GoogleTest prints a control message that is not the one it expected.
#pragma once

#include <ostream>

#include "wire/control.h"

namespace pipedup::control {

/// Found by argument-dependent lookup.
inline void PrintTo(const Message& message, std::ostream* out) {
  *out << Encode(message);
}

}  // namespace pipedup::control
