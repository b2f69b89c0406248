// The label of a journal: what is read is encoded to what is read as the same. Random bytes
// almost never pass its check, so each input is also tried with that made good.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/text.h"
#include "input.h"
#include "journal/layout.h"

namespace {

using namespace pipedup;
using fuzz::Require;

constexpr std::string_view kCheck = "check ";

bool SamePast(const PastSession& a, const PastSession& b) {
  return a.session == b.session && a.end == b.end;
}

void Check(const std::string& text) {
  const auto label = ParseLabel(text);
  if (!label) return;
  Require(label->session != 0 && label->segment_bytes > 0);
  Require(label->past.size() <= kMostPast);
  Require(!label->lapsed);
  const std::string encoded = EncodeLabel(*label);
  const auto again = ParseLabel(encoded);
  Require(again.has_value() && EncodeLabel(*again) == encoded);
  Require(again->session == label->session && again->durable == label->durable);
  Require(again->segment_bytes == label->segment_bytes);
  if (!label->durable) return;
  Require(again->from == label->from && again->used == label->used);
  Require(again->used_records == label->used_records && again->closed == label->closed);
  Require(again->stream == label->stream && again->records == label->records);
  Require(again->boot == label->boot && again->sync == label->sync);
  Require(std::ranges::equal(again->past, label->past, SamePast));
  // One bit that is another, and it is not taken for a label on disk.
  std::string damaged = encoded;
  damaged[damaged.size() / 2] ^= 1;
  const auto from_damaged = ParseLabel(damaged);
  Require(!from_damaged || !from_damaged->durable);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(AsText(std::as_bytes(std::span(data, size))));
  Check(text);
  text.resize(std::min(text.size(), text.rfind(kCheck)));
  if (!text.empty() && text.back() != '\n') text += '\n';
  Check(text + std::string(kCheck) + Hex(Checksum(AsBytes(text))) + "\n");
  return 0;
}
