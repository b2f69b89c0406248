// --progress: on a terminal, in a log, and where nobody reads it.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "support/programs.h"
#include "support/terminal.h"

namespace pipedup::test {
namespace {

TEST(Progress, IsALineEachSecondWhereItIsForcedOntoALog) {
  const TempDir directory;
  Process tee(
      {.argv = {TeeBinary(), "--force-progress", "--no-stdout", "-o", directory / "copy"},
       .input = Stdio::Pipe()});
  ASSERT_TRUE(tee.Write("0123456789"));
  EXPECT_TRUE(tee.WaitForLine("^pipedup-tee: info: 10B  0:00:[0-9]{2}  [0-9.]+[KM]?i?B/s$"))
      << tee.log();
  tee.CloseInput();
  EXPECT_EQ(0, tee.Wait()) << tee.log();
}

TEST(Progress, SaysNothingOnALogUnlessItIsForced) {
  const TempDir directory;
  Process tee({.argv = {TeeBinary(), "--progress", "--no-stdout", "-o", directory / "copy"},
               .input = Stdio::Pipe()});
  ASSERT_TRUE(tee.Write("0123456789"));
  tee.CloseInput();
  EXPECT_EQ(0, tee.Wait());
  EXPECT_EQ("", tee.log());
}

TEST(Progress, IsAnEventInJson) {
  const TempDir directory;
  Publisher publisher(directory, {"--progress"});
  Subscriber subscriber(directory, publisher.endpoint(), {"--progress"});
  ASSERT_TRUE(subscriber.WaitUntilLive());
  ASSERT_TRUE(publisher.Write("one\ntwo\n"));
  const auto has_all = [](const Json& event) { return event.at("bytes") == 8; };
  const auto of_publisher = publisher.WaitForEvent("progress", [&](const Json& event) {
    return has_all(event) && event.at("lag_bytes") == 0;
  });
  ASSERT_TRUE(of_publisher) << publisher.log();
  EXPECT_EQ(of_publisher->at("records"), 2);
  EXPECT_EQ(of_publisher->at("subscribers"), 1);
  EXPECT_EQ(of_publisher->at("lost_bytes"), 0);
  EXPECT_GT(of_publisher->at("seconds"), 0);
  const auto of_subscriber = subscriber.WaitForEvent("progress", has_all);
  ASSERT_TRUE(of_subscriber) << subscriber.log();
  EXPECT_EQ(of_subscriber->at("records"), 2);
  EXPECT_EQ(of_subscriber->at("lost_bytes"), 0);
}

TEST(Progress, OfAJournalThatGoesOnIsThatOfThisRun) {
  const TempDir directory;
  const Words options = {"--journal", directory / "journal", "--progress"};
  {
    Publisher first(directory, options);
    ASSERT_TRUE(first.WriteAndEnd("one\ntwo\n"));
    EXPECT_EQ(0, first.Wait()) << first.log();
  }
  Publisher second(directory, options);
  ASSERT_TRUE(second.Write("three\n"));
  const auto event = second.WaitForEvent(
      "progress", [](const Json& progress) { return progress.at("records") == 1; });
  ASSERT_TRUE(event) << second.log();
  EXPECT_EQ(event->at("bytes"), 6);
}

/// stderr is a terminal, stdout a pipe.
class ProgressOnATerminal : public testing::Test {
 protected:
  ProgressOnATerminal() { terminal_.SetSize(60, 10); }
  Command TeeOnIt(const std::string& options) const {
    return {.argv = {"sh", "-c", "exec \"$0\" --progress " + options + " 2>\"$1\"", TeeBinary(),
                     terminal_.name()},
            .environment = {{"TERM", "xterm"}},
            .input = Stdio::Pipe(),
            .output = Stdio::Pipe()};
  }
  [[nodiscard]] bool Shows(const std::string& text) {
    return terminal_.ShowsEventually(
        [&](const std::string& all) { return all.find(text) != std::string::npos; });
  }

  Terminal terminal_;
};

TEST_F(ProgressOnATerminal, IsDrawnInPlaceAndStaysAtTheEnd) {
  Process tee(TeeOnIt(""));
  ASSERT_TRUE(tee.Write("0123456789"));
  EXPECT_EQ(tee.Read(10), "0123456789");
  EXPECT_TRUE(Shows("\r\x1b[K10B  0:00:")) << terminal_.shown();
  EXPECT_EQ(terminal_.shown().find('\n'), std::string::npos) << terminal_.shown();
  tee.CloseInput();
  EXPECT_EQ(0, tee.Wait());
  EXPECT_TRUE(Shows("/s\r\n")) << terminal_.shown();
  EXPECT_TRUE(terminal_.shown().ends_with("/s\r\n")) << terminal_.shown();
}

TEST_F(ProgressOnATerminal, OtherLinesComeBeforeIt) {
  Process tee(TeeOnIt("-v --color never 'read line; cat > /dev/null'"));
  ASSERT_TRUE(tee.Write("0123456789"));
  EXPECT_TRUE(Shows("\r\x1b[K10B")) << terminal_.shown();
  ASSERT_TRUE(tee.Write("\n"));
  tee.CloseInput();
  EXPECT_EQ(0, tee.Wait());
  EXPECT_TRUE(Shows("has ended with status 0\r\n1")) << terminal_.shown();
  EXPECT_NE(terminal_.shown().find("\r\x1b[Kpipedup-tee: debug: "), std::string::npos)
      << terminal_.shown();
}

TEST_F(ProgressOnATerminal, IsNoLongerThanALine) {
  terminal_.SetSize(8, 10);
  Process tee(TeeOnIt(""));
  ASSERT_TRUE(tee.Write("0123456789"));
  EXPECT_TRUE(Shows("\r\x1b[K10B  0:\r\x1b[K10B  0:\r")) << terminal_.shown();
  tee.CloseInput();
  EXPECT_EQ(0, tee.Wait());
}

TEST_F(ProgressOnATerminal, ThatStandsStillHoldsNothingUp) {
  Process tee(TeeOnIt(""));
  ASSERT_TRUE(tee.Write("0123456789"));
  EXPECT_TRUE(Shows("\r\x1b[K10B")) << terminal_.shown();
  EXPECT_EQ(tee.Read(10), "0123456789");
  terminal_.Stop();
  // For longer than it takes to draw it some times.
  const auto until = Clock::now() + std::chrono::milliseconds(1200);
  while (Clock::now() < until) {
    ASSERT_TRUE(tee.Write("x"));
    ASSERT_EQ(tee.Read(1), "x");
  }
  tee.CloseInput();
  EXPECT_EQ(0, tee.Wait());
  terminal_.GoOn();
}

}  // namespace
}  // namespace pipedup::test
