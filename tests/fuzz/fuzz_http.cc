// What a client of HTTP may say, and events: an id that parses is written as it was read, a
// host that is taken for this machine names it, and whatever is published comes out as
// well-formed events, none of which is of its own making.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/events.h"
#include "http/request.h"

namespace {

using namespace pipedup;

void Require(bool holds) {
  if (!holds) std::abort();
}

/// The ids are positions that only grow; every line is of a field that EventWriter knows.
void CheckEvents(std::string_view text, Position from, Position to) {
  Require(text.empty() || text.ends_with("\n\n"));
  Position last = from;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    Require(line.find('\r') == std::string_view::npos);
    Require(line.empty() || line.starts_with("data: ") || line.starts_with("id: "));
    if (!line.starts_with("id: ")) continue;
    const auto id = http::ParseEventId(line.substr(4));
    Require(id && id->position > last && id->position <= to);
    last = id->position;
  }
  Require(last == to);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)http::ParseFrom(text);
  if (const auto id = http::ParseEventId(text); id && id->session) {
    Require(http::ParseEventId(http::FormatEventId(id->position, *id->session)) == id);
  }
  if (http::IsLocalHost(text)) {
    Require(text.starts_with("127.") || text.starts_with("localhost") ||
            text.starts_with("[::1]"));
  }
  const auto token = http::BearerToken(text);
  Require(!token || !http::SameToken(*token, std::string(*token) + "x"));

  const auto format = static_cast<RecordFormat>(size % 3);
  http::EventWriter writer(1, format, 100);
  std::string out;
  const std::size_t half = size / 2;
  writer.Write(AsBytes(text.substr(0, half)), &out);
  writer.Write(AsBytes(text.substr(half)), &out);
  writer.Flush(&out);
  CheckEvents(out, 100, 100 + size);
  Require(http::ToUtf8(out) == out);
  return 0;
}
