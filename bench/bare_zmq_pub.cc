// bare-zmq-pub --bind ENDPOINT --wait-subs N: stdin to an XPUB socket, in lockstep (nothing is
// dropped: the slowest subscriber sets the pace) or, with --drop, as PUB comes: default
// high-water mark, and messages lost for whoever is behind by more.

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "bare_zmq.h"

namespace pipedup::bench {
namespace {

constexpr std::size_t kMessageBytes = std::size_t{256} << 10;
constexpr std::size_t kCopyBelow = std::size_t{32} << 10;  // cheaper than handing a buffer over
constexpr std::uint64_t kEndNs = 30ULL * 1000000000U;
constexpr long kEndAgainMs = 20;

char* NewBuffer() {
  auto* buffer = static_cast<char*>(malloc(kMessageBytes));
  if (buffer == nullptr) Die("out of memory");
  return buffer;
}

void FreeBuffer(void* buffer, void* /*hint*/) {
  free(buffer);
}

/// Sends the first `size` bytes of `buffer`; replaces `buffer` when the message keeps it.
void Send(void* socket, char*& buffer, std::size_t size) {
  zmq_msg_t message;
  if (size < kCopyBelow) {
    Check(zmq_msg_init_size(&message, size), "zmq_msg_init_size");
    std::memcpy(zmq_msg_data(&message), buffer, size);
  } else {
    Check(zmq_msg_init_data(&message, buffer, size, FreeBuffer, nullptr), "zmq_msg_init_data");
    buffer = NewBuffer();
  }
  while (zmq_msg_send(&message, socket, 0) < 0) {
    if (zmq_errno() != EINTR) Check(-1, "zmq_msg_send");
  }
}

/// Takes one message of the kind that XPUB receives; false when `flags` forbid to wait for it.
bool TakeSubscription(void* socket, int flags, std::uint64_t& subscribers) {
  unsigned char first = 0;
  const int size = zmq_recv(socket, &first, 1, flags);
  if (size < 0 && (zmq_errno() == EAGAIN || zmq_errno() == EINTR)) return false;
  Check(size, "zmq_recv");
  if (size > 0 && first == 1) ++subscribers;
  if (size > 0 && first == 0) --subscribers;
  return true;
}

/// Repeats the end until every subscriber has left: with --drop the first one may be lost.
void SendEnd(void* socket, std::uint64_t subscribers) {
  const std::uint64_t deadline = MonotonicNs() + kEndNs;
  while (subscribers > 0 && MonotonicNs() < deadline) {
    zmq_send(socket, nullptr, 0, ZMQ_DONTWAIT);
    zmq_pollitem_t item{socket, 0, ZMQ_POLLIN, 0};
    zmq_poll(&item, 1, kEndAgainMs);
    while (subscribers > 0 && TakeSubscription(socket, ZMQ_DONTWAIT, subscribers)) {
    }
  }
  if (subscribers > 0) Die("subscribers that did not leave at the end");
}

int Main(int argc, char** argv) {
  const Options options(argc, argv, {"bind", "wait-subs", "hwm"}, {"drop", "tuned", "version"});
  if (options.Has("version")) {
    int major = 0;
    int minor = 0;
    int patch = 0;
    zmq_version(&major, &minor, &patch);
    printf("libzmq %d.%d.%d\n", major, minor, patch);
    return 0;
  }
  if (options.Has("tuned")) KeepFreedMemory();
  void* context = zmq_ctx_new();
  void* socket = zmq_socket(context, ZMQ_XPUB);
  SetInt(socket, ZMQ_XPUB_VERBOSER, 1);  // one message per subscriber, not per topic
  SetInt(socket, ZMQ_RCVHWM, 0);
  SetInt(socket, ZMQ_LINGER, 0);
  if (!options.Has("drop")) {
    SetInt(socket, ZMQ_XPUB_NODROP, 1);
    SetInt(socket, ZMQ_SNDHWM, static_cast<int>(options.Number("hwm", kLockstepHwm)));
  }
  Check(zmq_bind(socket, options.Text("bind").c_str()), "zmq_bind");

  std::uint64_t subscribers = 0;
  while (subscribers < options.Number("wait-subs", 1)) TakeSubscription(socket, 0, subscribers);

  EnlargePipe(STDIN_FILENO);
  char* buffer = NewBuffer();
  while (const std::size_t size = ReadGreedily(buffer, kMessageBytes))
    Send(socket, buffer, size);
  free(buffer);
  SendEnd(socket, subscribers);
  zmq_close(socket);
  zmq_ctx_term(context);
  return 0;
}

}  // namespace
}  // namespace pipedup::bench

int main(int argc, char** argv) {
  return pipedup::bench::Main(argc, argv);
}
