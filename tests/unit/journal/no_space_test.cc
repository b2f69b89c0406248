// A file system that is full: retention gets shorter, the live stream does not.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>

#include "journal_test_base.h"
#include "os/io.h"

namespace pipedup {
namespace {

constexpr int kCannotMount = 77;

/// Runs `body` in a child process that sees a file system of `bytes` at `path`. 0: all went
/// well, kCannotMount: this process may not mount. What the child prints is seen.
int InSmallFileSystem(const std::string& path, std::size_t bytes,
                      const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string size = "mode=0700,size=" + std::to_string(bytes);
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", path.c_str(), "tmpfs", 0, size.c_str()) != 0) {
      ::_exit(kCannotMount);
    }
    body();
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class NoSpace : public testing::Test, protected JournalTestBase {
 protected:
  /// Appends `bytes` and publishes, in a way that the parameter of the test chooses.
  void Fill(Journal& journal, std::uint64_t bytes, bool by_pipe) {
    static const std::string kLines = [] {
      std::string lines;
      for (int i = 0; i < 16; ++i) lines += Line(kKiB, static_cast<char>('a' + i));
      return lines;
    }();
    auto [read_end, write_end] = MakePipe();
    for (std::uint64_t done = 0; done < bytes; done += kLines.size()) {
      all_ += kLines;
      if (!by_pipe) {
        journal.Append(AsBytes(kLines));
      } else {
        ASSERT_EQ(WriteAll(write_end.get(), AsBytes(kLines)).status, IoStatus::kOk);
        for (std::size_t taken = 0; taken < kLines.size();) {
          const AppendResult result = journal.AppendFrom(read_end.get(), true, kSegment);
          ASSERT_EQ(result.status, AppendStatus::kAppended);
          taken += result.count;
        }
      }
      journal.PublishAll();
    }
  }

  void LiveStreamGoesOn(bool by_pipe) {
    auto options = Options(true);
    options.retain_bytes = 8 * kMiB;  // in 1 MiB segments; the file system holds 2 MiB
    Journal journal(options);
    std::string published;
    journal.OnBlock([&](const Block& block) { published += TextOf(block); });
    Fill(journal, 6 * kMiB, by_pipe);
    EXPECT_TRUE(Same(published, all_));
    EXPECT_EQ(warnings_.size(), 1U) << "once per change";
    EXPECT_GT(journal.counters().no_space, 0U);
    EXPECT_TRUE(Same(ReadAll(journal, journal.tail(), all_), all_.substr(journal.tail())));
    EXPECT_LT(journal.head() - journal.tail(), 4 * kMiB) << "retention is what fits";
    EXPECT_GT(journal.head() - journal.tail(), kMiB / 2);
  }

  std::string all_;
};

TEST_F(NoSpace, TheLiveStreamGoesOnWhenBytesAreAppended) {
  const int status =
      InSmallFileSystem(directory_.path(), 2 * kMiB, [this] { LiveStreamGoesOn(false); });
  if (status == kCannotMount) GTEST_SKIP() << "this process may not mount a file system";
  EXPECT_EQ(status, 0);
}

TEST_F(NoSpace, TheLiveStreamGoesOnWhenAPipeIsSpliced) {
  const int status =
      InSmallFileSystem(directory_.path(), 2 * kMiB, [this] { LiveStreamGoesOn(true); });
  if (status == kCannotMount) GTEST_SKIP() << "this process may not mount a file system";
  EXPECT_EQ(status, 0);
}

TEST_F(NoSpace, AFileSystemWithNoRoomAtAllLeavesPrivateMemory) {
  const int status = InSmallFileSystem(directory_.path(), 2 * kMiB, [this] {
    int error = 0;
    const UniqueFd hog = CreateFile(directory_.path() + "/hog", &error);
    ASSERT_EQ(WriteAt(hog.get(), AsBytes(std::string(3 * kMiB, 'x')), 0).status,
              IoStatus::kNoSpace);
    auto options = Options(true);
    options.retain_bytes = 4 * kMiB;
    Journal journal(options);
    std::string published;
    journal.OnBlock([&](const Block& block) { published += TextOf(block); });
    Fill(journal, 3 * kMiB, false);
    EXPECT_TRUE(Same(published, all_));
    EXPECT_GT(journal.counters().memory_segments, 0U);
    EXPECT_GT(journal.memory_bytes(), 0U);
    EXPECT_EQ(warnings_.size(), 1U);
    EXPECT_TRUE(Same(ReadAll(journal, journal.tail(), all_), all_.substr(journal.tail())));

    // Room again: new segments are files, and it is said once.
    RemoveFile(directory_.path() + "/hog");
    ASSERT_EQ(::ftruncate(hog.get(), 0), 0);
    Fill(journal, kMiB, false);
    bool in_files = false;
    for (const std::string& name : ListDirectory(directory_.path())) {
      in_files = in_files || name.ends_with(".log");
    }
    EXPECT_TRUE(in_files);
    EXPECT_TRUE(Same(published, all_));
    EXPECT_TRUE(Same(ReadAll(journal, journal.tail(), all_), all_.substr(journal.tail())));
  });
  if (status == kCannotMount) GTEST_SKIP() << "this process may not mount a file system";
  EXPECT_EQ(status, 0);
}

TEST_F(NoSpace, RoomThatIsBackIsSaidOnce) {
  const int status = InSmallFileSystem(directory_.path(), 6 * kMiB, [this] {
    int error = 0;
    const UniqueFd hog = CreateFile(directory_.path() + "/hog", &error);
    ASSERT_EQ(WriteAt(hog.get(), AsBytes(std::string(5 * kMiB, 'x')), 0).status, IoStatus::kOk);
    auto options = Options(true);
    options.retain_bytes = 2 * kMiB;
    Journal journal(options);
    Fill(journal, 3 * kMiB, false);
    EXPECT_EQ(warnings_.size(), 1U);
    RemoveFile(directory_.path() + "/hog");
    ASSERT_EQ(::ftruncate(hog.get(), 0), 0);
    Fill(journal, 12 * kMiB, false);
    ASSERT_EQ(warnings_.size(), 2U);
    EXPECT_NE(warnings_[1].find("room again"), std::string::npos);
    EXPECT_GE(journal.CostSince(journal.tail()), 2 * kMiB);
  });
  if (status == kCannotMount) GTEST_SKIP() << "this process may not mount a file system";
  EXPECT_EQ(status, 0);
}

TEST_F(NoSpace, AFullIndexMovesToMemory) {
  const int status = InSmallFileSystem(directory_.path(), kMiB, [this] {
    auto options = Options(true);
    options.retain_bytes = 8 * kMiB;
    Journal journal(options);
    std::string published;
    journal.OnBlock([&](const Block& block) { published += TextOf(block); });
    for (int i = 0; i < 60'000; ++i) {  // 64 bytes of index for one of data
      all_ += "\n";
      journal.Append(AsBytes("\n"));
      journal.PublishAll();
    }
    EXPECT_TRUE(Same(published, all_));
    EXPECT_EQ(journal.records(), 60'000U);
    const std::string kept = ReadAll(journal, journal.tail(), all_, 5000);
    EXPECT_EQ(kept.size(), journal.head() - journal.tail());
  });
  if (status == kCannotMount) GTEST_SKIP() << "this process may not mount a file system";
  EXPECT_EQ(status, 0);
}

// What was published from private memory is lost with the process, its positions are not free.
TEST_F(NoSpace, PositionsThatWereInMemoryOnlyAreNeverUsedAgain) {
  const TemporaryDirectory elsewhere;
  const int status = InSmallFileSystem(directory_.path(), 3 * kMiB, [&] {
    auto options = Options(true);
    options.directory = directory_.path() + "/j";
    options.retain_bytes = 8 * kMiB;
    options.durable =
        JournalOptions::Durable{"s", SyncMode::kNever, std::chrono::seconds(1), "boot"};
    ASSERT_EQ(::mkdir(options.directory.c_str(), 0700), 0);
    {
      Journal journal(options);
      Fill(journal, 128 * kKiB, false);
      int error = 0;
      const UniqueFd hog = CreateFile(directory_.path() + "/hog", &error);
      ASSERT_EQ(WriteAt(hog.get(), AsBytes(std::string(4 * kMiB, 'x')), 0).status,
                IoStatus::kNoSpace);
      Fill(journal, 2 * kMiB, false);
      ASSERT_GT(journal.counters().memory_segments, 0U);
      std::filesystem::copy(options.directory, elsewhere.path() + "/j");
      RemoveFile(directory_.path() + "/hog");
      ASSERT_EQ(::ftruncate(hog.get(), 0), 0);
    }
    const SessionId first = options.session;
    options.session = first + 1;
    {
      const Journal next(options);  // after a clean end
      EXPECT_EQ(next.session(), first);
      EXPECT_EQ(next.head(), all_.size());
      EXPECT_EQ(next.records(), all_.size() / kKiB);
      EXPECT_FALSE(next.Read(all_.size() - 1, SIZE_MAX));
      EXPECT_EQ(next.NextSound(all_.size() - 1), all_.size());
    }
    options.directory = elsewhere.path() + "/j";
    {
      const Journal next(options);  // after a kill
      EXPECT_EQ(next.session(), first + 1);
      ASSERT_EQ(next.past_sessions().size(), 1U);
      EXPECT_EQ(next.past_sessions()[0].session, first);
      EXPECT_EQ(next.past_sessions()[0].end, next.head());
      EXPECT_LT(next.head(), all_.size());
    }
    RemoveDirectory(options.directory);
  });
  if (status == kCannotMount) GTEST_SKIP() << "this process may not mount a file system";
  EXPECT_EQ(status, 0);
}

TEST_F(NoSpace, ADirectoryThatIsGoneLeavesPrivateMemory) {
  auto options = Options(true);
  options.directory = directory_.path() + "/missing";
  Journal journal(options);
  std::string published;
  journal.OnBlock([&](const Block& block) { published += TextOf(block); });
  Fill(journal, 2 * kMiB, false);
  EXPECT_TRUE(Same(published, all_));
  EXPECT_GT(journal.counters().memory_segments, 0U);
  EXPECT_EQ(warnings_.size(), 1U) << "retention in private memory is to be said";
}

}  // namespace
}  // namespace pipedup
