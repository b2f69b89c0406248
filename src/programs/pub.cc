// pipedup-pub: one program's output, published to any number of subscribers.
#include "base/error.h"
#include "os/interposed/connection_guard.h"
#include "os/io.h"
#include "os/process.h"
#include "os/signals.h"
#include "pipedup/command_line.h"
#include "pipedup/version.h"
#include "programs/pub_options.h"
#include "programs/publish.h"

int main(int argc, char** argv) {
  using namespace pipedup;
  const ParsedPub parsed = ParsePubOptions(argc, argv, LibraryVersions());
  return cli::RunMain(parsed.parsed, [&](Reporter& reporter) {
    if (parsed.options.producer.empty() && !IsOpen(0)) throw Error("stdin is closed");
    if (parsed.options.tee && !IsOpen(1)) throw Error("--tee: stdout is closed");
    OpenMissingStandardDescriptors();
    IgnoreBrokenPipe();
    RaiseDescriptorLimit();
    return PublishRun(parsed.options, reporter, ConnectionGuard::Install()).Run();
  });
}
