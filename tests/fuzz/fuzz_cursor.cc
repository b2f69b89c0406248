// A cursor file: whatever the bytes are, what is read is sound, and is encoded to what is read
// as the same; where it goes on is a plan that can be carried out. Random bytes almost never
// pass a slot's checksum, so each input is also tried with its slots' checks made good.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>

#include "base/checksum.h"
#include "base/text.h"
#include "journal/cursor.h"
#include "journal/cursor_resume.h"

namespace {

using namespace pipedup;

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckPlan(const Cursor& cursor, std::uint64_t length) {
  if (!cursor.file) return;
  const OutputFile output{cursor.file->device, cursor.file->inode, length};
  for (const std::uint64_t boot : {cursor.boot, cursor.boot + 1}) {
    const ResumePlan plan = PlanResume(cursor, output, boot);
    Require(!plan.truncate_to || *plan.truncate_to < length);
    Require(!plan.repeated_to || *plan.repeated_to > plan.position);
    Require(!plan.repeated_to || !plan.why.empty());
  }
}

void Check(ByteSpan file) {
  const ParsedCursor parsed = ParseCursor(file);
  Require(!parsed.cursor || (!parsed.damaged && !parsed.foreign));
  Require(!(parsed.damaged && parsed.foreign));
  if (!parsed.cursor) return;
  std::string again = EncodeCursorHeader(1);
  again.resize(kCursorBytes);
  again.replace(CursorSlotOffset(parsed.number), kCursorSectorBytes,
                EncodeCursorSlot(*parsed.cursor, parsed.number));
  const ParsedCursor second = ParseCursor(AsBytes(again));
  Require(second.cursor == parsed.cursor && second.number == parsed.number);
  for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{1000}}) {
    CheckPlan(*parsed.cursor, length);
    if (parsed.cursor->file) CheckPlan(*parsed.cursor, parsed.cursor->file->length + length);
  }
}

/// Makes what is before the last "check " of the slot at `from` pass.
void MakeGood(std::string& file, std::size_t from) {
  constexpr std::string_view kCheck = "check ";
  if (file.size() < from + kCursorSectorBytes) return;
  const std::string_view slot = std::string_view(file).substr(from, kCursorSectorBytes);
  const std::size_t at = slot.rfind(kCheck);
  if (at == std::string_view::npos) return;
  const std::string sum = Hex(Checksum(AsBytes(slot.substr(0, at)))) + "\n";
  if (at + kCheck.size() + sum.size() > kCursorSectorBytes) return;
  file.replace(from + at + kCheck.size(), sum.size(), sum);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input = std::as_bytes(std::span(data, size));
  Check(input);
  std::string good(AsText(input));
  MakeGood(good, CursorSlotOffset(0));
  MakeGood(good, CursorSlotOffset(1));
  Check(AsBytes(good));
  return 0;
}
