// Files and variables that hold what nobody else is to see.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "os/file.h"
#include "os/process.h"

namespace pipedup {
namespace {

class SecretFileTest : public testing::Test {
 protected:
  SecretFileTest() {
    base_ = RuntimeDirectories().front() + "/pipedup-test-XXXXXX";
    EXPECT_NE(mkdtemp(base_.data()), nullptr);
    path_ = base_ + "/key";
  }
  ~SecretFileTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(base_, ignored);
  }
  void Write(mode_t mode) {
    std::ofstream(path_) << "secret\n";
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
  }
  std::string Why() {
    std::string why;
    EXPECT_FALSE(ReadSecretFile(path_, &why));
    return why;
  }

  std::string base_;
  std::string path_;
};

TEST_F(SecretFileTest, IsReadWhenItsOwnerAloneHasAccess) {
  for (const mode_t mode : {0600U, 0400U}) {
    Write(mode);
    std::string why;
    const auto text = ReadSecretFile(path_, &why);
    ASSERT_TRUE(text) << why;
    EXPECT_EQ(text->text(), "secret\n");
    ASSERT_EQ(::unlink(path_.c_str()), 0);
  }
}

TEST_F(SecretFileTest, IsRefusedWithTheCommandThatMendsIt) {
  for (const mode_t mode : {0640U, 0604U, 0620U, 0601U, 0666U}) {
    Write(mode);
    EXPECT_EQ(Why(), path_ + ": other users have access to it: chmod 600 '" + path_ + "'");
  }
  path_ = base_ + "/it's";
  Write(0644);
  EXPECT_TRUE(Why().ends_with("chmod 600 '" + base_ + "/it'\\''s'")) << Why();
}

TEST_F(SecretFileTest, IsARegularFile) {
  EXPECT_NE(Why().find("No such file"), std::string::npos);
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  EXPECT_EQ(Why(), path_ + ": not a regular file");
  ASSERT_EQ(::rmdir(path_.c_str()), 0);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(Why(), path_ + ": not a regular file") << "and nobody waits for its writer";
}

TEST_F(SecretFileTest, MayBeGivenToAGroupByRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  ASSERT_EQ(::chmod(base_.c_str(), 0755), 0);
  Write(0640);
  ASSERT_EQ(::chown(path_.c_str(), 0, 12345), 0);
  ASSERT_EQ(::setegid(12345), 0);
  ASSERT_EQ(::seteuid(12345), 0);
  std::string why;
  const bool read = ReadSecretFile(path_, &why).has_value();
  ASSERT_EQ(::seteuid(0), 0);
  ASSERT_EQ(::setegid(0), 0);
  EXPECT_TRUE(read) << why;

  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  ASSERT_EQ(::seteuid(12345), 0);
  why = Why();
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_NE(why.find("other users have access to it"), std::string::npos) << why;
}

TEST_F(SecretFileTest, BelongsToThisUserOrRoot) {
  Write(0600);
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_EQ(::chown(path_.c_str(), 12345, 12345), 0);
  EXPECT_EQ(Why(), path_ + ": belongs to another user, who can read and change it");
}

TEST_F(SecretFileTest, IsFoundBehindALink) {
  Write(0600);
  ASSERT_EQ(::symlink(path_.c_str(), (base_ + "/link").c_str()), 0);
  std::string why;
  EXPECT_TRUE(ReadSecretFile(base_ + "/link", &why)) << why;
}

TEST(Variable, ThatIsTakenIsGone) {
  ASSERT_EQ(::setenv("PIPEDUP_TEST_VARIABLE", "text", 1), 0);
  const char* const where = ::getenv("PIPEDUP_TEST_VARIABLE");
  EXPECT_EQ(TakeVariable("PIPEDUP_TEST_VARIABLE").text(), "text");
  EXPECT_EQ(::getenv("PIPEDUP_TEST_VARIABLE"), nullptr);
  EXPECT_EQ(std::string(where, 4), std::string(4, '\0'));
  EXPECT_TRUE(TakeVariable("PIPEDUP_TEST_VARIABLE").empty());
}

}  // namespace
}  // namespace pipedup
