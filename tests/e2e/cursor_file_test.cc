// The file of --cursor: who may use it, and what becomes of a bad one.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "cursor_test_base.h"
#include "support/content.h"
#include "support/cursors.h"
#include "support/proc.h"
#include "support/same.h"

namespace pipedup::test {
namespace {

class CursorFileTest : public CursorTest {};

TEST_F(CursorFileTest, ASecondSubscriberIsRefusedWithTheProcessThatHoldsIt) {
  Publish({"--wait-subs", "1"});
  Produce("line\n");
  auto first = Start();
  ASSERT_TRUE(WaitForOut(5)) << first->log();
  auto second = StartInto(Stdio::Pipe());
  EXPECT_EQ(1, second->Wait()) << second->log();
  EXPECT_TRUE(second->WaitForLine("held by process " + std::to_string(first->pid())))
      << second->log();
  End();
  EXPECT_EQ(0, first->Wait()) << first->log();
}

TEST_F(CursorFileTest, ADamagedSlotCostsNothingWhereTheOutputIsAFile) {
  Publish({"--wait-subs", "1"});
  Produce(MakeLines('a', 100));
  auto first = Start();
  ASSERT_TRUE(WaitForOut(produced_.size()));
  Kill(*first);
  ASSERT_TRUE(DamageCursor(cursor(), Slots::kNewest));
  Produce(MakeLines('b', 100));
  End();
  auto second = Start();
  EXPECT_EQ(0, second->Wait()) << second->log();
  EXPECT_TRUE(Same(produced_, ReadFile(out())));
}

TEST_F(CursorFileTest, ADamagedCursorIsSaidAndFromDecides) {
  Publish({"--wait-subs", "1"});
  Produce(MakeLines('a', 100));
  auto first = Start();
  ASSERT_TRUE(WaitForOut(produced_.size()));
  Kill(*first);
  ASSERT_TRUE(DamageCursor(cursor(), Slots::kBoth));
  auto second = Start();
  ASSERT_TRUE(second->WaitForLine("damaged;")) << second->log();
  ASSERT_TRUE(WaitForOut(2 * produced_.size()));
  Kill(*second);
  End();
  auto third = Start();
  EXPECT_EQ(0, third->Wait()) << third->log();
  EXPECT_FALSE(third->WaitForLine("damaged;")) << third->log();
  EXPECT_TRUE(Same(produced_ + produced_, ReadFile(out())));
}

TEST_F(CursorFileTest, AnotherFileIsLeftAlone) {
  Publish();
  WriteFile(cursor(), "important\n");
  auto subscriber = Start();
  EXPECT_EQ(1, subscriber->Wait()) << subscriber->log();
  EXPECT_TRUE(subscriber->WaitForLine("something else")) << subscriber->log();
  EXPECT_EQ("important\n", ReadFile(cursor()));
  WriteFile(cursor(), "");  // as mktemp makes it
  auto second = Start();
  EXPECT_TRUE(second->WaitUntilLive()) << second->log();
}

TEST_F(CursorFileTest, ItsStreamIsAskedForAndNoOther) {
  Publish({"--wait-subs", "1", "-s", "one"});
  Produce("line\n");
  auto first = Start();
  ASSERT_TRUE(WaitForOut(5));
  Kill(*first);
  auto contradicting = Start({"-s", "two"});
  EXPECT_EQ(2, contradicting->Wait()) << contradicting->log();
  publisher_->Signal(SIGKILL);
  publisher_->Wait();
  Publish({"-s", "two"});
  auto other = Start();
  EXPECT_EQ(5, other->Wait()) << other->log();
}

TEST_F(CursorFileTest, APublisherThatIsNotReachedLeavesItAsItIs) {
  Publish({"--wait-subs", "1"});
  Produce("line\n");
  auto first = Start();
  ASSERT_TRUE(WaitForOut(5));
  Kill(*first);
  publisher_->Signal(SIGSTOP);
  auto second = Start({"--give-up", "300ms"});
  EXPECT_EQ(4, second->Wait()) << second->log();
  publisher_->Signal(SIGCONT);
  Produce("more\n");
  End();
  auto third = Start();
  EXPECT_EQ(0, third->Wait()) << third->log();
  EXPECT_TRUE(Same(produced_, ReadFile(out())));
}

/// Runs a subscriber on a file system of 16 KiB at `small`, after the shell commands `first`.
Command OnASmallDisk(const std::string& first, const std::string& endpoint,
                     const std::string& small, const std::string& out) {
  Command command;
  command.argv = {"unshare",
                  "--mount",
                  "sh",
                  "-c",
                  "mount -t tmpfs -o size=16k none \"$0\" || exit 99; cd \"$0\"; " + first +
                      "; cat /dev/zero > fill 2>/dev/null; exec \"$@\"",
                  small,
                  SubscriberBinary(),
                  "-v",
                  "--log-format",
                  "json",
                  "--cursor",
                  small + "/cursor",
                  "--from",
                  "start",
                  endpoint};
  command.output = Stdio::File(out);
  return command;
}

TEST_F(CursorFileTest, AFullDiskIsNoReasonToStopOneThatIsThere) {
  if (!MayUnshare("--mount")) GTEST_SKIP() << "needs a mount namespace";
  Publish({"--wait-subs", "1"});
  Produce(MakeLines('a', 1000));
  auto first = Start({"--count", "1"});
  ASSERT_EQ(0, first->Wait()) << first->log();
  const TempDir small;
  Program second(
      OnASmallDisk("cp \"" + cursor() + "\" .", endpoint_, small.path(), directory_ / "small"));
  ASSERT_TRUE(second.WaitForEvent("begin")) << second.log();
  End();
  EXPECT_EQ(0, second.Wait()) << second.log();
  EXPECT_FALSE(second.WaitForLine("No space")) << second.log();
  EXPECT_TRUE(Same(produced_, ReadFile(out()) + ReadFile(directory_ / "small")));
}

TEST_F(CursorFileTest, OneThatCannotBeMadeIsAFailureAtOnce) {
  if (!MayUnshare("--mount")) GTEST_SKIP() << "needs a mount namespace";
  Publish();
  const TempDir small;
  Program subscriber(OnASmallDisk(":", endpoint_, small.path(), directory_ / "small"));
  EXPECT_EQ(1, subscriber.Wait()) << subscriber.log();
  EXPECT_TRUE(subscriber.WaitForLine("No space")) << subscriber.log();
}

}  // namespace
}  // namespace pipedup::test
