// Config files, as pipedup-pub and pipedup-sub read them: whatever is in one is taken or is a
// usage error, and what is taken is printed in a form that is taken again and means the same.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "decide.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pipedup;
  using namespace pipedup::fuzz;
  const std::string file(AsText(std::as_bytes(std::span(data, size))));
  for (const Which program : {Which::kPub, Which::kSub}) {
    const CommandLine line{.program = program, .words = {"--config=fuzz"}, .file = file};
    if (!DecideAs(line).exit_status) RequireRoundTrip(line);
  }
  return 0;
}
