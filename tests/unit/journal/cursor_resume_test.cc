// Where a subscriber goes on: what the cursor says, beside what the output is.
#include "journal/cursor_resume.h"

#include <gtest/gtest.h>

namespace pipedup {
namespace {

constexpr std::uint64_t kBoot = 5;

/// At position 1000, in a file that has held the session from position 100 on, behind 30 bytes.
class Resuming : public testing::Test {
 protected:
  Resuming() {
    cursor_.id = "ab";
    cursor_.boot = kBoot;
    cursor_.stream = "demo";
    cursor_.session = 7;
    cursor_.position = 1000;
    cursor_.file = Cursor::File{1, 2, kLength, 100, 30, false};
  }
  ResumePlan At(std::uint64_t length, std::uint64_t boot = kBoot) const {
    return PlanResume(cursor_, OutputFile{1, 2, length}, boot);
  }
  static void ExpectExact(const ResumePlan& plan, Position position) {
    EXPECT_EQ(plan.position, position);
    EXPECT_FALSE(plan.repeated_to);
    EXPECT_FALSE(plan.truncate_to);
    EXPECT_FALSE(plan.new_base);
    EXPECT_EQ(plan.why, "");
  }

  static constexpr std::uint64_t kLength = 930;
  Cursor cursor_;
};

TEST_F(Resuming, AFileThatIsAsItWasGoesOn) {
  ExpectExact(At(kLength), 1000);
}

TEST_F(Resuming, AWriteThatWasMadeInPartCountsAsFar) {
  cursor_.write = Cursor::Write{1100, 100};
  ExpectExact(At(kLength), 1000);
  ExpectExact(At(kLength + 1), 1001);
  ExpectExact(At(kLength + 99), 1099);
  ExpectExact(At(kLength + 100), 1100);
}

TEST_F(Resuming, APieceWithLabelsIsThereAsAWholeOrIsCutOff) {
  cursor_.file->labelled = true;
  cursor_.write = Cursor::Write{1100, 150};
  ExpectExact(At(kLength), 1000);
  ExpectExact(At(kLength + 150), 1100);
  const ResumePlan torn = At(kLength + 149);
  EXPECT_EQ(torn.position, 1000U);
  EXPECT_EQ(torn.truncate_to, kLength);
  EXPECT_FALSE(torn.repeated_to);
}

TEST_F(Resuming, AShorterFileGoesOnAtItsEnd) {
  const ResumePlan plan = At(kLength - 200);
  EXPECT_EQ(plan.position, 800U);
  EXPECT_EQ(plan.repeated_to, 1000U);
  EXPECT_FALSE(plan.new_base);
  EXPECT_NE(plan.why.find("200 bytes shorter"), std::string::npos) << plan.why;
}

TEST_F(Resuming, AShorterFileWithAnOpenWriteRepeatsThatToo) {
  cursor_.write = Cursor::Write{1100, 100};
  EXPECT_EQ(At(kLength - 200).repeated_to, 1100U);
}

TEST_F(Resuming, AFileThatIsShorterThanItsBeginningGoesOnThere) {
  EXPECT_EQ(At(30).position, 100U);
  EXPECT_FALSE(At(30).new_base);
  const ResumePlan plan = At(0);
  EXPECT_EQ(plan.position, 100U);
  EXPECT_TRUE(plan.new_base);
  EXPECT_NE(plan.why, "");
}

TEST_F(Resuming, AShorterFileWithLabelsGoesOnWhereItBegan) {
  cursor_.file->labelled = true;
  EXPECT_EQ(At(kLength - 200).position, 100U);
  EXPECT_TRUE(At(kLength - 200).new_base);
  EXPECT_EQ(At(30).position, 100U);
  EXPECT_FALSE(At(30).new_base);
}

TEST_F(Resuming, BytesOfOthersAreNotTakenForTheStream) {
  const ResumePlan plan = At(kLength + 50);
  EXPECT_EQ(plan.position, 1000U);
  EXPECT_TRUE(plan.new_base);
  EXPECT_FALSE(plan.repeated_to);
  EXPECT_NE(plan.why, "");
  cursor_.write = Cursor::Write{1100, 100};
  EXPECT_EQ(At(kLength + 101).position, 1000U);
  EXPECT_EQ(At(kLength + 101).repeated_to, 1100U);
}

TEST_F(Resuming, AfterAPowerCutTheFileMayHaveKeptMoreThanTheCursor) {
  ExpectExact(At(kLength + 50, kBoot + 1), 1050);
  cursor_.file->labelled = true;
  EXPECT_EQ(At(kLength + 50, kBoot + 1).position, 1000U);
  EXPECT_NE(At(kLength + 50, kBoot + 1).why, "");
}

TEST_F(Resuming, AnotherFileBeginsANewStretch) {
  for (const OutputFile& other : {OutputFile{1, 3, kLength}, OutputFile{2, 2, kLength}}) {
    const ResumePlan plan = PlanResume(cursor_, other, kBoot);
    EXPECT_EQ(plan.position, 1000U);
    EXPECT_TRUE(plan.new_base);
    EXPECT_FALSE(plan.repeated_to);
    EXPECT_EQ(plan.why, "");
  }
}

TEST_F(Resuming, AnOpenWriteToAnythingElseIsRepeatedAndSaid) {
  cursor_.write = Cursor::Write{1100, 100};
  for (const auto& output : {std::optional<OutputFile>(), std::optional(OutputFile{1, 3, 0})}) {
    const ResumePlan plan = PlanResume(cursor_, output, kBoot);
    EXPECT_EQ(plan.position, 1000U);
    EXPECT_EQ(plan.repeated_to, 1100U);
    EXPECT_NE(plan.why, "");
  }
}

TEST_F(Resuming, APipeWithoutAnOpenWriteIsExact) {
  cursor_.file.reset();
  const ResumePlan plan = PlanResume(cursor_, std::nullopt, kBoot);
  EXPECT_EQ(plan.position, 1000U);
  EXPECT_FALSE(plan.repeated_to);
  EXPECT_EQ(plan.why, "");
}

}  // namespace
}  // namespace pipedup
