#pragma once
// The bare ZeroMQ prototype that pipedup is measured against: bare-zmq-pub and bare-zmq-sub do
// what a careful first version would, with no checksum, journal, replay or gap report. Data are
// single-frame messages; an empty message is the end of the stream.

#include <malloc.h>
#include <zmq.h>

#include <string>

#include "support.h"

namespace pipedup::bench {

/// Messages queued per peer and direction in lockstep: 16 MiB at 256 KiB a message.
constexpr int kLockstepHwm = 64;

/// A freed 256 KiB message goes back to the kernel and the next one faults in again, unless
/// malloc is told to keep it.
inline void KeepFreedMemory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

inline void Check(int result, const char* what) {
  if (result < 0) Die(std::string(what) + ": " + zmq_strerror(zmq_errno()));
}

inline void SetInt(void* socket, int option, int value) {
  Check(zmq_setsockopt(socket, option, &value, sizeof value), "zmq_setsockopt");
}

}  // namespace pipedup::bench
