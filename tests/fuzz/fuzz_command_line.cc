// Command lines of pipedup-pub and pipedup-sub: NUL-separated words; "NAME=value" with a name
// that begins with PIPEDUP_ is a variable, and what begins with "file:" is in the config file.
// Parsing only ever stores: what is taken is printed as settings that mean the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "decide.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pipedup;
  using namespace pipedup::fuzz;
  constexpr std::string_view kFile = "file:";
  CommandLine line;
  std::string_view text = AsText(std::as_bytes(std::span(data, size)));
  while (!text.empty()) {
    const std::string word(text.substr(0, text.find('\0')));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    const std::size_t equals = word.find('=');
    if (word.starts_with("PIPEDUP_") && equals != word.npos) {
      line.variables[word.substr(0, equals)] = word.substr(equals + 1);
    } else if (word.starts_with(kFile)) {
      line.file = word.substr(kFile.size());
    } else {
      line.words.push_back(word);
    }
  }
  for (const Which program : {Which::kPub, Which::kSub}) {
    line.program = program;
    if (!DecideAs(line).exit_status) RequireRoundTrip(line);
  }
  return 0;
}
