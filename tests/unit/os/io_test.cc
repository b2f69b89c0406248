#include "os/io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "os/file.h"
#include "os/process.h"
#include "os/signals.h"

namespace pipedup {
namespace {

class IoTest : public testing::Test {
 protected:
  IoTest() {
    IgnoreBrokenPipe();
    path_ = RuntimeDirectories().front() + "/pipedup-io-test-" + std::to_string(ProcessId());
    RemoveFile(path_);
    int error = 0;
    file_ = CreateFile(path_, &error);
    EXPECT_TRUE(file_) << ErrnoText(error);
  }
  ~IoTest() override { RemoveFile(path_); }
  std::string FileText() {
    std::string why;
    return ReadTextFile(path_, &why).value_or(why);
  }
  /// Fills the pipe to the brim; how much that was.
  std::size_t FillPipe() {
    ::fcntl(pipe_.second.get(), F_SETFL, O_NONBLOCK);
    const std::string text(4096, 'x');
    std::size_t total = 0;
    for (IoResult result; (result = WriteAll(pipe_.second.get(), AsBytes(text))).count > 0;) {
      total += result.count;
    }
    ::fcntl(pipe_.second.get(), F_SETFL, 0);
    return total;
  }

  std::string path_;
  UniqueFd file_;
  std::pair<UniqueFd, UniqueFd> pipe_ = MakePipe();
};

TEST_F(IoTest, SpliceMovesAPipeIntoAFileAtAnOffset) {
  ASSERT_EQ(WriteAll(pipe_.second.get(), AsBytes("one\ntwo\n")).status, IoStatus::kOk);
  IoResult result = SpliceToFile(pipe_.first.get(), file_.get(), 0, 4);
#ifdef PIPEDUP_PORTABLE
  EXPECT_EQ(result.status, IoStatus::kFailed);
#else
  EXPECT_EQ(result.status, IoStatus::kOk);
  EXPECT_EQ(result.count, 4U);
  result = SpliceToFile(pipe_.first.get(), file_.get(), 4, 100);
  EXPECT_EQ(result.count, 4U);
  EXPECT_EQ(FileText(), "one\ntwo\n");
  EXPECT_EQ(SpliceToFile(pipe_.first.get(), file_.get(), 8, 100).status, IoStatus::kWouldBlock);
  pipe_.second.Reset();
  EXPECT_EQ(SpliceToFile(pipe_.first.get(), file_.get(), 8, 100).status, IoStatus::kEnd);
#endif
}

TEST_F(IoTest, SpliceOfWhatIsNoPipeFails) {
  int error = 0;
  const UniqueFd other = CreateFile(path_ + ".2", &error);
  RemoveFile(path_ + ".2");
  EXPECT_EQ(SpliceToFile(other.get(), file_.get(), 0, 100).status, IoStatus::kFailed);
}

TEST_F(IoTest, SpliceFromFileMovesPagesThatOutliveTheFile) {
  EXPECT_EQ(WriteAt(file_.get(), AsBytes("one\ntwo\n"), 0).status, IoStatus::kOk);
  SetNonBlocking(pipe_.second.get());
  IoResult result = SpliceFromFile(file_.get(), 4, pipe_.second.get(), 100);
#ifdef PIPEDUP_PORTABLE
  EXPECT_EQ(result.status, IoStatus::kFailed);
#else
  EXPECT_EQ(result.status, IoStatus::kOk);
  EXPECT_EQ(result.count, 4U);
  EXPECT_EQ(WriteAt(file_.get(), AsBytes("more"), 8).status, IoStatus::kOk);
  EXPECT_TRUE(RemoveFile(path_));
  file_.Reset();
  std::array<std::byte, 16> got{};
  EXPECT_EQ(ReadSome(pipe_.first.get(), got).count, 4U);
  EXPECT_EQ(AsText(ByteSpan(got).first(4)), "two\n");
#endif
}

TEST_F(IoTest, SpliceFromFileToAFullOrLeftPipeSaysSo) {
#ifndef PIPEDUP_PORTABLE
  const std::string text(2 * 1024 * 1024, 'x');
  EXPECT_EQ(WriteAt(file_.get(), AsBytes(text), 0).status, IoStatus::kOk);
  std::size_t moved = 0;
  IoResult result;
  while (
      (result = SpliceFromFile(file_.get(), moved, pipe_.second.get(), text.size())).status ==
      IoStatus::kOk) {
    moved += result.count;
    ASSERT_LT(moved, text.size());
  }
  EXPECT_EQ(result.status, IoStatus::kWouldBlock);
  pipe_.first.Reset();
  IgnoreBrokenPipe();
  EXPECT_EQ(SpliceFromFile(file_.get(), 0, pipe_.second.get(), 10).status, IoStatus::kClosed);
#endif
}

TEST_F(IoTest, TeeGivesAPipeWhatAnotherHoldsAndLeavesItThere) {
  auto copy = MakePipe();
  ASSERT_EQ(WriteAll(pipe_.second.get(), AsBytes("one\ntwo\n")).status, IoStatus::kOk);
  IoResult result = TeePipe(pipe_.first.get(), copy.second.get(), 4);
#ifdef PIPEDUP_PORTABLE
  EXPECT_EQ(result.status, IoStatus::kFailed);
#else
  EXPECT_EQ(result.count, 4U);
  result = TeePipe(pipe_.first.get(), copy.second.get(), 100);
  EXPECT_EQ(result.count, 8U) << "it begins at the front again";
  result = SplicePipe(pipe_.first.get(), copy.second.get(), 100);
  EXPECT_EQ(result.count, 8U) << "nothing had left the pipe";
  std::string got(100, '\0');
  got.resize(ReadSome(copy.first.get(), std::as_writable_bytes(std::span(got))).count);
  EXPECT_EQ(got, "one\none\ntwo\none\ntwo\n");
  EXPECT_EQ(TeePipe(pipe_.first.get(), copy.second.get(), 1).status, IoStatus::kWouldBlock);
  EXPECT_EQ(SplicePipe(pipe_.first.get(), copy.second.get(), 1).status, IoStatus::kWouldBlock);
  pipe_.second.Reset();
  EXPECT_EQ(TeePipe(pipe_.first.get(), copy.second.get(), 1).status, IoStatus::kEnd);
  EXPECT_EQ(SplicePipe(pipe_.first.get(), copy.second.get(), 1).status, IoStatus::kEnd);
#endif
}

TEST_F(IoTest, APipeOfTheSameSizeHasRoomForAllThatAPipeHolds) {
#ifndef PIPEDUP_PORTABLE
  auto copy = MakePipe();
  GrowPipe(pipe_.second.get(), 1024 * 1024);
  GrowPipe(copy.second.get(), PipeSize(pipe_.first.get()));
  EXPECT_EQ(PipeSize(pipe_.first.get()), PipeSize(copy.first.get()));
  const std::size_t full = FillPipe();
  EXPECT_EQ(full, PipeSize(pipe_.first.get()));
  EXPECT_EQ(TeePipe(pipe_.first.get(), copy.second.get(), 2 * full).count, full);
  EXPECT_EQ(TeePipe(pipe_.first.get(), copy.second.get(), 1).status, IoStatus::kWouldBlock);
  copy.first.Reset();
  EXPECT_EQ(TeePipe(pipe_.first.get(), copy.second.get(), 1).status, IoStatus::kClosed);
  EXPECT_EQ(SplicePipe(pipe_.first.get(), copy.second.get(), 1).status, IoStatus::kClosed);
#endif
  EXPECT_EQ(PipeSize(file_.get()), 0U);
}

TEST_F(IoTest, SplicesAPipeToAFilesOwnPositionButNotToItsEnd) {
#ifndef PIPEDUP_PORTABLE
  ASSERT_EQ(WriteAll(file_.get(), AsBytes("at ")).status, IoStatus::kOk);
  ASSERT_EQ(WriteAll(pipe_.second.get(), AsBytes("one two")).status, IoStatus::kOk);
  EXPECT_EQ(SplicePipe(pipe_.first.get(), file_.get(), 3).count, 3U);
  EXPECT_EQ(FileText(), "at one");
  const UniqueFd append(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  const IoResult result = SplicePipe(pipe_.first.get(), append.get(), 4);
  EXPECT_EQ(result.status, IoStatus::kFailed);
  EXPECT_EQ(result.error, EINVAL);
  EXPECT_TRUE(IsReadable(pipe_.first.get())) << "nothing was moved";
#endif
}

TEST_F(IoTest, WriteReadyNeverWaitsForTheReaderOfAPipeInBlockingMode) {
  const std::string text(4 * 1024 * 1024, 'x');
  const IoResult result = WriteReady(pipe_.second.get(), AsBytes(text));
  EXPECT_EQ(result.status, IoStatus::kWouldBlock);
  EXPECT_GT(result.count, 4000U);
  EXPECT_EQ(WriteReady(pipe_.second.get(), AsBytes("x")).count, 0U);
  pipe_.first.Reset();
  EXPECT_EQ(WriteReady(pipe_.second.get(), AsBytes("x")).status, IoStatus::kClosed);
}

TEST_F(IoTest, WriteReadyWritesAllOfItToAFileAndWhatFitsToASocket) {
  EXPECT_EQ(WriteReady(file_.get(), AsBytes("bytes")).status, IoStatus::kOk);
  EXPECT_EQ(FileText(), "bytes");
  std::array<int, 2> ends{};
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()));
  UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  const std::string text(16 * 1024 * 1024, 'x');
  const IoResult result = WriteReady(writer.get(), AsBytes(text));
  EXPECT_EQ(result.status, IoStatus::kWouldBlock);
  EXPECT_GT(result.count, 0U);
  reader.Reset();
  EXPECT_EQ(WriteReady(writer.get(), AsBytes("x")).status, IoStatus::kClosed);
}

TEST_F(IoTest, ATerminalOpenedAgainNeverWaitsAndTheSharedOneStaysAsItIs) {
  const UniqueFd screen(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(screen) << ErrnoText(errno);
  ASSERT_EQ(::grantpt(screen.get()), 0);
  ASSERT_EQ(::unlockpt(screen.get()), 0);
  const UniqueFd terminal(::open(::ptsname(screen.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(terminal) << ErrnoText(errno);
  const UniqueFd again = ReopenTerminal(terminal.get());
  ASSERT_TRUE(again);
  EXPECT_TRUE(IsTerminal(again.get()));
  EXPECT_NE(::fcntl(again.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(::fcntl(terminal.get(), F_GETFL) & O_NONBLOCK, 0);
  const std::string text(1024 * 1024, 'x');
  IoResult result = WriteReady(again.get(), AsBytes(text));
  EXPECT_EQ(result.status, IoStatus::kWouldBlock);
  EXPECT_GT(result.count, 0U);
  ASSERT_EQ(::tcflow(terminal.get(), TCOOFF), 0);
  result = WriteReady(again.get(), AsBytes(text));
  EXPECT_EQ(result.status, IoStatus::kWouldBlock);
  EXPECT_EQ(result.count, 0U);
}

TEST_F(IoTest, WhatIsNoTerminalOrTheOtherSideOfOneIsNotOpenedAgain) {
  const UniqueFd screen(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(screen) << ErrnoText(errno);
  EXPECT_FALSE(ReopenTerminal(screen.get()));
  EXPECT_FALSE(ReopenTerminal(file_.get()));
  EXPECT_FALSE(ReopenTerminal(pipe_.second.get()));
  EXPECT_FALSE(ReopenTerminal(-1));
}

TEST_F(IoTest, ReplacedByNullThereIsNoReaderAnyMore) {
  ReplaceByNull(pipe_.first.get());
  EXPECT_EQ(WriteAll(pipe_.second.get(), AsBytes("x")).status, IoStatus::kClosed);
  std::array<std::byte, 1> into{};
  EXPECT_EQ(ReadSome(pipe_.first.get(), into).status, IoStatus::kEnd);
}

TEST_F(IoTest, WriteAtWritesThereAndLeavesThePositionAlone) {
  EXPECT_EQ(WriteAt(file_.get(), AsBytes("xxxxx"), 0).status, IoStatus::kOk);
  const IoResult result = WriteAt(file_.get(), AsBytes("YY"), 2);
  EXPECT_EQ(result.status, IoStatus::kOk);
  EXPECT_EQ(result.count, 2U);
  EXPECT_EQ(FileText(), "xxYYx");
  EXPECT_EQ(::lseek(file_.get(), 0, SEEK_CUR), 0);
}

TEST_F(IoTest, WriteAtToAFullDeviceSaysNoSpace) {
  const UniqueFd full(::open("/dev/full", O_RDWR | O_CLOEXEC));
  if (!full) GTEST_SKIP() << "there is no /dev/full here";
  const IoResult result = WriteAt(full.get(), AsBytes("x"), 0);
  EXPECT_EQ(result.status, IoStatus::kNoSpace);
  EXPECT_EQ(result.count, 0U);
  EXPECT_EQ(result.error, ENOSPC);
}

TEST_F(IoTest, WriteNowNeverBlocks) {
  if (!CanWriteNow(pipe_.second.get())) GTEST_SKIP() << "this kernel cannot be asked";
  EXPECT_EQ(WriteNow(pipe_.second.get(), AsBytes("one")).count, 3U);
  const std::size_t full = FillPipe();
  const IoResult result = WriteNow(pipe_.second.get(), AsBytes("more"));
  EXPECT_EQ(result.status, IoStatus::kWouldBlock);
  EXPECT_EQ(result.count, 0U);
  EXPECT_EQ(::fcntl(pipe_.second.get(), F_GETFL) & O_NONBLOCK, 0) << "nobody's flag is touched";
  std::string text(full + 3, '\0');
  std::size_t used = 0;
  while (used < text.size()) {
    used += ReadSome(pipe_.first.get(), std::as_writable_bytes(std::span(text)).subspan(used))
                .count;
  }
  EXPECT_EQ(text.substr(0, 4), "onex");
}

TEST_F(IoTest, WriteNowIsForPipesOnly) {
  EXPECT_FALSE(CanWriteNow(file_.get()));
}

TEST_F(IoTest, APipeWithoutAReaderIsClosed) {
  pipe_.first.Reset();
  EXPECT_EQ(WriteAll(pipe_.second.get(), AsBytes("x")).status, IoStatus::kClosed);
  const std::array<ByteSpan, 1> parts{AsBytes("x")};
  EXPECT_EQ(WriteSome(pipe_.second.get(), parts).status, IoStatus::kClosed);
  EXPECT_EQ(WriteAll(pipe_.second.get(), AsBytes("x")).error, EPIPE);
}

TEST_F(IoTest, WriteSomeWritesManyPiecesInOrder) {
  const std::array<ByteSpan, 3> parts{AsBytes("a"), AsBytes(""), AsBytes("bc")};
  EXPECT_EQ(WriteSome(file_.get(), parts).count, 3U);
  EXPECT_EQ(FileText(), "abc");
}

TEST_F(IoTest, WriteSomeTakesNoMoreThanItsPiecesAtOnce) {
  const std::vector<ByteSpan> parts(1000, AsBytes("x"));
  const IoResult result = WriteSome(file_.get(), parts);
  EXPECT_EQ(result.status, IoStatus::kOk);
  EXPECT_EQ(FileText().size(), result.count);
}

TEST_F(IoTest, ReadingTellsTheEnd) {
  std::array<std::byte, 10> into{};
  ASSERT_EQ(WriteAll(pipe_.second.get(), AsBytes("abc")).status, IoStatus::kOk);
  EXPECT_EQ(ReadSome(pipe_.first.get(), into).count, 3U);
  pipe_.second.Reset();
  EXPECT_EQ(ReadSome(pipe_.first.get(), into).status, IoStatus::kEnd);
  EXPECT_EQ(ReadSome(-1, into).status, IoStatus::kFailed);
}

TEST_F(IoTest, ReadingANonBlockingPipeThatIsEmptyWouldBlock) {
  ::fcntl(pipe_.first.get(), F_SETFL, O_NONBLOCK);
  std::array<std::byte, 10> into{};
  EXPECT_EQ(ReadSome(pipe_.first.get(), into).status, IoStatus::kWouldBlock);
}

TEST_F(IoTest, APeerThatHasClosedIsSeenAlsoBehindWhatItHasSent) {
  std::array<int, 2> ends{};
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()));
  const UniqueFd here(ends[0]);
  UniqueFd peer(ends[1]);
  const auto has_closed = [&here] {
    std::array<PollItem, 1> items = {PollItem{here.get(), PollItem::For::kPeerClosed}};
    Poll(items, std::chrono::milliseconds(0));
    return items[0].ready;
  };
  EXPECT_FALSE(has_closed());
  ASSERT_EQ(WriteAll(peer.get(), AsBytes("x")).status, IoStatus::kOk);
  EXPECT_FALSE(has_closed());
  peer.Reset();
#ifdef PIPEDUP_PORTABLE
  std::array<std::byte, 1> into{};
  ASSERT_EQ(ReadSome(here.get(), into).status, IoStatus::kOk);
#endif
  EXPECT_TRUE(has_closed());
}

TEST_F(IoTest, KnowsWhatADescriptorIs) {
  EXPECT_TRUE(IsPipe(pipe_.first.get()));
  EXPECT_FALSE(IsPipe(file_.get()));
  EXPECT_FALSE(IsTerminal(file_.get()));
  EXPECT_FALSE(IsSocket(file_.get()));
  EXPECT_TRUE(IsOpen(file_.get()));
  EXPECT_FALSE(IsOpen(99999));
  EXPECT_FALSE(IsReadable(pipe_.first.get()));
  ASSERT_EQ(WriteAll(pipe_.second.get(), AsBytes("x")).status, IoStatus::kOk);
  EXPECT_TRUE(IsReadable(pipe_.first.get()));
}

TEST_F(IoTest, DescriptorsAreClosedOnExecFromBirth) {
  for (const int fd : {pipe_.first.get(), pipe_.second.get(), file_.get()}) {
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  }
}

#ifndef PIPEDUP_PORTABLE
TEST_F(IoTest, APipeGrowsButNeverShrinks) {
  GrowPipe(pipe_.second.get(), 256 * 1024);
  const int size = ::fcntl(pipe_.second.get(), F_GETPIPE_SZ);
  EXPECT_GE(size, 64 * 1024);
  GrowPipe(pipe_.second.get(), 4096);
  EXPECT_EQ(::fcntl(pipe_.second.get(), F_GETPIPE_SZ), size);
  GrowPipe(file_.get(), 256 * 1024);  // harmless
}
#endif

TEST(UniqueFd, ClosesWhatItOwnsOnce) {
  auto [read_end, write_end] = MakePipe();
  const int number = read_end.get();
  UniqueFd moved = std::move(read_end);
  EXPECT_FALSE(read_end);  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_TRUE(IsOpen(number));
  moved.Reset();
  EXPECT_FALSE(IsOpen(number));
  moved.Reset();
  moved = std::move(write_end);
  EXPECT_TRUE(moved);
}

}  // namespace
}  // namespace pipedup
