// What is sent is never larger than what it holds, and what is on its way is counted.
#include "publish/packer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/checksum.h"

namespace pipedup {
namespace {

Block BlockOf(std::string text, bool checksummed = true) {
  const auto owner = std::make_shared<const std::string>(std::move(text));
  Block block;
  block.header.length = static_cast<std::uint32_t>(owner->size());
  block.header.position = 1000;
  block.header.checksummed = checksummed;
  block.header.checksum = checksummed ? Checksum(AsBytes(*owner)) : 0;
  block.payload = {owner, AsBytes(*owner)};
  return block;
}

std::string Noise(std::size_t bytes) {
  std::mt19937_64 random(bytes);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

/// Half of it shrinks.
std::string Mixed(std::size_t bytes) {
  return Noise(bytes / 2) + std::string(bytes - bytes / 2, 'x');
}

TEST(Packer, TheChecksumIsOfWhatIsSentAndAllElseIsOfTheStream) {
  Packer packer(1);
  const Block block = BlockOf(Mixed(10'000));
  const Block packed = packer.PackLive(block);
  EXPECT_EQ(packed.header.codec, Codec::kZstd);
  EXPECT_LT(packed.payload.size(), block.payload.size());
  EXPECT_EQ(packed.header.checksum, Checksum(packed.payload.bytes));
  BlockHeader otherwise = packed.header;
  otherwise.codec = block.header.codec;
  otherwise.checksum = block.header.checksum;
  EXPECT_EQ(otherwise, block.header);
  Decompressor decompressor;
  const auto plain = decompressor.Decompress(packed.payload.bytes, block.header.length);
  ASSERT_TRUE(plain);
  EXPECT_EQ(AsText(plain->bytes), AsText(block.payload.bytes));
}

TEST(Packer, WithoutChecksumsThereIsNone) {
  Packer packer(1);
  const Block packed = packer.PackAnswer(BlockOf(Mixed(10'000), false));
  EXPECT_EQ(packed.header.codec, Codec::kZstd);
  EXPECT_FALSE(packed.header.checksummed);
  EXPECT_EQ(packed.header.checksum, 0U);
}

TEST(Packer, WhatDoesNotShrinkIsSentAsItIs) {
  Packer packer(19);
  for (const std::string& text : {Noise(5000), std::string("one\n"), std::string()}) {
    const Block block = BlockOf(text);
    const Block packed = packer.PackLive(block);
    EXPECT_EQ(packed.header, block.header);
    EXPECT_EQ(packed.payload.bytes.data(), block.payload.bytes.data()) << "not even a copy";
  }
  EXPECT_EQ(packer.live_bytes_held(), 0U);
}

TEST(Packer, WithoutALevelEverythingIsSentAsItIs) {
  Packer packer(0);
  EXPECT_EQ(packer.codec(), Codec::kNone);
  const Block block = BlockOf(Mixed(5000));
  EXPECT_EQ(packer.PackLive(block).header, block.header);
  EXPECT_EQ(packer.PackAnswer(block).header, block.header);
  EXPECT_EQ(packer.counters().live_bytes, 5000U);
  EXPECT_EQ(packer.counters().live_wire_bytes, 5000U);
  EXPECT_EQ(packer.counters().answer_wire_bytes, 5000U);
}

TEST(Packer, CountsBothSidesAndWhatIsOnItsWay) {
  Packer packer(1);
  std::vector<Block> sent;
  std::uint64_t sum = 0;
  for (int i = 0; i < 3; ++i) {
    sent.push_back(packer.PackLive(BlockOf(Mixed(10'000))));
    sum += sent.back().payload.size();
  }
  EXPECT_EQ(packer.counters().live_bytes, 30'000U);
  EXPECT_EQ(packer.counters().live_wire_bytes, sum);
  EXPECT_EQ(packer.live_bytes_held(), sum);
  EXPECT_EQ(packer.answer_bytes_held(), 0U);
  sent.clear();
  EXPECT_EQ(packer.live_bytes_held(), 0U);
  EXPECT_EQ(packer.counters().live_wire_bytes, sum);
}

TEST(Packer, AnswersThatNobodyTakesAreSentAsTheyAreBeyondABound) {
  Packer packer(1);
  const Block block = BlockOf(Mixed(kMaxBlockBytes));
  std::vector<Block> held;
  for (int i = 0; i < 100; ++i) held.push_back(packer.PackAnswer(block));
  EXPECT_EQ(held.front().header.codec, Codec::kZstd);
  EXPECT_EQ(held.back().header, block.header);
  EXPECT_LT(packer.answer_bytes_held(), Packer::kMostInAnswers + kMaxBlockBytes);
  EXPECT_EQ(packer.PackLive(block).header.codec, Codec::kZstd) << "answers bound answers";
  held.clear();
  EXPECT_EQ(packer.answer_bytes_held(), 0U);
  EXPECT_EQ(packer.PackAnswer(block).header.codec, Codec::kZstd);
}

TEST(Packer, LargeBlocksAreNotHeldUpByTheBestLevel) {
  Packer best(19), nine(9);
  const Block block = BlockOf(Mixed(kMaxBlockBytes));
  EXPECT_EQ(AsText(best.PackLive(block).payload.bytes),
            AsText(nine.PackLive(block).payload.bytes));
}

}  // namespace
}  // namespace pipedup
