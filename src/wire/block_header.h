// The 64-byte header in front of every block: on the wire, and in a segment's index.
// Normative text: src/wire/PROTOCOL.md, "Block header". Pure: no sockets, files or clocks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "pipedup/types.h"

namespace pipedup {

inline constexpr std::size_t kHeaderBytes = 64;
inline constexpr std::uint32_t kMaxBlockBytes = 1024 * 1024;
inline constexpr std::uint32_t kUnknownExitStatus = 0xFFFFFFFF;

enum class BlockKind : std::uint8_t {
  kData = 1,
  kHead = 2,         ///< no payload: "published up to `position`"
  kEndOfStream = 3,  ///< no payload: nothing comes after `position`
};

enum class Codec : std::uint8_t { kNone = 0, kZstd = 1 };

struct BlockHeader {
  BlockKind kind = BlockKind::kData;
  Codec codec = Codec::kNone;
  bool begins_record = false;  ///< the first byte is the first of a record
  bool ends_record = false;    ///< the last byte is the last of a record
  bool checksummed = true;     ///< false: `checksum` is 0 and is not to be verified
  SessionId session = 0;
  Position position = 0;      ///< of the first byte
  std::uint32_t length = 0;   ///< bytes, decoded; 0 unless kData
  std::uint32_t records = 0;  ///< records that end in this block
  std::uint64_t records_before = 0;
  std::int64_t time_ns = 0;       ///< publish time, ns since the Unix epoch
  std::uint64_t checksum = 0;     ///< XXH3-64 of the payload as sent; kData only
  std::uint32_t exit_status = 0;  ///< kEndOfStream only; kUnknownExitStatus if not known

  Position end() const { return position + length; }
  bool operator==(const BlockHeader&) const = default;
};

using EncodedHeader = std::array<std::byte, kHeaderBytes>;

/// Writes 0 where a field has no meaning: `checksum` when not checksummed, `exit_status` unless
/// kEndOfStream. Nothing is checked: a header with, say, a length over the maximum is encoded,
/// and refused by ParseHeader.
EncodedHeader EncodeHeader(const BlockHeader& header);

/// Why bytes are no header. kTruncated may be mended by more bytes; nothing else can be.
enum class HeaderError : std::uint8_t {
  kTruncated,  ///< fewer than 64 bytes
  kMagic,      ///< not "PDU"
  kVersion,    ///< "PDU" of another version: byte 3 says which
  kChecksum,   ///< bytes 60..63 do not match 0..59: no field can be trusted, length included
  kKind,       ///< unknown kind
  kCodec,      ///< unknown codec
  kLength,     ///< over kMaxBlockBytes, not 0 where it must be, or position + length overflows
  kSession,    ///< 0, which no session has
};

/// A word for people: "bad magic", "unknown version" …
std::string_view Describe(HeaderError error);

struct ParsedHeader {
  std::optional<BlockHeader> header;  ///< set unless there was an error
  HeaderError error{};                ///< meaningful only when `header` is not set
};

/// Decodes the first 64 bytes of `bytes`. Every field is checked; nothing is thrown. Fields
/// that have no meaning (see EncodeHeader) and unknown flags are read as 0, whatever they hold.
/// The payload is not here to be verified: that is the caller's, with Checksum().
[[nodiscard]] ParsedHeader ParseHeader(ByteSpan bytes);

/// Whether `next`, which follows `first`, may be joined with it for who reads both later: made
/// within 10 ms after it. Not if time runs backwards, which only what was not written here
/// does.
bool MayJoin(const BlockHeader& first, const BlockHeader& next);

// ---- the first frame of a block message: topic, 0x00, header ----

/// 1 to 128 of [A-Za-z0-9._-].
bool IsValidStreamName(std::string_view name);

/// The frame for `topic`: a valid stream name, or empty in answers on the control socket.
std::string EncodeFrame(std::string_view topic, const BlockHeader& header);
/// What the first frames of all messages of `kind` begin with: a subscription to those alone.
std::string FramePrefix(std::string_view topic, BlockKind kind);

struct ParsedFrame {
  std::string_view topic;             ///< borrowed from the frame
  std::optional<BlockHeader> header;  ///< set unless there was an error
  HeaderError error{};                ///< meaningful only when `header` is not set
};

/// Splits a first frame. Anything that is not `topic 0x00` + exactly 64 bytes is an error:
/// kMagic when the topic is no stream name, kTruncated when bytes are missing, kLength when a
/// sound header is followed by more.
[[nodiscard]] ParsedFrame ParseFrame(ByteSpan frame);

}  // namespace pipedup
