// A stream of JetStream with libnats alone: reads BYTES of it by an ordered consumer.
//   bare-nats-sub URLS STREAM BYTES
#include <nats/nats.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

void Check(const char* what, natsStatus status) {
  if (status == NATS_OK) return;
  std::fprintf(stderr, "bare-nats-sub: %s: %s\n", what, natsStatus_GetText(status));
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  natsConnection* connection = nullptr;
  jsCtx* js = nullptr;
  Check("connect", natsConnection_ConnectTo(&connection, argv[1]));
  Check("js", natsConnection_JetStream(&js, connection, nullptr));
  const std::string subject = std::string("bare.") + argv[2];
  natsSubscription* subscription = nullptr;
  jsSubOptions options;
  Check("options", jsSubOptions_Init(&options));
  options.Ordered = true;
  jsErrCode error{};
  natsStatus status = NATS_ERR;
  for (int i = 0; i < 100 && status != NATS_OK; ++i) {  // the stream may not be there yet
    status = js_SubscribeSync(&subscription, js, subject.c_str(), nullptr, &options, &error);
    if (status != NATS_OK) nats_Sleep(50);
  }
  Check("subscribe", status);
  Check("limits", natsSubscription_SetPendingLimits(subscription, -1, -1));
  for (long long left = std::atoll(argv[3]); left > 0;) {
    natsMsg* message = nullptr;
    Check("next", natsSubscription_NextMsg(&message, subscription, 30'000));
    left -= natsMsg_GetDataLength(message);
    natsMsg_Destroy(message);
  }
  natsSubscription_Destroy(subscription);
  jsCtx_Destroy(js);
  natsConnection_Destroy(connection);
  nats_Close();
}
