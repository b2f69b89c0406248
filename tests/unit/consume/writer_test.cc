// A writer never makes its caller wait, keeps the order, and says how far it is.
#include "consume/writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "os/file.h"
#include "os/io.h"
#include "os/process.h"
#include "os/signals.h"
#include "support/wait.h"

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
  constexpr std::size_t kBlockBytes = 100'000;
  for (Position i = 1; i <= 50; ++i)
    writer.Push(Bytes(std::string(kBlockBytes, 'x')), 7, i * kBlockBytes);
  // A pipe holds 64 KiB, or at most what a user may have.
  EXPECT_GE(writer.queued() + writer.written(), 50 * kBlockBytes);
  EXPECT_GE(writer.queued(), 50 * kBlockBytes - 1024 * 1024);
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

/// Keeps what it is told, and what the output held at the time.
class Notes final : public WriteNotes {
 public:
  explicit Notes(std::function<std::uint64_t()> held) : held_(std::move(held)) {}
  void Note(const WriteNote& note) override {
    const std::uint64_t held = held_();
    if (note.to == note.position) {
      EXPECT_EQ(note.bytes, 0U);
    } else {
      EXPECT_LT(note.written, note.bytes);
    }
    const std::lock_guard lock(mutex_);
    all_.push_back({note, held});
  }
  struct Noted {
    WriteNote note;
    std::uint64_t held = 0;
  };
  std::vector<Noted> all() const {
    const std::lock_guard lock(mutex_);
    return all_;
  }

 private:
  const std::function<std::uint64_t()> held_;
  mutable std::mutex mutex_;
  std::vector<Noted> all_;
};

class NotedWriterTest : public WriterTest {
 protected:
  Notes notes_{[this] { return taken_ + unread(); }};
  std::uint64_t unread() const {
    int bytes = 0;
    ::ioctl(pipe_.first.get(), FIONREAD, &bytes);
    return static_cast<std::uint64_t>(bytes);
  }
  std::atomic<std::uint64_t> taken_{0};
};

TEST_F(NotedWriterTest, NotesEachWriteBeforeAndAfterIt) {
  Writer writer(pipe_.second.get(), 1 << 20, &notes_);
  writer.Push(Bytes("one\n"), 7, 4);
  writer.Push(Bytes("two\n"), 7, 8);
  AwaitDrained(writer);
  Position at = 0;
  for (const Notes::Noted& noted : notes_.all()) {
    EXPECT_EQ(noted.note.session, 7U);
    EXPECT_EQ(noted.held, noted.note.position) << "what is said to be taken is";
    if (noted.note.to > noted.note.position) {
      EXPECT_EQ(noted.note.position, at);
      EXPECT_EQ(noted.note.bytes, 4U);
    }
    at = noted.note.position;
  }
  EXPECT_EQ(at, 8U);
}

TEST_F(NotedWriterTest, NothingIsUnderWayWhileAPipeIsFull) {
  Writer writer(pipe_.second.get(), 1 << 20, &notes_);
  constexpr std::size_t kBytes = 3'000'000;
  writer.Push(Bytes(std::string(kBytes, 'x')), 7, 10, 10 + kBytes);
  (void)Read(100'000);
  // The reader rests: soon there is no room, and then nothing is under way.
  EXPECT_TRUE(test::Eventually([&] {
    pollfd item{pipe_.second.get(), POLLOUT, 0};
    const std::vector<Notes::Noted> all = notes_.all();
    if (all.empty()) return false;
    const WriteNote note = all.back().note;
    return ::poll(&item, 1, 0) == 0 && note.to == note.position &&
           note.position == 10 + writer.written();
  }));
  EXPECT_EQ(Read(kBytes - 100'000).size(), kBytes - 100'000);
  AwaitDrained(writer);
  for (const Notes::Noted& noted : notes_.all()) {
    EXPECT_LE(noted.note.to - noted.note.position, kMostNotedBytes);
  }
  EXPECT_EQ(notes_.all().back().note.position, 10 + kBytes);
}

TEST_F(NotedWriterTest, APieceWithLabelsIsUnderWayUntilAllOfItIsWritten) {
  Writer writer(pipe_.second.get(), 1 << 20, &notes_);
  constexpr std::size_t kBytes = 3'000'000;
  writer.Push(Bytes("label: a\n"), 7, 0, 2);
  writer.Push(Bytes(std::string(kBytes, 'x')), 7, 2, 1000);
  taken_ += Read(100'009).size();
  writer.Abort();
  const WriteNote note = notes_.all().back().note;
  EXPECT_EQ(note.position, 2U);
  EXPECT_EQ(note.to, 1000U);
  EXPECT_EQ(note.bytes, kBytes);
  EXPECT_EQ(note.written + 9, writer.written());
}

TEST_F(NotedWriterTest, SeveralPiecesGoIntoAFileAtATime) {
  const std::string path =
      RuntimeDirectories().front() + "/pipedup-writer-test-" + std::to_string(ProcessId());
  int error = 0;
  const UniqueFd file = CreateFile(path, &error);
  Notes notes([&] { return FileBytes(file.get()); });
  {
    Writer writer(file.get(), 1 << 20, &notes);
    for (Position i = 1; i <= 500; ++i) writer.Push(Bytes("0123456789"), 7, i * 10);
    writer.Push(Bytes("behind a gap"), 7, 6000, 6012);
    writer.Push(Bytes("of another session"), 8, 0, 18);
    writer.Push(Bytes("a: x\n"), 8, 18, 20);
    writer.Push(Bytes("b: y\n"), 8, 20, 22);
    AwaitDrained(writer);
  }
  RemoveFile(path);
  bool gap = false;
  for (const Notes::Noted& noted : notes.all()) {
    if (noted.note.session != 7) continue;
    EXPECT_EQ(noted.held,
              noted.note.position < 6000 ? noted.note.position : noted.note.position - 1000);
    gap |= noted.note.to == 6012 && noted.note.position == 6000;
  }
  EXPECT_TRUE(gap) << "no write goes over a gap";
  const Notes::Noted last = notes.all().back();
  EXPECT_EQ(last.note.session, 8U);
  EXPECT_EQ(last.note.position, 22U);
  EXPECT_EQ(last.held, 5000U + 12 + 18 + 10);
}

TEST_F(NotedWriterTest, AWriteThatFailsWasNotMade) {
  Writer writer(pipe_.second.get(), 1 << 20, &notes_);
  pipe_.first.Reset();
  writer.Push(Bytes("one\n"), 7, 4);
  while (writer.state() == Writer::State::kOpen) Await(writer);
  const WriteNote note = notes_.all().back().note;
  EXPECT_EQ(note.position, 0U);
  EXPECT_EQ(note.to, 0U);
}

}  // namespace
}  // namespace pipedup
