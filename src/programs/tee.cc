// pipedup-tee: stdin, copied to stdout, files and commands on this machine.
#include "base/error.h"
#include "os/io.h"
#include "os/process.h"
#include "os/signals.h"
#include "pipedup/command_line.h"
#include "pipedup/version.h"
#include "programs/key_files.h"
#include "programs/tee_options.h"
#include "programs/tee_run.h"

int main(int argc, char** argv) {
  using namespace pipedup;
  const ParsedTee parsed = ParseTeeOptions(argc, argv, LibraryVersions());
  return cli::RunMain(parsed.parsed, [&](Reporter& reporter) {
    if (!IsOpen(0)) throw Error("stdin is closed");
    if (parsed.options.to_stdout && !IsOpen(1)) {
      throw Error("stdout is closed (--no-stdout does without it)");
    }
    ForgetKeyVariables();  // commands need none
    OpenMissingStandardDescriptors();
    IgnoreBrokenPipe();
    RaiseDescriptorLimit();
    return TeeRun(parsed.options, reporter).Run();
  });
}
