// Control messages: a frame that parses is encoded to one that parses to the same message, no
// longer than its direction allows; whatever does not parse is refused with a reason.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <variant>

#include "wire/control.h"

namespace {

using namespace pipedup;

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const control::ParseResult parsed = control::Parse(std::as_bytes(std::span(data, size)));
  if (const auto* failure = std::get_if<control::ParseFailure>(&parsed)) {
    Require(!failure->reason.empty());
    return 0;
  }
  const auto& message = std::get<control::Message>(parsed);
  const std::string encoded = control::Encode(message);
  Require(encoded.size() <= control::kMaxAnswerBytes);
  const control::ParseResult again = control::Parse(AsBytes(encoded));
  Require(std::holds_alternative<control::Message>(again));
  Require(std::get<control::Message>(again) == message);
  Require(control::Encode(std::get<control::Message>(again)) == encoded);
  return 0;
}
