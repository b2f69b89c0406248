// Where a journal in memory lives, and who sweeps up.
#include "journal/directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "journal_test_base.h"
#include "os/io.h"

namespace pipedup {
namespace {

class Directory : public testing::Test {
 protected:
  ~Directory() override {
    std::error_code ignored;
    std::filesystem::remove_all(base_.path(), ignored);
  }
  std::optional<JournalDirectory> Create(const std::string& name) {
    return JournalDirectory::Create(
        {base_.path()}, name, [this](const std::string& text) { warnings_.push_back(text); });
  }
  std::string Parent() const { return base_.path() + "/pipedup-" + std::to_string(UserId()); }

  TemporaryDirectory base_;
  std::vector<std::string> warnings_;
};

TEST_F(Directory, IsPrivateAndRemovedAtTheEnd) {
  std::string path;
  {
    const auto directory = Create("demo-1");
    ASSERT_TRUE(directory);
    path = directory->path();
    EXPECT_EQ(path, Parent() + "/demo-1");
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700U);
    int error = 0;
    EXPECT_TRUE(CreateFile(path + "/x.log", &error));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(Directory, OfOneThatRunsIsLeftAlone) {
  const auto first = Create("demo-1");
  const auto second = Create("demo-2");
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(std::filesystem::exists(first->path()));
  EXPECT_FALSE(Create("demo-1")) << "it is in use";
  EXPECT_FALSE(warnings_.empty());
}

TEST_F(Directory, OfOneThatWasKilledIsRemovedByTheNext) {
  const auto [read_end, write_end] = MakePipe();
  const pid_t child = ::fork();
  if (child == 0) {
    const auto directory = Create("demo-1");
    int error = 0;
    const UniqueFd file = CreateFile(directory->path() + "/00000000000000000000.log", &error);
    (void)WriteAll(write_end.get(), AsBytes("x"));
    ::pause();
    ::_exit(1);
  }
  std::array<std::byte, 1> byte{};
  ASSERT_EQ(ReadSome(read_end.get(), byte).status, IoStatus::kOk);
  ::kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(std::filesystem::exists(Parent() + "/demo-1"));
  const auto next = Create("demo-2");
  ASSERT_TRUE(next);
  EXPECT_FALSE(std::filesystem::exists(Parent() + "/demo-1"));
}

TEST_F(Directory, TheFirstBaseThatCanHoldItIsTaken) {
  const auto directory =
      JournalDirectory::Create({base_.path() + "/missing", base_.path()}, "demo",
                               [this](const std::string& text) { warnings_.push_back(text); });
  ASSERT_TRUE(directory);
  EXPECT_EQ(directory->path(), Parent() + "/demo");
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("/missing"), std::string::npos);
}

TEST_F(Directory, AParentThatIsOpenToOthersIsRefused) {
  ASSERT_EQ(::mkdir(Parent().c_str(), 0700), 0);
  ASSERT_EQ(::chmod(Parent().c_str(), 0755), 0);
  EXPECT_FALSE(Create("demo"));
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("open to other users"), std::string::npos);
}

TEST_F(Directory, AParentThatIsALinkIsRefused) {
  std::filesystem::create_directory(base_.path() + "/elsewhere");
  std::filesystem::create_symlink(base_.path() + "/elsewhere", Parent());
  EXPECT_FALSE(Create("demo"));
  EXPECT_TRUE(std::filesystem::is_empty(base_.path() + "/elsewhere"));
}

TEST_F(Directory, WithoutABaseThereIsNone) {
  EXPECT_FALSE(JournalDirectory::Create({}, "demo", [](const std::string&) {}));
}

}  // namespace
}  // namespace pipedup
