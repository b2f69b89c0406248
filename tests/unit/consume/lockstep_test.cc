// All outputs of a lockstep get every byte, whatever each of them is and however slow.
#include "consume/lockstep.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "os/file.h"
#include "os/process.h"
#include "os/signals.h"

namespace pipedup {
namespace {

class LockstepTest : public testing::Test {
 protected:
  LockstepTest() { IgnoreBrokenPipe(); }

  struct End {
    IoStatus why;
    int error;
  };

  /// A reader of the loop's own, that takes at most `step` bytes each time.
  void ReadFrom(int fd, std::string* to, std::size_t step = 65536) {
    auto id = std::make_shared<EventLoop::WatchId>();
    *id = loop_.OnReadable(fd, [this, fd, to, step, id] {
      std::string part(step, '\0');
      const IoResult result = ReadSome(fd, std::as_writable_bytes(std::span(part)));
      if (result.status != IoStatus::kOk) return loop_.Remove(*id);
      to->append(part, 0, result.count);
    });
  }
  /// A writer that puts `bytes` into the input and closes it.
  void Write(std::string bytes) {
    SetNonBlocking(input_.second.get());
    auto left = std::make_shared<std::string>(std::move(bytes));
    auto id = std::make_shared<EventLoop::WatchId>();
    *id = loop_.OnWritable(input_.second.get(), [this, left, id] {
      left->erase(0, WriteAll(input_.second.get(), AsBytes(*left)).count);
      if (!left->empty()) return;
      loop_.Remove(*id);
      input_.second.Reset();
    });
  }
  /// Runs until all outputs have ended; their descriptors in `own` are closed then.
  void Run(int input, const std::vector<int>& outputs) {
    ends_.resize(outputs.size(), {IoStatus::kInterrupted, 0});
    std::size_t open = outputs.size();
    Lockstep lockstep(
        loop_, input, outputs,
        [&](std::size_t index, IoStatus why, int error) {
          ends_[index] = {why, error};
          if (--open == 0) loop_.Stop();
        },
        [&](int error) { input_error_ = error; });
    lockstep_ = &lockstep;
    loop_.Run();
    lockstep_ = nullptr;
  }
  /// What is left in a pipe whose writer has not gone.
  static std::string Rest(int fd) {
    std::string all;
    while (IsReadable(fd)) {
      std::string part(65536, '\0');
      const IoResult result = ReadSome(fd, std::as_writable_bytes(std::span(part)));
      if (result.status != IoStatus::kOk) break;
      all.append(part, 0, result.count);
    }
    return all;
  }
  static std::string Sample(std::size_t bytes) {
    std::string sample;
    for (std::uint64_t i = 0; sample.size() < bytes; ++i) {
      sample += std::to_string(i * 2654435761U);
      sample += '\0';
    }
    sample.resize(bytes);
    return sample;
  }

  EventLoop loop_;
  std::pair<UniqueFd, UniqueFd> input_ = MakePipe();
  Lockstep* lockstep_ = nullptr;
  std::vector<End> ends_;
  int input_error_ = 0;
};

TEST_F(LockstepTest, PipesGetTheSameBytesWhateverTheirSizeAndPace) {
  const std::string bytes = Sample(5'000'003);
  auto one = MakePipe();
  auto two = MakePipe();
  auto three = MakePipe();
  std::string got_one;
  std::string got_two;
  std::string got_three;
  ReadFrom(one.first.get(), &got_one);
  ReadFrom(two.first.get(), &got_two, 4999);
  ReadFrom(three.first.get(), &got_three, 1 << 20);
  Write(bytes);
  Run(input_.first.get(), {one.second.get(), two.second.get(), three.second.get()});
  EXPECT_TRUE(got_one + Rest(one.first.get()) == bytes);
  EXPECT_TRUE(got_two + Rest(two.first.get()) == bytes);
  EXPECT_TRUE(got_three + Rest(three.first.get()) == bytes);
  for (const End& end : ends_) EXPECT_EQ(end.why, IoStatus::kEnd);
  EXPECT_EQ(input_error_, 0);
}

TEST_F(LockstepTest, OutputsOfEveryKindGetTheSameBytes) {
  const std::string bytes = Sample(3'000'001);
  const std::string path =
      RuntimeDirectories().front() + "/pipedup-lockstep-test-" + std::to_string(ProcessId());
  int error = 0;
  const UniqueFd file = OpenForWriting(path, &error);
  ASSERT_TRUE(file) << ErrnoText(error);
  const UniqueFd other = OpenForWriting(path + ".append", &error);
  ASSERT_EQ(WriteAt(other.get(), AsBytes("before "), 0).status, IoStatus::kOk);
  const UniqueFd append(::open((path + ".append").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  std::array<int, 2> sockets{};
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()));
  const UniqueFd reader(sockets[0]);
  const UniqueFd socket(sockets[1]);
  auto pipe = MakePipe();
  std::string from_pipe;
  std::string from_socket;
  ReadFrom(pipe.first.get(), &from_pipe, 10'000);
  ReadFrom(reader.get(), &from_socket);
  Write(bytes);
  Run(input_.first.get(),
      {file.get(), append.get(), null.get(), socket.get(), pipe.second.get()});
  EXPECT_TRUE(from_pipe + Rest(pipe.first.get()) == bytes);
  EXPECT_TRUE(from_socket + Rest(reader.get()) == bytes);
  const auto text = [](const UniqueFd& fd, const std::string& name) {
    std::string all(4'000'000, '\0');
    const UniqueFd in(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(fd && in);
    all.resize(ReadSome(in.get(), std::as_writable_bytes(std::span(all))).count);
    return all;
  };
  EXPECT_TRUE(text(file, path) == bytes);
  EXPECT_TRUE(text(append, path + ".append") == "before " + bytes);
  RemoveFile(path);
  RemoveFile(path + ".append");
  for (const End& end : ends_) EXPECT_EQ(end.why, IoStatus::kEnd);
}

TEST_F(LockstepTest, AnInputThatIsNoPipeIsCopiedAsWell) {
  const std::string bytes = Sample(1'000'003);
  const std::string path =
      RuntimeDirectories().front() + "/pipedup-lockstep-in-" + std::to_string(ProcessId());
  RemoveFile(path);
  int error = 0;
  const UniqueFd file = CreateFile(path, &error);
  RemoveFile(path);
  ASSERT_EQ(WriteAt(file.get(), AsBytes(bytes), 0).status, IoStatus::kOk);
  auto one = MakePipe();
  auto two = MakePipe();
  std::string got_one;
  std::string got_two;
  ReadFrom(one.first.get(), &got_one);
  ReadFrom(two.first.get(), &got_two, 4999);
  Run(file.get(), {one.second.get(), two.second.get()});
  EXPECT_TRUE(got_one + Rest(one.first.get()) == bytes);
  EXPECT_TRUE(got_two + Rest(two.first.get()) == bytes);
}

TEST_F(LockstepTest, AnOutputThatLeavesEndsAloneAndAtOnce) {
  auto leaves = MakePipe();
  auto stays = MakePipe();
  std::string got;
  ReadFrom(stays.first.get(), &got);
  leaves.first.Reset();
  bool written = false;
  loop_.Every(std::chrono::milliseconds(1), [&] {
    if (ends_[0].why == IoStatus::kClosed && !written) Write("bytes");
    written = ends_[0].why == IoStatus::kClosed;
  });
  Run(input_.first.get(), {leaves.second.get(), stays.second.get()});
  EXPECT_EQ(got + Rest(stays.first.get()), "bytes");
  EXPECT_EQ(ends_[1].why, IoStatus::kEnd);
}

TEST_F(LockstepTest, AFailureSaysWhatItIs) {
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  if (!full) GTEST_SKIP() << "no /dev/full";
  auto pipe = MakePipe();
  Write("bytes");
  Run(input_.first.get(), {full.get(), pipe.second.get()});
  EXPECT_EQ(ends_[0].why, IoStatus::kNoSpace);
  EXPECT_EQ(ends_[0].error, ENOSPC);
  EXPECT_EQ(Rest(pipe.first.get()), "bytes");
}

TEST_F(LockstepTest, AnInputThatCannotBeReadIsReported) {
  const UniqueFd directory(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  auto pipe = MakePipe();
  Run(directory.get(), {pipe.second.get()});
  EXPECT_EQ(input_error_, EISDIR);
  EXPECT_EQ(ends_[0].why, IoStatus::kEnd);
}

TEST_F(LockstepTest, StopEndsOutputsThatNobodyReads) {
  auto one = MakePipe();
  auto two = MakePipe();
  const std::string bytes = Sample(8'000'000);
  Write(bytes);
  loop_.OnReadable(two.first.get(), [&] { lockstep_->Stop(); });
  Run(input_.first.get(), {one.second.get(), two.second.get()});
  for (const End& end : ends_) EXPECT_EQ(end.why, IoStatus::kOk);
  const std::string got = Rest(one.first.get());
  EXPECT_GT(got.size(), 0U);
  EXPECT_TRUE(bytes.starts_with(got));
  EXPECT_TRUE(bytes.starts_with(Rest(two.first.get())));
}

}  // namespace
}  // namespace pipedup
