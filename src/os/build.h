// How this was built.
#pragma once

namespace pipedup {

/// With plain POSIX calls alone: no splice, signalfd, eventfd, epoll, inotify
/// (-DPIPEDUP_PORTABLE). This layer is the only one that is compiled otherwise then.
bool IsPortable();

}  // namespace pipedup
