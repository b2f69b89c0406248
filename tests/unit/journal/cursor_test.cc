// A cursor is whole whatever interrupts its writer, and never taken for what it is not.
#include "journal/cursor.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace pipedup {
namespace {

constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();

Cursor Full() {
  Cursor cursor;
  cursor.id = "0123456789abcdef";
  cursor.boot = 0xfeed;
  cursor.stream = "web1";
  cursor.session = 0x1f2e3d4c5b6a7988;
  cursor.position = 1000;
  cursor.file = Cursor::File{2049, 77, 1234, 100, 334, false};
  cursor.write = Cursor::Write{1500, 500};
  return cursor;
}

/// A file with cursors of which the one with the highest number is the newest.
std::string FileOf(const Cursor& older, const Cursor& newer, std::uint64_t number) {
  std::string file = EncodeCursorHeader(4711);
  file.resize(kCursorBytes);
  file.replace(CursorSlotOffset(number), kCursorSectorBytes, EncodeCursorSlot(newer, number));
  file.replace(CursorSlotOffset(number - 1), kCursorSectorBytes,
               EncodeCursorSlot(older, number - 1));
  return file;
}

ParsedCursor Parse(std::string_view file) {
  return ParseCursor(AsBytes(file));
}

TEST(Cursor, ComesBackAsItWas) {
  Cursor labelled = Full();
  labelled.file->labelled = true;
  Cursor ended = Full();
  ended.ended = true;
  ended.write.reset();
  Cursor piped = Full();
  piped.file.reset();
  Cursor fresh;
  fresh.id = "ab";
  for (const Cursor& cursor : {Full(), labelled, ended, piped, fresh}) {
    const ParsedCursor parsed = Parse(FileOf(Full(), cursor, 7));
    ASSERT_TRUE(parsed.cursor);
    EXPECT_EQ(*parsed.cursor, cursor);
    EXPECT_EQ(parsed.number, 7U);
    EXPECT_EQ(parsed.holder, 4711);
    EXPECT_FALSE(parsed.damaged);
    EXPECT_FALSE(parsed.foreign);
  }
}

TEST(Cursor, IsTextThatSaysWhatItHolds) {
  const std::string slot = EncodeCursorSlot(Full(), 12);
  EXPECT_TRUE(
      slot.starts_with("slot 12\nid 0123456789abcdef\nboot 000000000000feed\n"
                       "stream web1\nsession 1f2e3d4c5b6a7988\nposition 1000\n"
                       "file 2049 77 length 1234 since 100 at 334\n"
                       "writing to 1500 bytes 500\ncheck "))
      << slot;
  EXPECT_EQ(slot.size(), kCursorSectorBytes);
  EXPECT_EQ(slot.back(), '\n');
}

TEST(Cursor, OfTheGreatestNumbersFitsIntoASector) {
  Cursor cursor;
  cursor.id = std::string(16, 'f');
  cursor.boot = kMost;
  cursor.stream = std::string(128, 's');
  cursor.session = kMost;
  cursor.position = kMost - 1;
  cursor.ended = true;
  cursor.file = Cursor::File{kMost, kMost, kMost, kMost - 1, kMost, true};
  cursor.write = Cursor::Write{kMost, kMost};
  const ParsedCursor parsed = Parse(FileOf(Full(), cursor, kMost));
  ASSERT_TRUE(parsed.cursor);
  EXPECT_EQ(*parsed.cursor, cursor);
}

TEST(Cursor, TheNewestSlotCounts) {
  Cursor newer = Full();
  newer.position = 1001;
  for (const std::uint64_t number : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{1000}}) {
    EXPECT_EQ(Parse(FileOf(Full(), newer, number)).cursor->position, 1001U);
  }
}

TEST(Cursor, ATornSlotLeavesTheOneBefore) {
  // Whatever part of the new one reached the disk.
  Cursor newer = Full();
  newer.position = 1001;
  const std::string before = FileOf(Full(), Full(), 8);
  const std::string slot = EncodeCursorSlot(newer, 9);
  const std::size_t whole = slot.find_last_not_of(" \n") + 1;
  for (std::size_t torn = 0; torn <= slot.size(); ++torn) {
    std::string file = before;
    file.replace(CursorSlotOffset(9), torn, slot.substr(0, torn));
    const ParsedCursor parsed = Parse(file);
    ASSERT_TRUE(parsed.cursor) << torn;
    EXPECT_EQ(parsed.cursor->position, torn >= whole ? 1001U : 1000U) << torn;
  }
}

TEST(Cursor, AFlippedBitIsNoticed) {
  const std::string slot = EncodeCursorSlot(Full(), 9);
  const std::size_t whole = slot.find_last_not_of(" \n") + 1;
  for (std::size_t bit = 0; bit < whole * 8; ++bit) {
    std::string file = FileOf(Full(), Full(), 9);
    file.replace(CursorSlotOffset(8), kCursorSectorBytes, kCursorSectorBytes, ' ');
    file[CursorSlotOffset(9) + bit / 8] ^= static_cast<char>(1 << (bit % 8));
    const ParsedCursor parsed = Parse(file);
    if (parsed.cursor) {
      // The digits of the check itself may be of either case, and mean the same.
      EXPECT_EQ(*parsed.cursor, Full()) << bit;
    } else {
      EXPECT_TRUE(parsed.damaged) << bit;
    }
  }
}

TEST(Cursor, OfANewFileIsNeitherDamagedNorForeign) {
  for (const std::string& file : {std::string(), EncodeCursorHeader(1)}) {
    const ParsedCursor parsed = Parse(file);
    EXPECT_FALSE(parsed.cursor);
    EXPECT_FALSE(parsed.damaged);
    EXPECT_FALSE(parsed.foreign);
  }
}

TEST(Cursor, WithBothSlotsGoneIsDamaged) {
  std::string file = FileOf(Full(), Full(), 3);
  file.replace(kCursorSectorBytes, 2 * kCursorSectorBytes, 2 * kCursorSectorBytes, '\0');
  EXPECT_TRUE(Parse(file).damaged);
  EXPECT_TRUE(Parse(std::string(700, '\0')).damaged);
  EXPECT_TRUE(Parse(std::string(kCursorBytes, '?')).damaged);
}

TEST(Cursor, AnotherFileIsForeign) {
  for (const char* file : {"x", "#!/bin/sh\necho important\n", "pipedup cursor 2\n"}) {
    const ParsedCursor parsed = Parse(file);
    EXPECT_FALSE(parsed.cursor);
    EXPECT_FALSE(parsed.damaged) << file;
    EXPECT_TRUE(parsed.foreign) << file;
  }
}

TEST(Cursor, ThatContradictsItselfIsNone) {
  std::vector<Cursor> wrong(7, Full());
  wrong[0].id = "no hex";
  wrong[1].stream = "a/b";
  wrong[2].session = 0;
  wrong[2].stream.clear();
  wrong[2].id.clear();
  wrong[3].file->base = 1001;
  wrong[4].file->base_length = 1235;
  wrong[5].write->to = 1000;
  wrong[6].write->bytes = 0;
  for (const Cursor& cursor : wrong) EXPECT_FALSE(Parse(FileOf(cursor, cursor, 9)).cursor);
}

}  // namespace
}  // namespace pipedup
