// pipedup-relay: a stream, read once and published again.
#include "os/interposed/connection_guard.h"
#include "os/process.h"
#include "os/signals.h"
#include "pipedup/command_line.h"
#include "pipedup/version.h"
#include "programs/relay_options.h"
#include "programs/relay_run.h"

int main(int argc, char** argv) {
  using namespace pipedup;
  const ParsedRelay parsed = ParseRelayOptions(argc, argv, LibraryVersions());
  return cli::RunMain(parsed.parsed, [&](Reporter& reporter) {
    OpenMissingStandardDescriptors();
    IgnoreBrokenPipe();
    RaiseDescriptorLimit();
    KeepFreedBlocksInHeap();
    return RelayRun(parsed.options, reporter, ConnectionGuard::Install()).Run();
  });
}
