// pipedup-top where it prints: --once, --json and --check, with real publishers and relays.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>

#include "support/content.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

class TopTest : public testing::Test {
 protected:
  static Outcome Top(Words options) {
    const Words words = {TopBinary(), "--interval", "100ms"};
    options.insert(options.begin(), words.begin(), words.end());
    return RunToEnd({.argv = std::move(options), .output = Stdio::Pipe()});
  }
  /// Of endpoints that answer, however loaded this machine is.
  static Outcome TopOf(Words options) {
    options.insert(options.end(), {"--timeout", "40s"});
    return Top(std::move(options));
  }
  static Json JsonOf(const Words& options) {
    Words all = {"--once", "--json"};
    all.insert(all.end(), options.begin(), options.end());
    const Outcome outcome = TopOf(all);
    EXPECT_EQ(0, outcome.status) << outcome.out;
    return Json::parse(outcome.out, nullptr, false);
  }
  static Outcome Check(Words options) {
    options.emplace_back("--check");
    return TopOf(std::move(options));
  }

  const TempDir directory_;
};

TEST_F(TopTest, ShowsStreamsAndSubscribersOnce) {
  Publisher publisher(directory_, {"--stream", "web1"});
  Subscriber subscriber(directory_, publisher.endpoint(), {"--name", "errors only"});
  ASSERT_TRUE(subscriber.WaitUntilLive());
  const Outcome outcome = TopOf({"--once", publisher.endpoint()});
  EXPECT_EQ(0, outcome.status);
  EXPECT_TRUE(outcome.errors.empty()) << outcome.errors.front();
  EXPECT_NE(outcome.out.find("web1"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("errors only"), std::string::npos) << outcome.out;
  EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos) << "no terminal, no colors";
  EXPECT_EQ(TopOf({publisher.endpoint()}).status, 0) << "without a terminal it is once";
}

TEST_F(TopTest, TheSlowestComesFirstAndHasItsLag) {
  Publisher publisher(directory_);
  Subscriber quick(directory_, publisher.endpoint(), {"--name", "quick"});
  Subscriber slow(publisher.endpoint(), {"--name", "slow"}, Stdio::Pipe());
  ASSERT_TRUE(quick.WaitUntilLive());
  ASSERT_TRUE(slow.WaitUntilLive());
  slow.Signal(SIGSTOP);
  const std::string bytes = MakeRecords(1, 4 * kMiB);
  ASSERT_TRUE(publisher.Write(bytes));
  Json top;
  EXPECT_TRUE(Eventually([&] {
    top = JsonOf({publisher.endpoint()});
    const Json& rows = top.at("endpoints").at(0).at("streams").at(0).at("subscribers");
    return rows.size() == 2 && rows[1].at("lag_bytes") == 0;
  }));
  const Json& stream = top.at("endpoints").at(0).at("streams").at(0);
  const Json& first = stream.at("subscribers").at(0);
  EXPECT_EQ(stream.at("head"), bytes.size());
  EXPECT_EQ(first.at("name"), "slow");
  EXPECT_GT(first.at("lag_bytes"), 0);
  EXPECT_EQ(first.at("lag_bytes"), stream.at("lag_bytes"));
  EXPECT_EQ(stream.at("subscribers").at(1).at("name"), "quick");
  slow.Signal(SIGCONT);
}

TEST_F(TopTest, JsonIsALineEachIntervalUntilSomebodyEndsIt) {
  Publisher publisher(directory_, {"--stream", "web1"});
  Process top({.argv = {TopBinary(), "--json", "--interval", "100ms", "--timeout", "40s",
                        publisher.endpoint()},
               .output = Stdio::Pipe()});
  std::string text;
  for (int lines = 0; lines < 3;) {
    const std::string byte = top.Read(1);
    ASSERT_EQ(byte.size(), 1U) << text;
    text += byte;
    if (byte != "\n") continue;
    ++lines;
    const Json line = Json::parse(text, nullptr, false);
    ASSERT_TRUE(line.is_object()) << text;
    EXPECT_EQ(line.at("endpoints").at(0).at("streams").at(0).at("stream"), "web1");
    text.clear();
  }
  top.Signal(SIGTERM);
  EXPECT_EQ(128 + SIGTERM, top.Wait());
}

TEST_F(TopTest, AReaderThatTakesNothingDoesNotKeepASignalWaiting) {
  Publisher publisher(directory_);
  Process top({.argv = {TopBinary(), "--json", "--interval", "100ms", publisher.endpoint()},
               .output = Stdio::Pipe()});
  EXPECT_FALSE(top.Read(1).empty());
  top.Signal(SIGINT);
  EXPECT_EQ(128 + SIGINT, top.Wait());
}

TEST_F(TopTest, AReaderThatLeavesEndsIt) {
  Publisher publisher(directory_);
  Process top({.argv = {TopBinary(), "--json", "--interval", "100ms", publisher.endpoint()},
               .output = Stdio::Pipe()});
  EXPECT_FALSE(top.Read(1).empty());
  top.TakeOutput().Reset();
  EXPECT_EQ(141, top.Wait());
}

TEST_F(TopTest, AnEndpointThatIsAwayIsShownAsAwayBesideTheOthers) {
  Publisher publisher(directory_, {"--stream", "web1"});
  const std::string away = "tcp://127.0.0.1:" + std::to_string(FreePortPair());
  const Outcome outcome =
      Top({"--once", "--timeout", "5s", publisher.endpoint(), away, "--log-format", "json"});
  EXPECT_EQ(4, outcome.status) << outcome.out;
  EXPECT_NE(outcome.out.find("web1"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("away"), std::string::npos) << outcome.out;
  ASSERT_EQ(outcome.errors.size(), 1U);
  const Json error = Json::parse(outcome.errors[0], nullptr, false);
  EXPECT_EQ(error.at("event"), "unreachable");
  EXPECT_NE(error.at("message").get<std::string>().find(away), std::string::npos) << error;
}

TEST_F(TopTest, AStreamThatIsNotThereIsStatusFive) {
  Publisher publisher(directory_, {"--stream", "web1"});
  EXPECT_EQ(5, TopOf({"--once", "--stream", "web2", publisher.endpoint()}).status);
  EXPECT_EQ(0, TopOf({"--once", "--stream", "web*", publisher.endpoint()}).status);
  EXPECT_EQ(0, TopOf({"--once", "--stream", "x*", publisher.endpoint()}).status)
      << "none need match a pattern";
}

TEST_F(TopTest, NamesOfSubscribersCannotSteerATerminal) {
  Publisher publisher(directory_);
  Subscriber subscriber(directory_, publisher.endpoint(),
                        {"--name", "\x1b[2J\x1b]0;x\x07\xc2\x9b\xe2\x80\xae \xff"});
  ASSERT_TRUE(subscriber.WaitUntilLive());
  for (const char* locale : {"C", "C.UTF-8"}) {
    const Outcome outcome =
        RunToEnd({.argv = {TopBinary(), "--once", "-i", "100ms", "--timeout", "40s", "--color",
                           "never", publisher.endpoint()},
                  .environment = {{"LC_ALL", locale}},
                  .output = Stdio::Pipe()});
    EXPECT_EQ(0, outcome.status);
    EXPECT_NE(outcome.out.find("\\x1b[2J"), std::string::npos) << outcome.out;
    for (const char c : outcome.out) {
      EXPECT_TRUE(c == '\n' || c >= 0x20 || (c & 0x80) != 0) << outcome.out;
    }
    EXPECT_EQ(outcome.out.find("\xc2\x9b"), std::string::npos);
    EXPECT_EQ(outcome.out.find("\xe2\x80\xae"), std::string::npos);
  }
}

TEST_F(TopTest, AllStreamsOfARelayAreShown) {
  Publisher first(directory_, {"--stream", "web1"});
  Publisher second(directory_, {"--stream", "web2"});
  Relay relay(directory_, first.endpoint(), {"--from", second.endpoint()});
  EXPECT_TRUE(Eventually([&] {
    const Json streams = JsonOf({relay.endpoint()}).at("endpoints").at(0).at("streams");
    return streams.size() == 2 && streams[0].at("stream") == "web1" &&
           streams[1].at("stream") == "web2";
  })) << relay.log();
  const Json rows =
      JsonOf({first.endpoint()}).at("endpoints").at(0).at("streams").at(0).at("subscribers");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].at("role"), "relay");
}

TEST_F(TopTest, SaysForWhomTheProducerWaits) {
  Publisher publisher(directory_, {"--slow", "wait", "--retain", "1MiB"});
  Subscriber subscriber(publisher.endpoint(), {"--name", "slow"}, Stdio::Pipe());
  ASSERT_TRUE(subscriber.WaitUntilLive());
  const std::string bytes = MakeRecords(2, 64 * kMiB);
  EXPECT_FALSE(publisher.Write(bytes, std::chrono::seconds(1)));  // its reader reads nothing
  EXPECT_TRUE(Eventually([&] {
    const Json stream =
        JsonOf({publisher.endpoint()}).at("endpoints").at(0).at("streams").at(0);
    return stream.at("subscribers").at(0).at("holds") == true;
  }));
}

// ---- --check ----

TEST_F(TopTest, CheckIsQuietWhenAllIsWell) {
  Publisher publisher(directory_);
  const std::string socket = "ipc://" + directory_ / "s";
  Publisher other(directory_, {"--bind", socket});
  const Outcome outcome = Check({publisher.endpoint(), socket});
  EXPECT_EQ(0, outcome.status);
  EXPECT_EQ("", outcome.out);
  EXPECT_TRUE(outcome.errors.empty()) << outcome.errors.front();
}

TEST_F(TopTest, CheckSaysInOneLineWhatIsWrong) {
  Publisher publisher(directory_, {"--stream", "web1"});
  const std::string away = "tcp://127.0.0.1:" + std::to_string(FreePortPair());
  Outcome outcome = Top({"--check", "--timeout", "300ms", away});
  EXPECT_EQ(1, outcome.status);
  EXPECT_EQ("", outcome.out);
  ASSERT_EQ(outcome.errors.size(), 1U);
  EXPECT_TRUE(outcome.errors[0].starts_with("pipedup-top: error: " + away +
                                            ": no answer within 300ms: "))
      << outcome.errors[0];

  outcome = Check({"--stream", "web2", publisher.endpoint()});
  EXPECT_EQ(1, outcome.status);
  EXPECT_EQ(outcome.errors,
            Words{"pipedup-top: error: " + publisher.endpoint() + ": no stream 'web2'"});

  outcome = Check({"--min-subs", "1", publisher.endpoint()});
  EXPECT_EQ(1, outcome.status);
  EXPECT_EQ(outcome.errors, Words{"pipedup-top: error: " + publisher.endpoint() +
                                  ": stream 'web1': 0 subscribers, fewer than --min-subs 1"});
}

TEST_F(TopTest, CheckKeepsToItsBounds) {
  Publisher publisher(directory_);
  Subscriber slow(publisher.endpoint(), {"--name", "slow"}, Stdio::Pipe());
  ASSERT_TRUE(slow.WaitUntilLive());
  slow.Signal(SIGSTOP);
  ASSERT_TRUE(publisher.Write(MakeRecords(3, 2 * kMiB)));
  EXPECT_TRUE(Eventually([&] {
    return Check({"--max-lag", "1MiB", publisher.endpoint()}).status == 1;
  }));
  EXPECT_EQ(0, Check({"--max-lag", "1GiB", "--max-lag-time", "1h", "--max-lost", "0",
                      "--min-subs", "1", publisher.endpoint()})
                   .status);
  slow.Signal(SIGCONT);
}

TEST_F(TopTest, CheckOfAStoppedPublisherFailsInTime) {
  Publisher publisher(directory_);
  publisher.Signal(SIGSTOP);
  EXPECT_EQ(1, Top({"--check", "--timeout", "300ms", publisher.endpoint()}).status);
  publisher.Signal(SIGCONT);
}

TEST_F(TopTest, CheckWorksWithKeysAndFailsWithoutThem) {
  for (const char* name : {"publisher", "ops", "other"}) {
    ASSERT_EQ(0, RunToEnd({.argv = {KeygenBinary(), "-o", directory_ / name}}).status);
  }
  Publisher publisher(directory_, {"--curve-secret", directory_ / "publisher.secret",
                                   "--allow-keys", directory_ / "ops.pub"});
  const Words keys = {"--server-key", directory_ / "publisher.pub", "--curve-secret",
                      directory_ / "ops.secret"};
  Words with = keys;
  with.push_back(publisher.endpoint());
  const Outcome well = Check(with);
  EXPECT_EQ(0, well.status) << (well.errors.empty() ? "" : well.errors.front());

  const Outcome without = Top({"--check", "--timeout", "500ms", publisher.endpoint()});
  EXPECT_EQ(1, without.status);
  ASSERT_EQ(without.errors.size(), 1U);
  EXPECT_NE(without.errors[0].find("--server-key"), std::string::npos) << without.errors[0];

  const Outcome unknown =
      Top({"--check", "--timeout", "500ms", "--server-key", directory_ / "publisher.pub",
           "--curve-secret", directory_ / "other.secret", publisher.endpoint()});
  EXPECT_EQ(1, unknown.status);
  ASSERT_EQ(unknown.errors.size(), 1U);
  EXPECT_NE(unknown.errors[0].find("may not know this key"), std::string::npos)
      << unknown.errors[0];
}

TEST_F(TopTest, WhatMakesNoSenseTogetherIsRefused) {
  for (const Words& options : std::vector<Words>{{"--check", "--json"},
                                                 {"--check", "--once"},
                                                 {"--max-lag", "1MiB"},
                                                 {"--min-subs", "1"},
                                                 {"127.0.0.1:0"},
                                                 {"--interval", "1ms"},
                                                 {"--server-key", "x"},
                                                 {"--", "cat"}}) {
    const Outcome outcome = RunToEnd({.argv = [&] {
      Words argv = {TopBinary()};
      argv.insert(argv.end(), options.begin(), options.end());
      return argv;
    }()});
    EXPECT_EQ(2, outcome.status) << options.front();
    EXPECT_EQ(1U, outcome.errors.size()) << options.front();
  }
}

}  // namespace
}  // namespace pipedup::test
