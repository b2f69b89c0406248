#include "os/file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "os/io.h"
#include "os/process.h"

namespace pipedup {
namespace {

class FileTest : public testing::Test {
 protected:
  FileTest() {
    base_ = RuntimeDirectories().front() + "/pipedup-test-XXXXXX";
    EXPECT_NE(mkdtemp(base_.data()), nullptr);
  }
  ~FileTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(base_, ignored);
  }
  std::string Path(const std::string& name) const { return base_ + "/" + name; }

  std::string base_;
  std::string why_;
};

TEST_F(FileTest, OpenForWritingEmptiesWhatIsThereAndSaysWhatIsWrong) {
  int error = -1;
  const std::string path = base_ + "/out";
  for (const char* text : {"longer", "text"}) {
    const UniqueFd fd = OpenForWriting(path, &error);
    ASSERT_TRUE(fd) << ErrnoText(error);
    EXPECT_EQ(WriteAll(fd.get(), AsBytes(text)).status, IoStatus::kOk);
  }
  std::string why;
  EXPECT_EQ(ReadTextFile(path, &why), "text");
  EXPECT_FALSE(OpenForWriting(base_, &error));
  EXPECT_EQ(error, EISDIR);
  EXPECT_FALSE(OpenForWriting(base_ + "/no/file", &error));
  EXPECT_EQ(error, ENOENT);
}

TEST_F(FileTest, AFileIsMadeForItsUserOnlyAndOnce) {
  int error = 0;
  EXPECT_TRUE(CreateFile(Path("a"), &error));
  struct stat info {};
  ASSERT_EQ(::stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_FALSE(CreateFile(Path("a"), &error));
  EXPECT_EQ(error, EEXIST);
  EXPECT_FALSE(CreateFile(Path("missing/a"), &error));
  EXPECT_EQ(error, ENOENT);
}

TEST_F(FileTest, AFileIsNeverMadeThroughALink) {
  std::filesystem::create_symlink(Path("target"), Path("link"));
  int error = 0;
  EXPECT_FALSE(CreateFile(Path("link"), &error));
  EXPECT_FALSE(std::filesystem::exists(Path("target")));
}

// ---- private directories ----

TEST_F(FileTest, APrivateDirectoryIsMadeOrTaken) {
  EXPECT_TRUE(MakePrivateDirectory(Path("d"), &why_)) << why_;
  EXPECT_TRUE(MakePrivateDirectory(Path("d"), &why_)) << why_;
  struct stat info {};
  ASSERT_EQ(::stat(Path("d").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
}

TEST_F(FileTest, ADirectoryThatIsOpenToOthersIsRefused) {
  ASSERT_EQ(::mkdir(Path("d").c_str(), 0700), 0);
  for (const mode_t mode : {0750U, 0705U, 0701U, 0777U}) {
    ASSERT_EQ(::chmod(Path("d").c_str(), mode), 0);
    EXPECT_FALSE(MakePrivateDirectory(Path("d"), &why_)) << std::oct << mode;
    EXPECT_NE(why_.find("chmod 700"), std::string::npos) << why_;
  }
}

TEST_F(FileTest, ALinkToADirectoryIsRefused) {
  ASSERT_EQ(::mkdir(Path("d").c_str(), 0700), 0);
  std::filesystem::create_symlink(Path("d"), Path("link"));
  EXPECT_FALSE(MakePrivateDirectory(Path("link"), &why_));
  EXPECT_NE(why_.find("not a directory"), std::string::npos) << why_;
}

TEST_F(FileTest, AFileInItsPlaceIsRefused) {
  std::ofstream(Path("f")) << "x";
  EXPECT_FALSE(MakePrivateDirectory(Path("f"), &why_));
}

TEST_F(FileTest, AnotherUsersDirectoryIsRefused) {
  ASSERT_EQ(::mkdir(Path("d").c_str(), 0700), 0);
  if (::chown(Path("d").c_str(), 12345, 12345) != 0)
    GTEST_SKIP() << "this user may not give it away";
  EXPECT_FALSE(MakePrivateDirectory(Path("d"), &why_));
  EXPECT_NE(why_.find("another user"), std::string::npos) << why_;
}

TEST_F(FileTest, RemovingADirectoryFollowsNoLinks) {
  ASSERT_EQ(::mkdir(Path("d").c_str(), 0700), 0);
  ASSERT_EQ(::mkdir(Path("other").c_str(), 0700), 0);
  std::ofstream(Path("other/precious")) << "x";
  std::ofstream(Path("d/a")) << "x";
  std::filesystem::create_directory_symlink(Path("other"), Path("d/link"));
  RemoveDirectory(Path("d"));
  EXPECT_FALSE(std::filesystem::exists(Path("d")));
  EXPECT_TRUE(std::filesystem::exists(Path("other/precious")));
}

TEST_F(FileTest, ADirectoryIsListed) {
  std::ofstream(Path("a")) << "x";
  std::ofstream(Path(".b")) << "x";
  auto names = ListDirectory(base_);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{".b", "a"}));
  EXPECT_TRUE(ListDirectory(Path("missing")).empty());
}

// ---- locks ----

TEST_F(FileTest, ALockIsExclusive) {
  auto first = FileLock::TryAcquire(Path("lock"), &why_);
  ASSERT_TRUE(first) << why_;
  EXPECT_FALSE(FileLock::TryAcquire(Path("lock"), &why_));
  EXPECT_NE(why_.find("another process"), std::string::npos) << why_;
  first.reset();
  EXPECT_TRUE(FileLock::TryAcquire(Path("lock"), &why_)) << why_;
}

TEST_F(FileTest, ALockIsFreeWhenItsProcessDies) {
  const auto [read_end, write_end] = MakePipe();
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = FileLock::TryAcquire(Path("lock"), &why_);
    (void)WriteAll(write_end.get(), AsBytes(lock ? "y" : "n"));
    ::pause();
    ::_exit(1);
  }
  std::string told(1, ' ');
  ASSERT_EQ(ReadSome(read_end.get(), std::as_writable_bytes(std::span(told))).status,
            IoStatus::kOk);
  EXPECT_EQ(told, "y");
  EXPECT_FALSE(FileLock::TryAcquire(Path("lock"), &why_));
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(FileLock::TryAcquire(Path("lock"), &why_)) << why_;
}

TEST_F(FileTest, ALockOfARemovedFileGuardsNothing) {
  const auto first = FileLock::TryAcquire(Path("lock"), &why_);
  ASSERT_TRUE(RemoveFile(Path("lock")));
  const auto second = FileLock::TryAcquire(Path("lock"), &why_);
  EXPECT_TRUE(second) << why_;
  EXPECT_FALSE(FileLock::TryAcquire(Path("lock"), &why_));
}

TEST_F(FileTest, ALockIsNotTakenThroughALink) {
  std::filesystem::create_symlink(Path("target"), Path("lock"));
  EXPECT_FALSE(FileLock::TryAcquire(Path("lock"), &why_));
  EXPECT_FALSE(std::filesystem::exists(Path("target")));
}

// ---- the rest ----

TEST_F(FileTest, AMappingOfAFileShowsWhatIsWrittenLater) {
  int error = 0;
  const UniqueFd file = CreateFile(Path("a"), &error);
  const Mapping mapping = Mapping::OfFile(file.get(), 1024 * 1024);
  ASSERT_EQ(WriteAt(file.get(), AsBytes("later"), 0).status, IoStatus::kOk);
  EXPECT_EQ(AsText({mapping.data(), 5}), "later");
}

TEST_F(FileTest, AMappingOfMemoryIsZeroedAndMoves) {
  Mapping mapping = Mapping::OfMemory(4096);
  EXPECT_EQ(mapping.data()[4095], std::byte{0});
  mapping.writable()[0] = std::byte{7};
  const Mapping moved = std::move(mapping);
  EXPECT_EQ(moved.data()[0], std::byte{7});
}

TEST_F(FileTest, AFileThatIsTooLargeIsNotCutShort) {
  std::ofstream(Path("most")) << std::string(1024 * 1024, 'x');
  std::ofstream(Path("more")) << std::string(1024 * 1024 + 1, 'x');
  EXPECT_EQ(ReadTextFile(Path("most"), &why_).value_or("").size(), 1024U * 1024U) << why_;
  EXPECT_FALSE(ReadTextFile(Path("more"), &why_));
  EXPECT_EQ(why_, Path("more") + ": larger than 1MiB");
  EXPECT_EQ(ReadRegularFile(Path("more"), &why_).value_or("").size(), 1024U * 1024U + 1);
}

TEST_F(FileTest, NobodyWaitsForTheWriterOfAPipeInThePlaceOfAFile) {
  ASSERT_EQ(::mkfifo(Path("pipe").c_str(), 0600), 0);
  for (const std::string& path : {Path("pipe"), std::string("/dev/null"), base_}) {
    EXPECT_FALSE(ReadRegularFile(path, &why_));
    EXPECT_EQ(why_, path + ": not a regular file");
  }
}

TEST_F(FileTest, ATextFileIsReadWholeOrItSaysWhyNot) {
  std::ofstream(Path("a")) << "text";
  EXPECT_EQ(ReadTextFile(Path("a"), &why_), "text");
  EXPECT_FALSE(ReadTextFile(Path("missing"), &why_));
  EXPECT_NE(why_.find("missing"), std::string::npos);
  EXPECT_FALSE(ReadTextFile(base_, &why_)) << "a directory";
}

TEST_F(FileTest, ThePrivateUmaskIsGivenBack) {
  const mode_t before = ::umask(022);
  {
    const ScopedPrivateUmask scoped;
    std::ofstream(Path("a")) << "x";
  }
  std::ofstream(Path("b")) << "x";
  struct stat info {};
  ASSERT_EQ(::stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 077, 0U);
  ASSERT_EQ(::stat(Path("b").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0644U);
  ::umask(before);
}

}  // namespace
}  // namespace pipedup
