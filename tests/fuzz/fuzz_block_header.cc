// The block header and its frame: bytes that parse are encoded to bytes that parse to the same.
// Random bytes almost never pass the header's checksum, so each input is also tried with its
// magic, version and check made good.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/checksum.h"
#include "wire/block_header.h"

namespace {

using namespace pipedup;

void Require(bool holds) {
  if (!holds) std::abort();
}

bool Same(const ParsedHeader& a, const ParsedHeader& b) {
  return a.header == b.header && (a.header || a.error == b.error);
}

void CheckSound(const BlockHeader& header) {
  Require(header.length <= kMaxBlockBytes);
  Require(header.session != 0);
  Require(header.end() >= header.position);
  Require(header.kind == BlockKind::kData || header.length == 0);
  Require(header.kind == BlockKind::kEndOfStream || header.exit_status == 0);
  Require(header.checksummed || header.checksum == 0);
}

void CheckHeader(ByteSpan bytes) {
  const ParsedHeader parsed = ParseHeader(bytes);
  Require(parsed.header || !Describe(parsed.error).empty());
  Require((bytes.size() < kHeaderBytes) ==
          (!parsed.header && parsed.error == HeaderError::kTruncated));
  if (!parsed.header) return;
  CheckSound(*parsed.header);
  Require(Same(ParseHeader(bytes.first(kHeaderBytes)), parsed));
  const EncodedHeader encoded = EncodeHeader(*parsed.header);
  Require(Same(ParseHeader(encoded), parsed));
  Require(EncodeHeader(*ParseHeader(encoded).header) == encoded);
}

void CheckFrame(ByteSpan bytes) {
  const ParsedFrame parsed = ParseFrame(bytes);
  if (!parsed.header) return;
  CheckSound(*parsed.header);
  Require(parsed.topic.empty() || IsValidStreamName(parsed.topic));
  Require(bytes.size() == parsed.topic.size() + 1 + kHeaderBytes);
  const std::string encoded = EncodeFrame(parsed.topic, *parsed.header);
  const ParsedFrame again = ParseFrame(AsBytes(encoded));
  Require(again.topic == parsed.topic && again.header == parsed.header);
}

/// Makes the 64 bytes at `from` pass for a header of this version, as far as its fields allow.
void MakeGood(std::string& bytes, std::size_t from) {
  if (bytes.size() < from + kHeaderBytes) return;
  bytes.replace(from, 4, "PDU1");
  std::byte check[4];
  StoreLittleEndian(
      static_cast<std::uint32_t>(Checksum(AsBytes(bytes).subspan(from, kHeaderBytes - 4))),
      check);
  bytes.replace(from + kHeaderBytes - 4, 4, AsText(check));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input = std::as_bytes(std::span(data, size));
  CheckHeader(input);
  CheckFrame(input);

  std::string header(AsText(input));
  MakeGood(header, 0);
  CheckHeader(AsBytes(header));

  std::string frame(AsText(input));
  MakeGood(frame, std::min(frame.find('\0'), frame.size()) + 1);
  CheckFrame(AsBytes(frame));
  return 0;
}
