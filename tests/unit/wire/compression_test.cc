// One frame, of exactly the length that the header says, or nothing.
#include "wire/compression.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <random>
#include <string>

namespace pipedup {
namespace {

std::string Noise(std::size_t bytes) {
  std::mt19937_64 random(1);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

std::string Lines(std::size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; ++i) {
    text += "GET /item/" + std::to_string(i * 7919) + " 200\n";
  }
  text.resize(bytes);
  return text;
}

/// By libzstd's simple interface, which knows no limits.
std::string Frame(const std::string& plain) {
  std::string frame(ZSTD_compressBound(plain.size()), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), plain.data(), plain.size(), 1));
  return frame;
}

std::optional<std::string> Decompress(const std::string& frame, std::size_t length) {
  Decompressor decompressor;
  const auto plain = decompressor.Decompress(AsBytes(frame), length);
  if (!plain) return std::nullopt;
  return std::string(AsText(plain->bytes));
}

TEST(Compression, SurvivesTheRoundTripAtEveryLevel) {
  Compressor compressor;
  Decompressor decompressor;
  const std::string lines = Lines(20'000);
  for (int level = kFastestLevel; level <= kBestLevel; ++level) {
    const auto frame = compressor.Compress(AsBytes(lines), level);
    ASSERT_TRUE(frame) << level;
    EXPECT_LT(frame->size(), lines.size() / 3) << level;
    const auto plain = decompressor.Decompress(*frame, lines.size());
    ASSERT_TRUE(plain) << level;
    EXPECT_EQ(AsText(plain->bytes), lines) << level;
    EXPECT_EQ(plain->size(), lines.size());
  }
}

TEST(Compression, TheSameBytesAreTheSameFrameWhateverCameBefore) {
  Compressor used;
  const std::string lines = Lines(50'000);
  const std::string first(AsText(*used.Compress(AsBytes(lines), 1)));
  (void)used.Compress(AsBytes(Noise(1000)), 19);
  EXPECT_EQ(AsText(*used.Compress(AsBytes(lines), 1)), first);
}

TEST(Compression, TheLargestBlockFits) {
  Compressor compressor;
  const std::string lines = Lines(kMaxBlockBytes);
  const auto frame = compressor.Compress(AsBytes(lines), 1);
  ASSERT_TRUE(frame);
  EXPECT_EQ(Decompress(std::string(AsText(*frame)), kMaxBlockBytes), lines);
}

TEST(Compression, WhatDoesNotShrinkIsNotCompressed) {
  Compressor compressor;
  EXPECT_FALSE(compressor.Compress({}, 1));
  EXPECT_FALSE(compressor.Compress(AsBytes("x"), 1));
  EXPECT_FALSE(compressor.Compress(AsBytes("short\n"), 19));
  for (const std::size_t bytes :
       {std::size_t{100}, std::size_t{100000}, std::size_t{kMaxBlockBytes}}) {
    EXPECT_FALSE(compressor.Compress(AsBytes(Noise(bytes)), 1)) << bytes;
  }
  EXPECT_TRUE(compressor.Compress(AsBytes(Lines(1000)), 1)) << "and the next one is";
}

TEST(Compression, AnotherLengthThanTheHeadersIsDamage) {
  const std::string lines = Lines(1000);
  const std::string frame = Frame(lines);
  EXPECT_EQ(Decompress(frame, 1000), lines);
  EXPECT_FALSE(Decompress(frame, 999));
  EXPECT_FALSE(Decompress(frame, 1001));
  EXPECT_FALSE(Decompress(frame, 0));
}

TEST(Compression, ABombIsDamage) {
  const std::string frame = Frame(std::string(std::size_t{1} << 26, '\0'));  // 64 MiB
  EXPECT_LT(frame.size(), kMaxBlockBytes);
  EXPECT_FALSE(Decompress(frame, kMaxBlockBytes));
  EXPECT_FALSE(Decompress(frame, frame.size()));
  EXPECT_FALSE(Decompress(frame, std::size_t{1} << 26)) << "no block is that long";
}

TEST(Compression, AFrameThatDoesNotSayItsLengthIsReadAndHeldToTheHeaders) {
  const std::string lines = Lines(5000);
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  std::string frame(10'000, '\0');
  frame.resize(ZSTD_compress2(context, frame.data(), frame.size(), lines.data(), lines.size()));
  ZSTD_freeCCtx(context);
  EXPECT_EQ(Decompress(frame, 5000), lines);
  EXPECT_FALSE(Decompress(frame, 4999));
  EXPECT_FALSE(Decompress(frame, 5001));
}

TEST(Compression, OneFrameIsOneFrame) {
  const std::string lines = Lines(1000);
  const std::string frame = Frame(lines);
  const std::string skippable("\x50\x2a\x4d\x18\x04\0\0\0skip", 12);
  EXPECT_FALSE(Decompress(frame + frame, 2000)) << "two";
  EXPECT_FALSE(Decompress(frame + "x", 1000)) << "more behind it";
  EXPECT_FALSE(Decompress(frame + skippable, 1000));
  EXPECT_FALSE(Decompress(skippable + frame, 1000));
  EXPECT_FALSE(Decompress(skippable, 12));
  EXPECT_FALSE(Decompress(skippable, 0));
  EXPECT_FALSE(Decompress("", 10));
  EXPECT_FALSE(Decompress("", 0));
}

TEST(Compression, AFrameIsNoLongerThanWhatItHolds) {
  const std::string noise = Noise(1000);
  EXPECT_GT(Frame(noise).size(), noise.size());
  EXPECT_FALSE(Decompress(Frame(noise), noise.size()));
}

TEST(Compression, EveryTruncationIsDamage) {
  const std::string frame = Frame(Lines(1000));
  for (std::size_t size = 0; size < frame.size(); ++size) {
    EXPECT_FALSE(Decompress(frame.substr(0, size), 1000)) << size;
  }
}

TEST(Compression, TheDecoderGoesOnAfterDamage) {
  Decompressor decompressor;
  const std::string lines = Lines(1000);
  std::string frame = Frame(lines);
  frame[frame.size() / 2] ^= 0x55;
  (void)decompressor.Decompress(AsBytes(frame), 1000);  // may decode, to something else
  frame[frame.size() / 2] ^= 0x55;
  const auto plain = decompressor.Decompress(AsBytes(frame), 1000);
  ASSERT_TRUE(plain);
  EXPECT_EQ(AsText(plain->bytes), lines);
}

}  // namespace
}  // namespace pipedup
