#include "wire/block_header.h"

#include <algorithm>
#include <limits>

#include "base/checksum.h"

namespace pipedup {
namespace {

constexpr std::string_view kMagic = "PDU";
constexpr char kVersion = '1';

// Where each field begins. Source: src/wire/PROTOCOL.md, "Block header".
constexpr std::size_t kVersionAt = 3;
constexpr std::size_t kKindAt = 4;
constexpr std::size_t kCodecAt = 5;
constexpr std::size_t kFlagsAt = 6;
constexpr std::size_t kSessionAt = 8;
constexpr std::size_t kPositionAt = 16;
constexpr std::size_t kLengthAt = 24;
constexpr std::size_t kRecordsAt = 28;
constexpr std::size_t kRecordsBeforeAt = 32;
constexpr std::size_t kTimeAt = 40;
constexpr std::size_t kChecksumAt = 48;
constexpr std::size_t kExitStatusAt = 56;
constexpr std::size_t kCheckAt = 60;
static_assert(kCheckAt + sizeof(std::uint32_t) == kHeaderBytes);

constexpr unsigned kBeginsRecord = 1U << 0;
constexpr unsigned kEndsRecord = 1U << 1;
constexpr unsigned kNotChecksummed = 1U << 2;

constexpr std::size_t kMaxTopicBytes = 128;

/// What bytes 60..63 must hold: the low half of the checksum of all the bytes before them.
std::uint32_t HeaderCheck(const std::byte* header) {
  return static_cast<std::uint32_t>(Checksum({header, kCheckAt}));
}

bool IsKnown(BlockKind kind) {
  return kind == BlockKind::kData || kind == BlockKind::kHead ||
         kind == BlockKind::kEndOfStream;
}

bool IsKnown(Codec codec) {
  return codec == Codec::kNone || codec == Codec::kZstd;
}

bool LengthIsSound(const BlockHeader& header) {
  const std::uint32_t most = header.kind == BlockKind::kData ? kMaxBlockBytes : 0;
  return header.length <= most &&
         header.position <= std::numeric_limits<Position>::max() - header.length;
}

}  // namespace

EncodedHeader EncodeHeader(const BlockHeader& header) {
  EncodedHeader encoded{};
  std::byte* const to = encoded.data();
  std::ranges::copy(AsBytes(kMagic), to);
  to[kVersionAt] = static_cast<std::byte>(kVersion);
  to[kKindAt] = static_cast<std::byte>(header.kind);
  to[kCodecAt] = static_cast<std::byte>(header.codec);
  const unsigned flags = (header.begins_record ? kBeginsRecord : 0U) |
                         (header.ends_record ? kEndsRecord : 0U) |
                         (header.checksummed ? 0U : kNotChecksummed);
  StoreLittleEndian(static_cast<std::uint16_t>(flags), to + kFlagsAt);
  StoreLittleEndian(header.session, to + kSessionAt);
  StoreLittleEndian(header.position, to + kPositionAt);
  StoreLittleEndian(header.length, to + kLengthAt);
  StoreLittleEndian(header.records, to + kRecordsAt);
  StoreLittleEndian(header.records_before, to + kRecordsBeforeAt);
  StoreLittleEndian(header.time_ns, to + kTimeAt);
  if (header.checksummed) StoreLittleEndian(header.checksum, to + kChecksumAt);
  if (header.kind == BlockKind::kEndOfStream) {
    StoreLittleEndian(header.exit_status, to + kExitStatusAt);
  }
  StoreLittleEndian(HeaderCheck(to), to + kCheckAt);
  return encoded;
}

std::string_view Describe(HeaderError error) {
  switch (error) {
    case HeaderError::kTruncated:
      return "truncated header";
    case HeaderError::kMagic:
      return "bad magic";
    case HeaderError::kVersion:
      return "unknown version";
    case HeaderError::kChecksum:
      return "bad header checksum";
    case HeaderError::kKind:
      return "unknown kind";
    case HeaderError::kCodec:
      return "unknown codec";
    case HeaderError::kLength:
      return "bad length";
    case HeaderError::kSession:
      return "no session";
  }
  return "unknown error";
}

ParsedHeader ParseHeader(ByteSpan bytes) {
  const auto failure = [](HeaderError error) { return ParsedHeader{std::nullopt, error}; };

  if (bytes.size() < kHeaderBytes) return failure(HeaderError::kTruncated);
  const std::byte* const from = bytes.data();
  if (AsText(bytes.first(kMagic.size())) != kMagic) return failure(HeaderError::kMagic);
  // Before the check: another version may keep its check elsewhere.
  if (from[kVersionAt] != static_cast<std::byte>(kVersion)) {
    return failure(HeaderError::kVersion);
  }
  if (LoadLittleEndian<std::uint32_t>(from + kCheckAt) != HeaderCheck(from)) {
    return failure(HeaderError::kChecksum);
  }

  BlockHeader header;
  header.kind = static_cast<BlockKind>(from[kKindAt]);
  if (!IsKnown(header.kind)) return failure(HeaderError::kKind);
  header.codec = static_cast<Codec>(from[kCodecAt]);
  if (!IsKnown(header.codec)) return failure(HeaderError::kCodec);
  const unsigned flags = LoadLittleEndian<std::uint16_t>(from + kFlagsAt);
  header.begins_record = (flags & kBeginsRecord) != 0;
  header.ends_record = (flags & kEndsRecord) != 0;
  header.checksummed = (flags & kNotChecksummed) == 0;
  header.session = LoadLittleEndian<std::uint64_t>(from + kSessionAt);
  header.position = LoadLittleEndian<std::uint64_t>(from + kPositionAt);
  header.length = LoadLittleEndian<std::uint32_t>(from + kLengthAt);
  if (!LengthIsSound(header)) return failure(HeaderError::kLength);
  if (header.session == 0) return failure(HeaderError::kSession);
  header.records = LoadLittleEndian<std::uint32_t>(from + kRecordsAt);
  header.records_before = LoadLittleEndian<std::uint64_t>(from + kRecordsBeforeAt);
  header.time_ns = LoadLittleEndian<std::int64_t>(from + kTimeAt);
  if (header.checksummed) header.checksum = LoadLittleEndian<std::uint64_t>(from + kChecksumAt);
  if (header.kind == BlockKind::kEndOfStream) {
    header.exit_status = LoadLittleEndian<std::uint32_t>(from + kExitStatusAt);
  }
  return {header, {}};
}

bool MayJoin(const BlockHeader& first, const BlockHeader& next) {
  constexpr std::uint64_t kWithin = 10'000'000;  // ns
  return static_cast<std::uint64_t>(next.time_ns) - static_cast<std::uint64_t>(first.time_ns) <=
         kWithin;
}

bool IsValidStreamName(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kMaxTopicBytes &&
         std::ranges::all_of(name, is_allowed);
}

std::string FramePrefix(std::string_view topic, BlockKind kind) {
  BlockHeader header;
  header.kind = kind;
  constexpr std::size_t kUpToKind = kMagic.size() + 2;  // magic, version, kind
  return EncodeFrame(topic, header).substr(0, topic.size() + 1 + kUpToKind);
}

std::string EncodeFrame(std::string_view topic, const BlockHeader& header) {
  const EncodedHeader encoded = EncodeHeader(header);
  std::string frame;
  frame.reserve(topic.size() + 1 + kHeaderBytes);
  frame += topic;
  frame += '\0';
  frame += AsText(encoded);
  return frame;
}

ParsedFrame ParseFrame(ByteSpan frame) {
  const std::string_view text = AsText(frame);
  const std::string_view topic =
      text.substr(0, text.find('\0'));  // all of it when there is none
  if (!topic.empty() && !IsValidStreamName(topic)) {
    return {{}, std::nullopt, HeaderError::kMagic};
  }
  if (topic.size() == text.size()) return {{}, std::nullopt, HeaderError::kTruncated};

  const ByteSpan rest = frame.subspan(topic.size() + 1);
  const ParsedHeader parsed = ParseHeader(rest);
  if (!parsed.header) return {topic, std::nullopt, parsed.error};
  if (rest.size() != kHeaderBytes) return {topic, std::nullopt, HeaderError::kLength};
  return {topic, parsed.header, {}};
}

}  // namespace pipedup
