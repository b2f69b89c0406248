#include "wire/block_header.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/checksum.h"

namespace pipedup {
namespace {

constexpr Position kLastPosition = std::numeric_limits<Position>::max();

BlockHeader DataHeader() {
  BlockHeader header;
  header.begins_record = true;
  header.session = 0x1f2e3d4c5b6a7988;
  header.position = 1000;
  header.length = 14;
  header.records = 3;
  header.records_before = 120;
  header.time_ns = 1'700'000'000'123'456'789;
  header.checksum = 0x8ba6dab5185db767;
  return header;
}

BlockHeader EndHeader() {
  BlockHeader header = DataHeader();
  header.kind = BlockKind::kEndOfStream;
  header.length = 0;
  header.exit_status = 3;
  return header;
}

std::string Encoded(const BlockHeader& header) {
  const EncodedHeader encoded = EncodeHeader(header);
  return std::string(AsText(encoded));
}

std::string Overwritten(std::string bytes, std::size_t at, std::string_view patch) {
  std::ranges::copy(patch, bytes.begin() + static_cast<std::ptrdiff_t>(at));
  return bytes;
}

/// DataHeader() with `patch` at `at` and a check that is right for the result.
std::string PatchedHeader(std::size_t at, std::string_view patch) {
  const std::string bytes = Overwritten(Encoded(DataHeader()), at, patch);
  std::array<std::byte, 4> check;
  StoreLittleEndian(static_cast<std::uint32_t>(Checksum(AsBytes(bytes).first(60))),
                    check.data());
  return Overwritten(bytes, 60, AsText(check));
}

ParsedHeader Parse(std::string_view bytes) {
  return ParseHeader(AsBytes(bytes));
}

void ExpectError(const ParsedHeader& parsed, HeaderError error) {
  ASSERT_FALSE(parsed.header.has_value());
  EXPECT_EQ(Describe(parsed.error), Describe(error));
}

void ExpectError(const ParsedFrame& parsed, HeaderError error) {
  ASSERT_FALSE(parsed.header.has_value());
  EXPECT_EQ(Describe(parsed.error), Describe(error));
}

// ---- round trips ----

TEST(BlockHeader, ADataHeaderSurvivesTheRoundTrip) {
  EXPECT_EQ(Parse(Encoded(DataHeader())).header, DataHeader());
}

TEST(BlockHeader, AHeadHeaderSurvivesTheRoundTrip) {
  BlockHeader header = DataHeader();
  header.kind = BlockKind::kHead;
  header.length = 0;
  EXPECT_EQ(Parse(Encoded(header)).header, header);
}

TEST(BlockHeader, AnEndOfStreamHeaderSurvivesTheRoundTrip) {
  EXPECT_EQ(Parse(Encoded(EndHeader())).header, EndHeader());
}

TEST(BlockHeader, EachFlagSurvivesTheRoundTripAlone) {
  for (unsigned flags = 0; flags < 8; ++flags) {
    BlockHeader header = DataHeader();
    header.begins_record = (flags & 1) != 0;
    header.ends_record = (flags & 2) != 0;
    header.checksummed = (flags & 4) == 0;
    if (!header.checksummed) header.checksum = 0;
    EXPECT_EQ(Encoded(header).substr(6, 2), std::string({static_cast<char>(flags), '\0'}));
    EXPECT_EQ(Parse(Encoded(header)).header, header);
  }
}

TEST(BlockHeader, TheExtremesOfEveryFieldSurviveTheRoundTrip) {
  BlockHeader header;
  header.codec = Codec::kZstd;
  header.session = std::numeric_limits<SessionId>::max();
  header.position = kLastPosition - kMaxBlockBytes;
  header.length = kMaxBlockBytes;
  header.records = std::numeric_limits<std::uint32_t>::max();
  header.records_before = std::numeric_limits<std::uint64_t>::max();
  header.time_ns = std::numeric_limits<std::int64_t>::min();
  header.checksum = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(Parse(Encoded(header)).header, header);
  EXPECT_EQ(header.end(), kLastPosition);
}

TEST(BlockHeader, AnEmptyDataBlockIsSound) {
  BlockHeader header = DataHeader();
  header.length = 0;
  EXPECT_EQ(Parse(Encoded(header)).header, header);
}

TEST(BlockHeader, AnUnknownExitStatusIsAllOnes) {
  BlockHeader header = EndHeader();
  header.exit_status = kUnknownExitStatus;
  EXPECT_EQ(Encoded(header).substr(56, 4), "\xff\xff\xff\xff");
  EXPECT_EQ(Parse(Encoded(header)).header, header);
}

// ---- fields without a meaning ----

TEST(BlockHeader, TheChecksumOfAnUncheckedPayloadIsWrittenAsZero) {
  BlockHeader header = DataHeader();
  header.checksummed = false;
  EXPECT_EQ(Encoded(header).substr(48, 8), std::string(8, '\0'));
}

TEST(BlockHeader, TheChecksumOfAnUncheckedPayloadIsReadAsZero) {
  const ParsedHeader parsed = Parse(PatchedHeader(6, std::string("\x05\x00", 2)));
  ASSERT_TRUE(parsed.header.has_value());
  EXPECT_FALSE(parsed.header->checksummed);
  EXPECT_EQ(parsed.header->checksum, 0U);
}

TEST(BlockHeader, OnlyTheEndOfStreamCarriesAnExitStatus) {
  BlockHeader header = DataHeader();
  header.exit_status = 3;
  EXPECT_EQ(Encoded(header), Encoded(DataHeader()));
  EXPECT_EQ(Parse(PatchedHeader(56, "\x03")).header, DataHeader());
}

TEST(BlockHeader, UnknownFlagsAreIgnored) {
  EXPECT_EQ(Parse(PatchedHeader(6, "\xf9\xff")).header, DataHeader());
}

TEST(BlockHeader, BytesBehindTheHeaderAreNotLookedAt) {
  EXPECT_EQ(Parse(Encoded(DataHeader()) + "more").header, DataHeader());
}

// ---- what is no header ----

TEST(BlockHeader, ATruncatedTailIsNotCorruption) {
  const std::string bytes = Encoded(DataHeader());
  for (std::size_t size = 0; size < kHeaderBytes; ++size) {
    ExpectError(Parse(bytes.substr(0, size)), HeaderError::kTruncated);
  }
}

TEST(BlockHeader, TruncationIsFoundBeforeAnyBadByte) {
  ExpectError(Parse(std::string(63, 'x')), HeaderError::kTruncated);
}

TEST(BlockHeader, BadMagicIsRefused) {
  for (std::size_t at = 0; at < 3; ++at) {
    ExpectError(Parse(PatchedHeader(at, "?")), HeaderError::kMagic);
  }
  ExpectError(Parse(std::string(64, '\0')), HeaderError::kMagic);
}

TEST(BlockHeader, AnotherVersionIsRefusedWhateverItsCheck) {
  ExpectError(Parse(PatchedHeader(3, "2")), HeaderError::kVersion);
  ExpectError(Parse(Overwritten(Encoded(DataHeader()), 3, "2")), HeaderError::kVersion);
}

TEST(BlockHeader, ABadChecksumCondemnsTheLengthToo) {
  // The length is out of range too, but nobody is to look at it.
  const std::string bytes = Overwritten(Encoded(DataHeader()), 24, "\xff\xff\xff\xff");
  ExpectError(Parse(bytes), HeaderError::kChecksum);
}

TEST(BlockHeader, EverySingleFlippedBitIsNoticed) {
  const std::string good = Encoded(DataHeader());
  for (std::size_t bit = 0; bit < 8 * kHeaderBytes; ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ static_cast<char>(1U << (bit % 8)));
    EXPECT_FALSE(Parse(bytes).header.has_value()) << "bit " << bit;
  }
}

TEST(BlockHeader, AnUnknownKindIsRefused) {
  for (const char kind : {'\x00', '\x04', '\xff'}) {
    ExpectError(Parse(PatchedHeader(4, {&kind, 1})), HeaderError::kKind);
  }
}

TEST(BlockHeader, AnUnknownCodecIsRefused) {
  for (const char codec : {'\x02', '\xff'}) {
    ExpectError(Parse(PatchedHeader(5, {&codec, 1})), HeaderError::kCodec);
  }
}

TEST(BlockHeader, ALengthOverTheMaximumIsRefused) {
  BlockHeader header = DataHeader();
  header.length = kMaxBlockBytes + 1;
  ExpectError(Parse(Encoded(header)), HeaderError::kLength);
  header.length = std::numeric_limits<std::uint32_t>::max();
  ExpectError(Parse(Encoded(header)), HeaderError::kLength);
}

TEST(BlockHeader, AHeadWithALengthIsRefused) {
  BlockHeader header = DataHeader();
  header.kind = BlockKind::kHead;
  ExpectError(Parse(Encoded(header)), HeaderError::kLength);
}

TEST(BlockHeader, AnEndOfStreamWithALengthIsRefused) {
  BlockHeader header = EndHeader();
  header.length = 1;
  ExpectError(Parse(Encoded(header)), HeaderError::kLength);
}

TEST(BlockHeader, APositionThatOverflowsWithItsLengthIsRefused) {
  BlockHeader header = DataHeader();
  header.position = kLastPosition - header.length + 1;
  ExpectError(Parse(Encoded(header)), HeaderError::kLength);
  header.position = kLastPosition - header.length;
  EXPECT_EQ(Parse(Encoded(header)).header, header);
}

TEST(BlockHeader, NoSessionIsRefused) {
  BlockHeader header = DataHeader();
  header.session = 0;
  ExpectError(Parse(Encoded(header)), HeaderError::kSession);
  header.length = kMaxBlockBytes + 1;  // is looked at before
  ExpectError(Parse(Encoded(header)), HeaderError::kLength);
}

TEST(BlockHeader, EveryErrorHasItsOwnWords) {
  std::vector<std::string_view> seen;
  for (const HeaderError error :
       {HeaderError::kTruncated, HeaderError::kMagic, HeaderError::kVersion,
        HeaderError::kChecksum, HeaderError::kKind, HeaderError::kCodec, HeaderError::kLength,
        HeaderError::kSession}) {
    for (const std::string_view other : seen) EXPECT_NE(Describe(error), other);
    seen.push_back(Describe(error));
  }
}

// ---- stream names ----

TEST(StreamName, LettersDigitsDotsUnderscoresAndHyphensAreAllowed) {
  EXPECT_TRUE(IsValidStreamName("demo"));
  EXPECT_TRUE(IsValidStreamName("Web.access_log-2"));
  EXPECT_TRUE(IsValidStreamName("."));
}

TEST(StreamName, IsOneTo128BytesLong) {
  EXPECT_FALSE(IsValidStreamName(""));
  EXPECT_TRUE(IsValidStreamName(std::string(128, 'a')));
  EXPECT_FALSE(IsValidStreamName(std::string(129, 'a')));
}

TEST(StreamName, AnyOtherByteIsRefused) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool allowed = std::string_view("._-").find(c) != std::string_view::npos ||
                         (byte < 128 && std::isalnum(byte) != 0);
    EXPECT_EQ(IsValidStreamName(std::string("a") + c), allowed) << "byte " << byte;
  }
}

// ---- frames ----

ParsedFrame ParseText(std::string_view frame) {
  return ParseFrame(AsBytes(frame));
}

TEST(Frame, SurvivesTheRoundTrip) {
  const std::string frame = EncodeFrame("demo", DataHeader());
  EXPECT_EQ(frame.size(), 4 + 1 + kHeaderBytes);
  const ParsedFrame parsed = ParseText(frame);
  EXPECT_EQ(parsed.topic, "demo");
  EXPECT_EQ(parsed.header, DataHeader());
}

TEST(Frame, OfAnAnswerHasAnEmptyTopic) {
  const std::string frame = EncodeFrame("", DataHeader());
  EXPECT_EQ(frame.front(), '\0');
  const ParsedFrame parsed = ParseText(frame);
  EXPECT_EQ(parsed.topic, "");
  EXPECT_EQ(parsed.header, DataHeader());
}

TEST(Frame, BorrowsItsTopic) {
  const std::string frame = EncodeFrame("demo", DataHeader());
  EXPECT_EQ(ParseText(frame).topic.data(), frame.data());
}

TEST(Frame, OfTheLongestTopicIsSound) {
  const std::string topic(128, 't');
  const std::string frame = EncodeFrame(topic, DataHeader());
  EXPECT_EQ(ParseText(frame).topic, topic);
}

TEST(Frame, ATruncatedTailIsNotCorruption) {
  const std::string frame = EncodeFrame("demo", DataHeader());
  for (std::size_t size = 0; size < frame.size(); ++size) {
    ExpectError(ParseText(frame.substr(0, size)), HeaderError::kTruncated);
  }
}

TEST(Frame, BytesBehindTheHeaderAreRefused) {
  ExpectError(ParseText(EncodeFrame("demo", DataHeader()) + "x"), HeaderError::kLength);
}

TEST(Frame, ATopicThatIsNoStreamNameIsRefused) {
  ExpectError(ParseText(EncodeFrame("de/mo", DataHeader())), HeaderError::kMagic);
  ExpectError(ParseText(EncodeFrame(std::string(129, 't'), DataHeader())), HeaderError::kMagic);
  ExpectError(ParseText(std::string(1000, 't')), HeaderError::kMagic);
}

TEST(Frame, TheErrorOfItsHeaderIsItsError) {
  std::string frame = EncodeFrame("demo", DataHeader());
  frame[5 + 16] = static_cast<char>(frame[5 + 16] ^ 1);
  ExpectError(ParseText(frame), HeaderError::kChecksum);
}

}  // namespace
}  // namespace pipedup
