#include "os/build.h"

namespace pipedup {

bool IsPortable() {
#if defined(__linux__) && !defined(PIPEDUP_PORTABLE)
  return false;
#else
  return true;
#endif
}

}  // namespace pipedup
