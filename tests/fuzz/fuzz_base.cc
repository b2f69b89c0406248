// What people type: sizes, durations, endpoints. Whatever is taken is printed in a form that is
// taken again and means the same.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/display.h"
#include "base/endpoint.h"
#include "base/keys.h"
#include "base/records.h"
#include "base/text.h"
#include "base/units.h"

namespace {

using namespace pipedup;

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckEndpoint(std::string_view text) {
  std::string why;
  const auto endpoint = ParseEndpoint(text, &why);
  Require(endpoint.has_value() == why.empty());
  if (!endpoint) return;
  Require(endpoint->port != 65535);
  Require(endpoint->data() != endpoint->control());
  const auto again = ParseEndpoint(endpoint->data(), &why);
  Require(again == endpoint);
  Require(again->IsLocal() == endpoint->IsLocal());
}

/// What is shown is rounded, a little.
bool IsNear(double shown, double exact, double part) {
  return std::abs(shown - exact) <= exact * part + 1;
}

void CheckUnits(std::string_view text) {
  if (const auto size = ParseSize(text)) {
    Require(ParseSize(std::to_string(*size)) == size);
    const auto shown = ParseSize(FormatSize(*size));
    Require(shown.has_value() || *size > (std::uint64_t{1} << 62));
    if (shown) Require(IsNear(static_cast<double>(*shown), static_cast<double>(*size), 0.06));
    const auto kilo = ParseSize(std::to_string(*size) + "K");
    Require(kilo.has_value() == (*size <= UINT64_MAX / 1024));
    if (kilo) Require(*kilo == *size * 1024);
  }
  if (const auto duration = ParseDuration(text)) {
    Require(duration->count() >= 0);
    const auto shown = ParseDuration(FormatDuration(*duration));
    Require(shown.has_value());
    Require(IsNear(static_cast<double>(shown->count()), static_cast<double>(duration->count()),
                   1e-9));
    Require(FormatTime(duration->count()).size() >= 27);
  }
}

void CheckText(std::string_view text) {
  const std::string escaped = Escape(text);
  Require(std::all_of(escaped.begin(), escaped.end(), [](char c) {
    return (c >= 0x20 && c < 0x7f) ||
           static_cast<unsigned char>(c) >= 0x80;  // the "…" at the end
  }));
  const std::size_t half = text.find(' ');
  if (half == std::string_view::npos) return;
  const std::string_view word = text.substr(0, half);
  const std::string_view candidate = text.substr(half + 1);
  const std::string_view near = Nearest(word, std::span(&candidate, 1));
  Require(near.empty() || near == candidate);
}

void CheckDisplay(std::string_view text) {
  for (const bool utf8 : {false, true}) {
    const std::string shown = Displayable(text, utf8);
    for (const char c : shown) {
      const auto byte = static_cast<unsigned char>(c);
      Require(byte >= 0x20 && byte != 0x7f && (utf8 || byte < 0x80));
    }
    // Nothing but UTF-8 is left, so that this sees no more to escape than the backslashes.
    const auto slashes = static_cast<std::size_t>(std::count(shown.begin(), shown.end(), '\\'));
    Require(Displayable(shown, utf8).size() == shown.size() + slashes);
    for (const std::size_t columns : {0U, 1U, 2U, 7U, 40U}) {
      Require(DisplayColumns(CutToColumns(shown, columns, utf8)) <= columns);
    }
  }
}

void CheckRecords(std::string_view text) {
  for (const RecordFormat format :
       {RecordFormat::kLines, RecordFormat::kNul, RecordFormat::kRaw}) {
    const ByteSpan bytes = AsBytes(text);
    const std::uint32_t records = CountRecords(format, bytes);
    const std::size_t finished = FinishedLength(format, bytes);
    if (format == RecordFormat::kRaw) {
      Require(records == 0 && finished == bytes.size());
      continue;
    }
    Require(CountRecords(format, bytes.first(finished)) == records);
    Require(LengthOfRecords(format, bytes, records) == finished);
    Require(LengthOfRecords(format, bytes, std::uint64_t{records} + 1) == 0);
  }
}

void CheckKeys(std::string_view text) {
  std::string why;
  const auto list = AllowList::Parse(text, &why);
  Require(list.has_value() == why.empty());
  if (list) {
    Require(list->NamesNotIn(*list).empty());
    Require(list->NamesNotIn(AllowList()).size() == list->size());
  }
  why.clear();
  const bool is_public = ParsePublicKey(text, &why).has_value();
  Require(!is_public || (list && list->size() == 1));
  Require(!is_public || !ParseSecretKey(text, &why));
  Require(!DecodeKey(text) || DecodeKey(text)->text().size() == kKeyBytes);
  (void)MakeKeyName(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = AsText(std::as_bytes(std::span(data, size)));
  CheckUnits(text);
  CheckText(text);
  CheckDisplay(text);
  CheckRecords(text);
  CheckKeys(text);
  if (size < 1000) CheckEndpoint(text);
  return 0;
}
