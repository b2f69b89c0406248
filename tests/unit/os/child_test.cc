// Children start with a clean slate; signals arrive where they are waited for; wakers wake.
#include "os/child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "os/io.h"
#include "os/process.h"
#include "os/signals.h"
#include "os/waker.h"

namespace pipedup {
namespace {

std::string ReadToTheEnd(int fd) {
  std::string text;
  std::array<std::byte, 4096> buffer{};
  while (true) {
    const IoResult result = ReadSome(fd, buffer);
    if (result.status != IoStatus::kOk) return text;
    text += AsText(ByteSpan(buffer).first(result.count));
  }
}

/// Waits for that child. Its end is the only thing waited for, so it is polled without harm.
int StatusOf(const Child& child) {
  siginfo_t info{};
  EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(child.pid), &info, WEXITED | WNOWAIT), 0);
  const Ended ended = ReapOne();
  EXPECT_EQ(ended.pid, child.pid);
  return ended.exit_status;
}

class ChildTest : public testing::Test {
 protected:
  /// What `script` prints, run by sh with nothing on its stdin.
  std::string OutputOf(const std::string& script, int* status = nullptr) {
    auto [read_end, write_end] = MakePipe();
    const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const Child child = StartChild({"sh", "-c", script}, null.get(), write_end.get());
    write_end.Reset();
    std::string text = ReadToTheEnd(read_end.get());
    const int ended = StatusOf(child);
    if (status != nullptr) *status = ended;
    return text;
  }
};

TEST_F(ChildTest, HasTheLimitOfDescriptorsThatThisProcessWasStartedWith) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_max < 300) GTEST_SKIP() << "no room to raise it";
  limit.rlim_cur = 256;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  RaiseDescriptorLimit();
  EXPECT_EQ(OutputOf("ulimit -S -n"), "256\n");
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, limit.rlim_max) << "and this one has all it may have";
}

TEST_F(ChildTest, HasItsStandardDescriptorsAndNoOthers) {
  // Everything that this process can hold, open at once; and one that it was started with.
  const UniqueFd inherited(::open("/dev/null", O_RDONLY));
  const auto pipes = MakePipe();
  const Waker waker;
  SignalQueue signals({SIGUSR1});
  // ls has one more while it looks: that of the directory itself.
  const std::string listed = OutputOf("exec ls /proc/self/fd");
  if (listed.empty()) GTEST_SKIP() << "there is no /proc here";
  EXPECT_EQ(listed, "0\n1\n2\n3\n");
}

TEST_F(ChildTest, SeesTheEndOfItsInputWhenTheWriterIsDone) {
  auto to_child = MakePipe();
  auto from_child = MakePipe();
  const Child child = StartChild({"cat"}, to_child.first.get(), from_child.second.get());
  to_child.first.Reset();
  from_child.second.Reset();
  ASSERT_EQ(WriteAll(to_child.second.get(), AsBytes("one\n")).status, IoStatus::kOk);
  to_child.second.Reset();
  EXPECT_EQ(ReadToTheEnd(from_child.first.get()), "one\n");
  EXPECT_EQ(StatusOf(child), 0);
}

TEST_F(ChildTest, TellsHowItEnded) {
  int status = -1;
  (void)OutputOf("exit 0", &status);
  EXPECT_EQ(status, 0);
  (void)OutputOf("exit 42", &status);
  EXPECT_EQ(status, 42);
  (void)OutputOf("kill -TERM $$", &status);
  EXPECT_EQ(status, 128 + SIGTERM);
  (void)OutputOf("kill -KILL $$", &status);
  EXPECT_EQ(status, 128 + SIGKILL);
}

TEST_F(ChildTest, ThatIsNotThereIs127) {
  try {
    (void)StartChild({"no-such-program-anywhere"}, 0, 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_status(), kExitNotFound);
    EXPECT_NE(std::string(error.what()).find("no-such-program-anywhere"), std::string::npos);
  }
}

TEST_F(ChildTest, ThatCannotBeRunIs126) {
  for (const char* path : {"/", "/dev/null"}) {
    try {
      (void)StartChild({path}, 0, 1);
      FAIL() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_status(), kExitCannotRun) << path;
    }
  }
}

TEST_F(ChildTest, HasNoSignalBlockedAndDiesOfABrokenPipe) {
  IgnoreBrokenPipe();
  SignalQueue signals({SIGUSR1, SIGTERM});
  const std::string masks = OutputOf("grep -E '^Sig(Blk|Ign)' /proc/self/status");
  if (masks.empty()) GTEST_SKIP() << "there is no /proc here";
  EXPECT_NE(masks.find("SigBlk:\t0000000000000000"), std::string::npos) << masks;
  const std::size_t at = masks.find("SigIgn:\t") + 8;
  const std::uint64_t ignored = std::stoull(masks.substr(at, 16), nullptr, 16);
  EXPECT_EQ(ignored & (1U << (SIGPIPE - 1)), 0U) << masks;
  auto [read_end, write_end] = MakePipe();
  read_end.Reset();
  const Child child = StartChild({"sh", "-c", "echo x; echo y"}, 0, write_end.get());
  EXPECT_EQ(StatusOf(child), 128 + SIGPIPE);
}

TEST_F(ChildTest, GetsSignals) {
  auto [read_end, write_end] = MakePipe();
  const Child child =
      StartChild({"sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"},
                 0, write_end.get());
  std::array<std::byte, 16> buffer{};
  ASSERT_EQ(ReadSome(read_end.get(), buffer).status, IoStatus::kOk);
  SendSignal(child, SIGTERM);
  EXPECT_EQ(StatusOf(child), 7);
  SendSignal(Child{}, SIGTERM);  // to nobody
}

TEST_F(ChildTest, NobodyIsReapedWhenNobodyHasEnded) {
  EXPECT_EQ(ReapOne().pid, -1);
}

// ---- signals ----

TEST(SignalQueue, QueuesSignalsInsteadOfDying) {
  SignalQueue signals({SIGTERM, SIGUSR1});
  EXPECT_EQ(signals.Next().number, 0);
  EXPECT_FALSE(IsReadable(signals.fd()));
  ::kill(::getpid(), SIGTERM);
  EXPECT_TRUE(IsReadable(signals.fd()));
  const SignalQueue::Signal signal = signals.Next();
  EXPECT_EQ(signal.number, SIGTERM);
  EXPECT_FALSE(signal.from_terminal);
  EXPECT_EQ(signals.Next().number, 0);
}

TEST(SignalQueue, QueuesDifferentSignals) {
  SignalQueue signals({SIGTERM, SIGUSR1});
  ::kill(::getpid(), SIGUSR1);
  ::kill(::getpid(), SIGTERM);
  const int first = signals.Next().number;
  const int second = signals.Next().number;
  EXPECT_EQ(first + second, SIGUSR1 + SIGTERM);
  EXPECT_EQ(signals.Next().number, 0);
}

TEST(SignalQueue, ASignalThatWasIgnoredStaysSo) {
  ::signal(SIGHUP, SIG_IGN);  // as nohup does
  {
    SignalQueue signals({SIGHUP});
    ::kill(::getpid(), SIGHUP);
    EXPECT_EQ(signals.Next().number, 0);
  }
  ::signal(SIGHUP, SIG_DFL);
}

TEST(SignalQueue, TellsOfEndedChildrenEvenIfTheyWereIgnored) {
  ::signal(SIGCHLD, SIG_IGN);
  SignalQueue signals({SIGCHLD});
  const Child child = StartChild({"true"}, 0, 1);
  EXPECT_EQ(StatusOf(child), 0) << "it can be waited for";
  EXPECT_EQ(signals.Next().number, SIGCHLD);
}

TEST(Signals, ABrokenPipeIsAnError) {
  IgnoreBrokenPipe();
  auto [read_end, write_end] = MakePipe();
  read_end.Reset();
  EXPECT_EQ(WriteAll(write_end.get(), AsBytes("x")).status, IoStatus::kClosed);
}

TEST(Signals, AThreadIsGotOutOfABlockingWrite) {
  auto [read_end, write_end] = MakePipe();
  IoResult result;
  std::atomic<bool> done = false;
  std::thread thread([&, fd = write_end.get()] {
    result = WriteAll(fd, AsBytes(std::string(4'000'000, 'x')));
    done = true;
  });
  while (!done) {
    InterruptThread(thread);
    std::this_thread::yield();
  }
  thread.join();
  EXPECT_EQ(result.status, IoStatus::kInterrupted);
  EXPECT_LT(result.count, 4'000'000U);
}

TEST(Signals, DyingBySignalShowsInTheStatus) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGTERM, SIG_DFL);
    ::raise(SIGTERM);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

// ---- wakers ----

TEST(Waker, WakesUntilItIsCleared) {
  Waker waker;
  EXPECT_FALSE(IsReadable(waker.fd()));
  waker.Wake();
  waker.Wake();
  EXPECT_TRUE(IsReadable(waker.fd()));
  waker.Clear();
  EXPECT_FALSE(IsReadable(waker.fd()));
  waker.Clear();
  waker.Wake();
  EXPECT_TRUE(IsReadable(waker.fd()));
}

TEST(Waker, NeverBlocksHoweverOftenItIsWoken) {
  Waker waker;
  for (int i = 0; i < 200'000; ++i) waker.Wake();
  waker.Clear();
  EXPECT_FALSE(IsReadable(waker.fd()));
}

TEST(Waker, WakesFromAnotherThread) {
  Waker waker;
  std::thread thread([&] { waker.Wake(); });
  thread.join();
  EXPECT_TRUE(IsReadable(waker.fd()));
}

}  // namespace
}  // namespace pipedup
