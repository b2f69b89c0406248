// pipedup-top: who is slow.
#include "base/error.h"
#include "os/io.h"
#include "os/process.h"
#include "os/signals.h"
#include "pipedup/command_line.h"
#include "pipedup/version.h"
#include "programs/top_options.h"
#include "programs/top_run.h"

int main(int argc, char** argv) {
  using namespace pipedup;
  const ParsedTop parsed = ParseTopOptions(argc, argv, LibraryVersions());
  return cli::RunMain(parsed.parsed, [&](Reporter& reporter) {
    if (!parsed.options.check && !IsOpen(1)) throw Error("stdout is closed");
    OpenMissingStandardDescriptors();
    IgnoreBrokenPipe();
    RaiseDescriptorLimit();
    return TopRun(parsed.options, parsed.parsed.color, reporter).Run();
  });
}
