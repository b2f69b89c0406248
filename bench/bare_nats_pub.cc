// stdin → a stream of JetStream with libnats alone: blocks of 256 KiB, at most 8 MiB of them
// unacknowledged, as pipedup-pub has it.
//   bare-nats-pub URLS STREAM < file
#include <nats/nats.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kBlock = 256 * 1024;
constexpr std::int64_t kPatienceMs = 30'000;
constexpr std::int64_t kWindow = 8 * 1024 * 1024 / kBlock;

void Check(const char* what, natsStatus status) {
  if (status == NATS_OK) return;
  std::fprintf(stderr, "bare-nats-pub: %s: %s\n", what, natsStatus_GetText(status));
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  natsConnection* connection = nullptr;
  jsCtx* js = nullptr;
  Check("connect", natsConnection_ConnectTo(&connection, argv[1]));
  jsOptions options;
  Check("options", jsOptions_Init(&options));
  options.PublishAsync.MaxPending = kWindow;
  options.PublishAsync.StallWait = kPatienceMs;  // a cluster may pause
  Check("js", natsConnection_JetStream(&js, connection, &options));
  const std::string subject = std::string("bare.") + argv[2];
  const char* subjects[] = {subject.c_str()};
  jsStreamConfig config;
  Check("config", jsStreamConfig_Init(&config));
  config.Name = argv[2];
  config.Subjects = subjects;
  config.SubjectsLen = 1;
  config.Replicas = 3;
  jsErrCode error{};
  Check("stream", js_AddStream(nullptr, js, &config, nullptr, &error));
  std::vector<char> block(kBlock);
  for (;;) {
    std::size_t got = 0;
    while (got < kBlock) {
      const ssize_t n = ::read(0, block.data() + got, kBlock - got);
      if (n <= 0) break;
      got += static_cast<std::size_t>(n);
    }
    if (got == 0) break;
    Check("publish",
          js_PublishAsync(js, subject.c_str(), block.data(), static_cast<int>(got), nullptr));
  }
  Check("complete", js_PublishAsyncComplete(js, nullptr));
  jsCtx_Destroy(js);
  natsConnection_Destroy(connection);
  nats_Close();
}
