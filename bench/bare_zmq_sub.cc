// bare-zmq-sub --connect ENDPOINT: a SUB socket to stdout, until the end message.

#include <errno.h>
#include <unistd.h>

#include "bare_zmq.h"

namespace pipedup::bench {
namespace {

int Main(int argc, char** argv) {
  const Options options(argc, argv, {"connect", "hwm"}, {"drop", "tuned"});
  if (options.Has("tuned")) KeepFreedMemory();
  void* context = zmq_ctx_new();
  void* socket = zmq_socket(context, ZMQ_SUB);
  SetInt(socket, ZMQ_LINGER, 0);
  if (!options.Has("drop")) {
    SetInt(socket, ZMQ_RCVHWM, static_cast<int>(options.Number("hwm", kLockstepHwm)));
  }
  Check(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0), "zmq_setsockopt");
  Check(zmq_connect(socket, options.Text("connect").c_str()), "zmq_connect");
  EnlargePipe(STDOUT_FILENO);

  zmq_msg_t message;
  Check(zmq_msg_init(&message), "zmq_msg_init");
  for (;;) {
    const int received = zmq_msg_recv(&message, socket, 0);
    if (received < 0 && zmq_errno() == EINTR) continue;
    Check(received, "zmq_msg_recv");
    if (zmq_msg_size(&message) == 0) break;
    const std::string_view data(static_cast<const char*>(zmq_msg_data(&message)),
                                zmq_msg_size(&message));
    if (!WriteAll(STDOUT_FILENO, data)) Die("write", errno);
  }
  zmq_msg_close(&message);
  zmq_close(socket);
  zmq_ctx_term(context);
  return 0;
}

}  // namespace
}  // namespace pipedup::bench

int main(int argc, char** argv) {
  return pipedup::bench::Main(argc, argv);
}
