#include "net/socket.h"
#include "pipedup/version.h"

namespace pipedup {

std::string LibraryVersions() {
  return "libzmq " + ZmqVersion();
}

}  // namespace pipedup
