// pipedup-sub: its options, and a call of the library.
#include "options.h"

int main(int argc, char** argv) {
  Line line;
  const pipedup::cli::Parsed parsed = pipedup::cli::Parse(SubProgram(&line), argc, argv);
  return pipedup::cli::RunMain(parsed, [&line](pipedup::Reporter& reporter) {
    return pipedup::Subscribe(line.options, reporter);
  });
}
