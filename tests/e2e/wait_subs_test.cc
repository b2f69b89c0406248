// --wait-subs: not a byte is read before everybody is there.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "support/programs.h"
#include "support/same.h"

namespace pipedup::test {
namespace {

TEST(WaitSubs, NothingIsReadBeforeTheLastOfThemHasJoined) {
  const TempDir directory;
  const std::string bytes = "one\ntwo\n";
  Publisher publisher(directory, {"--wait-subs", "2"});
  ASSERT_TRUE(publisher.Write(bytes));
  Subscriber one(directory, publisher.endpoint());
  ASSERT_TRUE(one.WaitUntilLive());
  ASSERT_TRUE(publisher.WaitForJoined(1));
  // Once it has answered somebody else, it has had every chance to read.
  Subscriber stranger(directory, publisher.endpoint(), {"--stream", "another"});
  EXPECT_EQ(5, stranger.Wait()) << stranger.log();
  EXPECT_EQ(bytes.size(), publisher.unread_input());
  EXPECT_EQ(0u, FileSize(one.file()));
  Subscriber two(directory, publisher.endpoint());
  publisher.CloseInput();
  EXPECT_EQ(0, one.Wait()) << one.log();
  EXPECT_EQ(0, two.Wait()) << two.log();
  EXPECT_TRUE(Same(bytes, one.delivered()));
  EXPECT_TRUE(Same(bytes, two.delivered()));
  EXPECT_EQ(0, publisher.Wait());
}

TEST(WaitSubs, AfterWaitTimeoutItGoesOnWithAWarning) {
  const TempDir directory;
  Publisher publisher(directory, {"--wait-subs", "2", "--wait-timeout", "2s"});
  ASSERT_TRUE(publisher.Write("line\n"));
  Subscriber subscriber(directory, publisher.endpoint(), {"--from", "start"});
  const auto warning = publisher.WaitForEvent("wait-timeout");
  ASSERT_TRUE(warning) << publisher.log();
  EXPECT_EQ("warning", warning->at("level"));
  ASSERT_TRUE(subscriber.WaitForBytes(5)) << subscriber.log();
  publisher.CloseInput();
  EXPECT_EQ(0, subscriber.Wait());
  EXPECT_EQ(0, publisher.Wait());
}

TEST(WaitSubs, ASignalEndsTheWaitingAndTheStream) {
  const TempDir directory;
  Publisher publisher(directory, {"--wait-subs", "2"});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(subscriber.WaitUntilLive());
  publisher.Signal(SIGTERM);
  EXPECT_EQ(143, publisher.Wait()) << publisher.log();
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", subscriber.delivered());
}

TEST(WaitSubs, MaxSubsRefusesOneTooManyAndSaysSo) {
  const TempDir directory;
  Publisher publisher(directory, {"--max-subs", "1"});
  Subscriber one(directory, publisher.endpoint());
  ASSERT_TRUE(one.WaitUntilLive());
  Subscriber two(directory, publisher.endpoint());
  EXPECT_EQ(5, two.Wait()) << two.log();
  EXPECT_EQ(1u, two.events("refused").size()) << two.log();
  ASSERT_TRUE(publisher.WriteAndEnd("line\n"));
  EXPECT_EQ(0, one.Wait());
  EXPECT_EQ("line\n", one.delivered());
}

}  // namespace
}  // namespace pipedup::test
