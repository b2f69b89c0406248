// A writer never makes its caller wait, keeps the order, and says how far it is.
#include "consume/writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>

#include "os/file.h"
#include "os/io.h"
#include "os/process.h"
#include "os/signals.h"

namespace pipedup {
namespace {

SharedBytes Bytes(std::string text) {
  auto owner = std::make_shared<std::string>(std::move(text));
  const ByteSpan bytes = AsBytes(*owner);
  return {std::move(owner), bytes};
}

class WriterTest : public testing::Test {
 protected:
  WriterTest() { IgnoreBrokenPipe(); }

  /// Waits for the waker, as a loop would.
  static void Await(Writer& writer) {
    WaitReadable(writer.waker().fd());
    writer.waker().Clear();
  }
  static void WaitReadable(int fd) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!IsReadable(fd)) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "nothing to read";
    }
  }
  std::string Read(std::size_t bytes) {
    std::string text(bytes, '\0');
    std::size_t used = 0;
    while (used < bytes) {
      const IoResult result =
          ReadSome(pipe_.first.get(), std::as_writable_bytes(std::span(text)).subspan(used));
      if (result.status != IoStatus::kOk) break;
      used += result.count;
    }
    text.resize(used);
    return text;
  }
  static void AwaitDrained(Writer& writer) {
    while (writer.queued() > 0 && writer.state() == Writer::State::kOpen) Await(writer);
  }

  std::pair<UniqueFd, UniqueFd> pipe_ = MakePipe();
  std::size_t read_ = 0;
};

TEST_F(WriterTest, WritesWhatFits) {
  Writer writer(pipe_.second.get(), 1 << 20);
  writer.Push(Bytes("one\n"), 7, 4);
  writer.Push(Bytes("two\n"), 7, 8);
  EXPECT_EQ(Read(8), "one\ntwo\n");
  AwaitDrained(writer);
  EXPECT_EQ(writer.written(), 8U);
  EXPECT_EQ(writer.queued(), 0U);
  const Writer::Mark mark = writer.mark();
  EXPECT_EQ(mark.session, 7U);
  EXPECT_EQ(mark.position, 8U);
  EXPECT_EQ(mark.partial, 0U);
}

TEST_F(WriterTest, KeepsTheOrderWhenTheReaderIsSlow) {
  Writer writer(pipe_.second.get(), 1 << 20);
  std::string all;
  for (int i = 0; i < 3000; ++i) {
    const std::string text(1 + static_cast<std::size_t>(i * 37 % 2000),
                           static_cast<char>('a' + i % 26));
    all += text;
    writer.Push(Bytes(text), 7, all.size());
    if (i % 100 == 0) {
      const std::size_t some = std::min<std::size_t>(10, all.size() - read_);
      EXPECT_EQ(Read(some), all.substr(read_, some));
      read_ += some;
    }
  }
  EXPECT_GT(writer.queued(), 0U) << "a pipe does not hold that much";
  EXPECT_TRUE(Read(all.size() - read_) == all.substr(read_));
  AwaitDrained(writer);
  EXPECT_EQ(writer.mark().position, all.size());
  EXPECT_EQ(writer.written(), all.size());
}

TEST_F(WriterTest, PushingNeverBlocksAndTheQueueIsCounted) {
  Writer writer(pipe_.second.get(), 1 << 20);
  constexpr std::size_t kPiece = 100'000;
  for (Position i = 1; i <= 50; ++i)
    writer.Push(Bytes(std::string(kPiece, 'x')), 7, i * kPiece);
  // A pipe holds 64 KiB, or at most what a user may have.
  EXPECT_GE(writer.queued() + writer.written(), 50 * kPiece);
  EXPECT_GE(writer.queued(), 50 * kPiece - 1024 * 1024);
}

TEST_F(WriterTest, TheMarkTellsOfAPieceThatIsWrittenInPart) {
  Writer writer(pipe_.second.get(), 1 << 20);
  writer.Push(Bytes("1234"), 7, 4);
  writer.Push(Bytes(std::string(3'000'000, 'x')), 7, 3'000'004);
  (void)Read(5000);
  (void)Read(100'000);
  writer.Abort();
  const Writer::Mark mark = writer.mark();
  // Exactly what went into the pipe: what is still in it can be read.
  const std::uint64_t written = mark.position + mark.partial;
  EXPECT_EQ(written, writer.written());
  EXPECT_EQ(Read(written - 105'000).size(), written - 105'000);
  EXPECT_FALSE(IsReadable(pipe_.first.get()));
}

TEST_F(WriterTest, NoticesThatItsReaderHasLeft) {
  Writer writer(pipe_.second.get(), 1 << 20);
  pipe_.first.Reset();
  writer.Push(Bytes("one\n"), 7, 4);
  while (writer.state() == Writer::State::kOpen) Await(writer);
  EXPECT_EQ(writer.state(), Writer::State::kClosed);
  writer.Push(Bytes("two\n"), 7, 8);  // goes nowhere, and harms nobody
  EXPECT_EQ(writer.written(), 0U);
  EXPECT_EQ(writer.mark().position, 0U);
}

TEST_F(WriterTest, NoticesThatItsReaderLeavesWhileItIsBlocked) {
  Writer writer(pipe_.second.get(), 1 << 20);
  writer.Push(Bytes(std::string(3'000'000, 'x')), 7, 3'000'000);
  (void)Read(100'000);
  pipe_.first.Reset();
  while (writer.state() == Writer::State::kOpen) Await(writer);
  EXPECT_EQ(writer.state(), Writer::State::kClosed);
}

TEST_F(WriterTest, SaysWhyItFailed) {
  Writer writer(pipe_.first.get(), 1 << 20);  // a read end
  writer.Push(Bytes("one\n"), 7, 4);
  while (writer.state() == Writer::State::kOpen) Await(writer);
  EXPECT_EQ(writer.state(), Writer::State::kFailed);
  EXPECT_EQ(writer.error(), EBADF);
}

TEST_F(WriterTest, IsAbortedOutOfAWriteThatNobodyReads) {
  auto writer = std::make_unique<Writer>(pipe_.second.get(), 1 << 20);
  writer->Push(Bytes(std::string(3'000'000, 'x')), 7, 3'000'000);
  writer->Abort();
  writer->Abort();  // twice does no harm
  writer.reset();
}

TEST_F(WriterTest, IsAbortedBeforeAnythingWasPushed) {
  Writer writer(pipe_.second.get(), 1);
}

TEST_F(WriterTest, WakesEachTimeThatMuchWasWritten) {
  Writer writer(pipe_.second.get(), 100'000);
  writer.Push(Bytes(std::string(50'000, 'x')), 7, 50'000);
  for (Position end = 150'000; end <= 3'000'000; end += 50'000) {
    writer.Push(Bytes(std::string(50'000, 'x')), 7, end);
  }
  (void)Read(1'000'000);
  WaitReadable(writer.waker().fd());
  EXPECT_GT(writer.queued(), 0U) << "it was woken before the queue ran empty";
}

TEST_F(WriterTest, WritesToAFile) {
  const std::string path =
      RuntimeDirectories().front() + "/pipedup-writer-test-" + std::to_string(ProcessId());
  int error = 0;
  const UniqueFd file = CreateFile(path, &error);
  std::string why;
  {
    Writer writer(file.get(), 1 << 20);
    for (Position i = 1; i <= 500; ++i) writer.Push(Bytes("0123456789"), 7, i * 10);
    AwaitDrained(writer);
    EXPECT_EQ(writer.mark().position, 5000U);
  }
  EXPECT_EQ(ReadTextFile(path, &why)->size(), 5000U);
  RemoveFile(path);
}

TEST_F(WriterTest, LeavesANonBlockingDescriptorAsItIs) {
  // Somebody else, a shell for one, may have set O_NONBLOCK on it.
  ASSERT_EQ(::fcntl(pipe_.second.get(), F_SETFL, O_NONBLOCK), 0);
  Writer writer(pipe_.second.get(), 1 << 20);
  writer.Push(Bytes(std::string(2'000'000, 'x')), 7, 2'000'000);
  writer.Push(Bytes("end"), 7, 2'000'003);
  const std::string text = Read(2'000'003);
  EXPECT_EQ(text.substr(2'000'000), "end");
  AwaitDrained(writer);
  EXPECT_EQ(writer.mark().position, 2'000'003U);
  EXPECT_NE(::fcntl(pipe_.second.get(), F_GETFL) & O_NONBLOCK, 0);
}

}  // namespace
}  // namespace pipedup
