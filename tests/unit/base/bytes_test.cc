#include "base/bytes.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>

namespace pipedup {
namespace {

template <typename Integer>
std::string Stored(Integer value) {
  std::array<std::byte, sizeof(Integer)> bytes;
  StoreLittleEndian(value, bytes.data());
  return std::string(AsText(bytes));
}

template <typename Integer>
Integer StoredAndLoaded(Integer value) {
  return LoadLittleEndian<Integer>(AsBytes(Stored(value)).data());
}

TEST(LittleEndian, StoresTheLeastSignificantByteFirst) {
  EXPECT_EQ(Stored<std::uint8_t>(0x01), "\x01");
  EXPECT_EQ(Stored<std::uint16_t>(0x0201), "\x01\x02");
  EXPECT_EQ(Stored<std::uint32_t>(0x04030201), "\x01\x02\x03\x04");
  EXPECT_EQ(Stored<std::uint64_t>(0x0807060504030201), "\x01\x02\x03\x04\x05\x06\x07\x08");
}

TEST(LittleEndian, StoresNegativeNumbersInTwosComplement) {
  EXPECT_EQ(Stored<std::int64_t>(-2), "\xfe\xff\xff\xff\xff\xff\xff\xff");
}

TEST(LittleEndian, LoadsTheExtremesAsTheyWereStored) {
  EXPECT_EQ(StoredAndLoaded(std::numeric_limits<std::uint64_t>::max()),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(StoredAndLoaded(std::numeric_limits<std::int64_t>::min()),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(StoredAndLoaded(std::numeric_limits<std::int16_t>::min()),
            std::numeric_limits<std::int16_t>::min());
  EXPECT_EQ(StoredAndLoaded<std::uint32_t>(0), 0U);
}

TEST(LittleEndian, LoadsFromAnyAddress) {
  const std::string bytes("\xff\x01\x02\x03\x04", 5);
  EXPECT_EQ(LoadLittleEndian<std::uint32_t>(AsBytes(bytes).data() + 1), 0x04030201U);
}

TEST(Bytes, TextAndBytesAreTheSameMemory) {
  const std::string text("a\0b", 3);
  const ByteSpan bytes = AsBytes(text);
  EXPECT_EQ(bytes.size(), 3U);
  EXPECT_EQ(AsText(bytes).data(), text.data());
  EXPECT_EQ(AsText(bytes), text);
}

SharedBytes Share(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  return {owner, AsBytes(*owner)};
}

TEST(SharedBytes, APartIsTheSameMemory) {
  const SharedBytes whole = Share("0123456789");
  const SharedBytes part = whole.Part(2, 3);
  EXPECT_EQ(AsText(part.bytes), "234");
  EXPECT_EQ(part.bytes.data(), whole.bytes.data() + 2);
}

TEST(SharedBytes, APartEndsWhereTheWholeDoes) {
  const SharedBytes whole = Share("0123456789");
  EXPECT_EQ(AsText(whole.Part(7).bytes), "789");
  EXPECT_EQ(AsText(whole.Part(7, 100).bytes), "789");
  EXPECT_EQ(whole.Part(10).size(), 0U);
}

TEST(SharedBytes, APartKeepsTheMemoryAlive) {
  SharedBytes whole = Share("0123456789");
  const std::weak_ptr<const void> memory = whole.owner;
  SharedBytes part = whole.Part(5);
  whole = {};
  EXPECT_FALSE(memory.expired());
  EXPECT_EQ(AsText(part.bytes), "56789");
  part = {};
  EXPECT_TRUE(memory.expired());
}

TEST(SharedBytes, WhatTheyWereDecodedFromBelongsToTheWholeOnly) {
  const auto text = std::make_shared<const std::string>("plain");
  SharedBytes whole{text, AsBytes(*text)};
  whole.encoded = std::make_shared<const SharedBytes>(SharedBytes{text, AsBytes("z")});
  EXPECT_EQ(whole.Part(0).encoded, whole.encoded);
  EXPECT_EQ(whole.Part(0, 5).encoded, whole.encoded);
  EXPECT_EQ(whole.Part(0, 4).encoded, nullptr);
  EXPECT_EQ(whole.Part(1).encoded, nullptr);
}

}  // namespace
}  // namespace pipedup
