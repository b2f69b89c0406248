// The file of a cursor: made, held, kept.
#include "journal/cursor_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.h"
#include "os/file.h"

namespace pipedup {
namespace {

class CursorFileTest : public testing::Test {
 protected:
  CursorFileTest() {
    std::string pattern = testing::TempDir() + "/pipedup-cursor-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    path_ = directory_ + "/cursor";
  }
  ~CursorFileTest() override { std::filesystem::remove_all(directory_); }

  static Cursor At(Position position) {
    Cursor cursor;
    cursor.id = "ab";
    cursor.stream = "demo";
    cursor.session = 7;
    cursor.position = position;
    return cursor;
  }
  void Write(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }
  std::string WhyNot(const std::string& path) const {
    try {
      const CursorFile file(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  std::string directory_;
  std::string path_;
};

TEST_F(CursorFileTest, IsMadeForThisUserAlone) {
  const CursorFile file(path_);
  EXPECT_FALSE(file.loaded());
  EXPECT_FALSE(file.damaged());
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(CursorFileTest, KeepsTheLastThatWasStored) {
  for (Position run = 1; run <= 3; ++run) {
    CursorFile file(path_);
    if (run > 1) {
      EXPECT_EQ(file.loaded(), At((run - 1) * 100 + 9));
    }
    for (Position i = 0; i < 10; ++i) EXPECT_EQ(file.Store(At(run * 100 + i)), 0);
  }
  EXPECT_EQ(std::filesystem::file_size(path_), kCursorBytes);
}

TEST_F(CursorFileTest, IsHeldByOneAtATime) {
  const CursorFile file(path_);
  const std::string why = WhyNot(path_);
  EXPECT_NE(why.find("process " + std::to_string(::getpid())), std::string::npos) << why;
}

TEST_F(CursorFileTest, IsNoOtherFile) {
  Write("important\n");
  EXPECT_NE(WhyNot(path_), "");
  std::string why;
  EXPECT_EQ(ReadTextFile(path_, &why), "important\n");
  EXPECT_NE(WhyNot(directory_), "");
  EXPECT_NE(WhyNot("/dev/full"), "");
  EXPECT_NE(WhyNot(directory_ + "/none/cursor"), "");
}

TEST_F(CursorFileTest, ThatIsDamagedIsWrittenAnew) {
  Write(std::string(kCursorBytes, '\0'));
  {
    CursorFile file(path_);
    EXPECT_TRUE(file.damaged());
    EXPECT_EQ(file.Store(At(5)), 0);
  }
  const CursorFile file(path_);
  EXPECT_FALSE(file.damaged());
  EXPECT_EQ(file.loaded(), At(5));
}

}  // namespace
}  // namespace pipedup
