// A message of a cluster's log, and what a cluster answers: any are read without harm. What is
// read as a block is written as what is read as the same.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/checksum.h"
#include "base/error.h"
#include "base/text.h"
#include "input.h"
#include "nats/log.h"

namespace {

using namespace pipedup;
using namespace pipedup::nats;
using fuzz::Require;

/// A header ends at a NUL, or at the end of its line.
std::string HeaderText(fuzz::Input& input) {
  std::string text = input.Text();
  return text.substr(0, text.find_first_of(std::string_view("\0\r\n", 3)));
}

void CheckEntry(const Entry& entry) {
  std::string why;
  const Message written("any", EncodeEntry(entry.header, entry.note, 1),
                        entry.bytes.bytes);
  const auto again = DecodeEntry(written, 2, &why);
  Require(again.has_value() && again->header == entry.header);
  Require(again->note.stream == entry.note.stream && again->note.left == entry.note.left);
  Require(again->note.started_ns == entry.note.started_ns);
  Require(again->note.past.size() == entry.note.past.size());
}

void CheckAnswer(const std::string& text) {
  const Message message("any", {}, AsBytes(text));
  const Acknowledgement answer = ParseAcknowledgement(message);
  Require(answer.stored == answer.error.empty());
  try {
    const auto state = ParseHead("demo", message);
    Require(!state || state->replicas.size() <= control::kMaxReplicas);
  } catch (const Error&) {
    // no such answer
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string all(AsText(std::as_bytes(std::span(data, size))));
  CheckAnswer(all);
  fuzz::Input input(data, size);
  // Random digits are almost never a block's: its header is also made, and then its text
  // changed.
  BlockHeader header;
  header.kind = static_cast<BlockKind>(input.Byte() % 3);
  header.session = input.Number();
  header.position = input.Number();
  const std::string bytes = input.Text();
  header.length =
      header.kind == BlockKind::kData ? static_cast<std::uint32_t>(bytes.size()) : 0;
  header.checksummed = header.kind == BlockKind::kData;
  if (header.checksummed) header.checksum = Checksum(AsBytes(bytes));
  Headers headers = EncodeEntry(header, {.stream = "demo"}, 1);
  const std::uint64_t changed = input.Byte() % 4;
  if (changed < headers.size()) headers[changed].second = HeaderText(input);
  headers.emplace_back("Nats-Sequence", input.Byte() % 2 == 0 ? "2" : HeaderText(input));
  const ByteSpan payload = header.kind == BlockKind::kData ? AsBytes(bytes) : ByteSpan();
  if (const auto entry = Log::ParseRead(Message("any", headers, payload), 2)) {
    Require(entry->sequence == 2);
    if (entry->header.session != 0) CheckEntry(*entry);
  }
  return 0;
}
