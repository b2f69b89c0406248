// The one place of this layer that looks around and prints.
#include "pipedup/command_line.h"

#include <exception>

#include "base/error.h"
#include "cli/decision.h"
#include "os/file.h"
#include "os/io.h"
#include "os/process.h"

namespace pipedup::cli {
namespace {

Surroundings RealSurroundings() {
  return {.environment = Environment,
          .read_file = ReadTextFile,
          .stdout_is_terminal = IsTerminal(kStdout),
          .stderr_is_terminal = IsTerminal(kStderr)};
}

}  // namespace

Parsed Parse(const Program& program, int argc, const char* const* argv) {
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  const Decision decision = Decide(program, words, RealSurroundings());
  Parsed parsed{decision.exit_status, decision.reporter, decision.color};
  if (!decision.wrong.empty()) Reporter(decision.reporter).Error("usage", decision.wrong);
  if (!decision.out.empty()) {
    const IoResult written = WriteAll(kStdout, AsBytes(decision.out));
    if (written.status == IoStatus::kClosed) {
      parsed.exit_status = kExitBrokenPipe;
    } else if (written.status != IoStatus::kOk) {
      Reporter(decision.reporter).Error("output", "stdout: " + ErrnoText(written.error));
      parsed.exit_status = kExitFailure;
    }
  }
  return parsed;
}

int RunMain(const Parsed& parsed, const std::function<int(Reporter&)>& body) {
  if (parsed.exit_status) return *parsed.exit_status;
  Reporter reporter(parsed.reporter);
  try {
    const int status = body(reporter);
    reporter.EndProgress();
    return status;
  } catch (const Error& error) {
    reporter.EndProgress();
    reporter.Error("failed", error.what());
    return error.exit_status();
  } catch (const std::exception& error) {
    reporter.EndProgress();
    reporter.Error("failed", error.what());
    return kExitFailure;
  }
}

}  // namespace pipedup::cli
