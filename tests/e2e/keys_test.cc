// Publisher and subscribers with keys: what is encrypted, who is let in, and what keys leave
// behind.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>

#include "fault/proxy.h"
#include "os/build.h"
#include "support/content.h"
#include "support/programs.h"
#include "support/raw_peer.h"

namespace pipedup::test {
namespace {

/// "secret" for the key itself, which no test prints.
std::string KeyIn(const std::string& file) {
  const std::string text = ReadFile(file);
  const std::size_t line = text.find('\n') + 1;  // behind the comment
  return text.substr(std::min(line, text.size()), 40);
}

class KeysTest : public testing::Test {
 protected:
  KeysTest() {
    for (const char* name : {"publisher", "alice", "bob"}) MakeKey(name);
    Allow({"alice", "bob"});
  }
  void MakeKey(const std::string& name) {
    ASSERT_EQ(0, RunToEnd({.argv = {KeygenBinary(), "-o", File(name)}}).status);
  }
  std::string File(const std::string& name) const { return directory_ / name; }
  void Allow(const Words& names, const std::string& more = "") {
    std::string text = "# who may come in\n";
    for (const std::string& name : names) text += ReadFile(File(name + ".pub"));
    WriteFile(File("allowed"), text + more);
  }
  Publisher Publish(Words options = {}) {
    options.insert(options.end(), {"--curve-secret", File("publisher.secret"), "--allow-keys",
                                   File("allowed")});
    return Publisher(directory_, std::move(options));
  }
  Words KeysOf(const std::string& name, const Words& more = {}) const {
    Words options = {"--curve-secret", File(name + ".secret"), "--server-key",
                     File("publisher.pub")};
    options.insert(options.end(), more.begin(), more.end());
    return options;
  }
  /// Runs a subscriber that never gets in, and returns what it said at last.
  std::string TurnedAway(const Publisher& publisher, const Words& options) {
    Words all = {"--give-up", "1s"};
    all.insert(all.end(), options.begin(), options.end());
    Subscriber subscriber(directory_, publisher.endpoint(), all);
    EXPECT_EQ(4, subscriber.Wait()) << subscriber.log();
    EXPECT_EQ("", subscriber.delivered());
    EXPECT_FALSE(subscriber.said("begin"));
    const std::vector<Json> said = subscriber.events("unreachable");
    return said.empty() ? "" : said.back().at("message").get<std::string>();
  }

  const TempDir directory_;
};

TEST_F(KeysTest, AllBytesArriveWithKeysLateOrLive) {
  Publisher publisher = Publish({"--wait-subs", "1"});
  Subscriber live(directory_, publisher.endpoint(), KeysOf("alice"));
  std::string produced = MakeRecords(1, 5 * kMiB);
  ASSERT_TRUE(publisher.Write(produced));
  ASSERT_TRUE(live.WaitForBytes(produced.size()));
  Subscriber late(directory_, publisher.endpoint(), KeysOf("bob", {"--from", "start"}));
  const auto joined = publisher.WaitForEvent(
      "joined", [](const Json& event) { return event.at("key") == "bob"; });
  ASSERT_TRUE(joined) << publisher.log();
  EXPECT_NE(std::string::npos, joined->at("message").get<std::string>().find("(key 'bob')"));
  const std::string more = MakeRecords(2, 5 * kMiB);
  produced += more;
  ASSERT_TRUE(publisher.WriteAndEnd(more));
  for (Subscriber* subscriber : {&live, &late}) {
    ASSERT_EQ(0, subscriber->Wait()) << subscriber->log();
    EXPECT_EQ("", CheckEquation({.produced = produced}, subscriber->account()));
    EXPECT_EQ(produced.size(), subscriber->delivered().size());
  }
  EXPECT_EQ(0, publisher.Wait());
}

TEST_F(KeysTest, AllBytesArriveFromTheJournalItself) {
  if (IsPortable()) {
    GTEST_SKIP() << "the portable build cannot watch files";
  }
  ::setenv(kAttached, "1", 1);
  Publisher publisher = Publish({"--slow", "wait"});
  Subscriber subscriber(directory_, publisher.endpoint(), KeysOf("alice"));
  ::unsetenv(kAttached);
  ASSERT_TRUE(subscriber.WaitForEvent(
      "mode", [](const Json& event) { return event.at("message") == "mode: attached"; }));
  const std::string produced = MakeRecords(3, 10 * kMiB);
  ASSERT_TRUE(publisher.WriteAndEnd(produced));
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = produced}, subscriber.account()));
}

TEST_F(KeysTest, NothingOfTheStreamIsSeenOnTheWire) {
  for (const bool keys : {false, true}) {
    Publisher publisher = keys ? Publish({"--stream", "salaries"})
                               : Publisher(directory_, {"--stream", "salaries"});
    Proxy proxy(PortOf(publisher.endpoint()), 1);
    const Words start = {"--from", "start"};
    ASSERT_TRUE(publisher.Write("the secret line, sent again\n"));
    Subscriber subscriber(directory_, proxy.endpoint(), keys ? KeysOf("alice", start) : start);
    ASSERT_TRUE(subscriber.WaitUntilLive());
    ASSERT_TRUE(publisher.WriteAndEnd("the secret line, live\n"));
    ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
    EXPECT_EQ("the secret line, sent again\nthe secret line, live\n", subscriber.delivered());
    const std::string wire = proxy.recorded();
    EXPECT_GT(wire.size(), 500U);
    for (const char* part : {"secret line", "salaries", "PDU1", "welcome"}) {
      EXPECT_EQ(!keys, wire.find(part) != std::string::npos) << part;
    }
  }
}

TEST_F(KeysTest, WithoutTheRightKeysNobodyIsLetIn) {
  MakeKey("mallory");
  Publisher publisher = Publish();
  ASSERT_TRUE(publisher.Write("secret\n"));
  const std::string hint = "it may not know this subscriber's key";
  EXPECT_NE(std::string::npos, TurnedAway(publisher, KeysOf("mallory")).find(hint));
  EXPECT_TRUE(publisher.WaitForEvent("not-admitted", [this](const Json& event) {
    return event.at("public_key") == KeyIn(File("mallory.pub"));
  })) << publisher.log();
  const Words wrong_server = {"--curve-secret", File("alice.secret"), "--server-key",
                              File("mallory.pub")};
  EXPECT_NE(std::string::npos, TurnedAway(publisher, wrong_server).find(hint));
  EXPECT_EQ(std::string::npos, TurnedAway(publisher, {}).find("key"));
  EXPECT_FALSE(publisher.said("joined"));
}

TEST_F(KeysTest, OneWhoseKeyIsRemovedIsCutOffAndTheOtherGetsEveryByte) {
  Publisher publisher = Publish({"--slow", "wait", "--linger", "1h"});
  Subscriber alice(directory_, publisher.endpoint(), KeysOf("alice"));
  Subscriber bob(directory_, publisher.endpoint(), KeysOf("bob", {"--give-up", "1s"}));
  ASSERT_TRUE(alice.WaitUntilLive());
  ASSERT_TRUE(bob.WaitUntilLive());
  const std::string before = MakeRecords(4, kMiB);
  ASSERT_TRUE(publisher.Write(before));
  ASSERT_TRUE(bob.WaitForBytes(before.size()));

  Allow({"alice"});
  const auto asked = Clock::now();
  publisher.Signal(SIGHUP);
  const auto revoked = publisher.WaitForEvent("revoked");
  ASSERT_TRUE(revoked) << publisher.log();
  EXPECT_LT(Clock::now() - asked, std::chrono::seconds(2));
  EXPECT_EQ("bob", revoked->at("key"));
  const auto said = publisher.WaitForEvent("keys");
  ASSERT_TRUE(said);
  EXPECT_EQ(0, said->at("added"));
  EXPECT_EQ(1, said->at("removed"));

  const std::string after = MakeRecords(5, 20 * kMiB);  // more than anybody is waited for
  ASSERT_TRUE(publisher.WriteAndEnd(after));
  ASSERT_EQ(0, alice.Wait()) << alice.log();
  EXPECT_EQ("", CheckEquation({.produced = before + after}, alice.account()));
  EXPECT_EQ(0, publisher.Wait()) << "nobody else was waited for: " << publisher.log();
  EXPECT_EQ(4, bob.Wait()) << bob.log();
  const std::string got = bob.delivered();
  EXPECT_EQ(before.size(), got.size());
  EXPECT_EQ(before.size(), CommonPrefix(before, got));
}

TEST_F(KeysTest, AListThatIsBrokenChangesNothing) {
  Publisher publisher = Publish();
  Subscriber alice(directory_, publisher.endpoint(), KeysOf("alice"));
  ASSERT_TRUE(alice.WaitUntilLive());
  Allow({}, "bad line\n");
  publisher.Signal(SIGHUP);
  const auto said = publisher.WaitForEvent("keys");
  ASSERT_TRUE(said);
  EXPECT_EQ("error", said->at("level"));
  EXPECT_NE(std::string::npos, said->at("message").get<std::string>().find(
                                   File("allowed") + ": line 2: not a key"));
  Subscriber bob(directory_, publisher.endpoint(), KeysOf("bob"));
  ASSERT_TRUE(bob.WaitUntilLive()) << "the list before still counts";
  ASSERT_TRUE(publisher.WriteAndEnd("line\n"));
  EXPECT_EQ(0, alice.Wait()) << alice.log();
  EXPECT_EQ(0, bob.Wait());
  EXPECT_EQ("line\n", bob.delivered());
}

TEST_F(KeysTest, AListThatHasBecomeAPipeHoldsNobodyUp) {
  Publisher publisher = Publish();
  Subscriber alice(directory_, publisher.endpoint(), KeysOf("alice"));
  ASSERT_TRUE(alice.WaitUntilLive());
  ASSERT_EQ(0, ::unlink(File("allowed").c_str()));
  ASSERT_EQ(0, ::mkfifo(File("allowed").c_str(), 0600));
  publisher.Signal(SIGHUP);
  const auto said = publisher.WaitForEvent("keys");
  ASSERT_TRUE(said) << "it waits for the pipe's writer";
  EXPECT_NE(std::string::npos, said->at("message").get<std::string>().find(
                                   File("allowed") + ": not a regular file"));
  ASSERT_TRUE(publisher.WriteAndEnd("line\n"));
  EXPECT_EQ(0, alice.Wait()) << alice.log();
  EXPECT_EQ("line\n", alice.delivered());
}

TEST_F(KeysTest, AListIsReadToItsEndHoweverLongItIs) {
  std::string others;
  for (int i = 0; i < 50'000; ++i) {  // decimal digits are digits of Z85 too
    const std::string number = std::to_string(i);
    others += std::string(40 - number.size(), '0') + number + " other" + number + "\n";
  }
  Allow({"bob"}, others + ReadFile(File("alice.pub")));
  Publisher publisher = Publish();
  Subscriber alice(directory_, publisher.endpoint(), KeysOf("alice"));
  ASSERT_TRUE(alice.WaitUntilLive()) << publisher.log();
  publisher.Signal(SIGHUP);
  const auto said = publisher.WaitForEvent("keys");
  ASSERT_TRUE(said);
  EXPECT_EQ(50'002, said->at("keys")) << said->dump();
}

TEST_F(KeysTest, TheSignalIsNotForTheProducer) {
  Words options = {"--curve-secret", File("publisher.secret"), "--allow-keys", File("allowed")};
  Publisher publisher(directory_, {.options = options, .producer = {"cat"}});
  Subscriber alice(directory_, publisher.endpoint(), KeysOf("alice"));
  ASSERT_TRUE(alice.WaitUntilLive());
  publisher.Signal(SIGHUP);
  ASSERT_TRUE(publisher.WaitForEvent("keys"));
  ASSERT_TRUE(publisher.WriteAndEnd("line\n"));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
  EXPECT_EQ(0, alice.Wait());
  EXPECT_EQ("line\n", alice.delivered());
}

TEST_F(KeysTest, KeysInVariablesAreNeitherInArgumentsNorSeenByChildren) {
  const std::string secret = KeyIn(File("alice.secret"));
  const std::string server = KeyIn(File("publisher.secret"));
  ASSERT_EQ(40U, secret.size());
  Command command{.argv = {PublisherBinary(), "-v", "--log-format", "json", "--bind",
                           "127.0.0.1:0", "--wait-subs", "1", "--allow-keys", File("allowed"),
                           "--", "sh", "-c", "env; echo ready"},
                  .environment = {{"XDG_RUNTIME_DIR", directory_.path()},
                                  {"PIPEDUP_CURVE_SECRET_KEY", server},
                                  {"PIPEDUP_SERVER_PUBLIC_KEY", "not looked at"}}};
  Program publisher(command);
  const auto listening = publisher.WaitForEvent("listening");
  ASSERT_TRUE(listening) << publisher.log();
  Command reads{.argv = {SubscriberBinary(), "--from", "start", "--no-attach",
                         listening->at("endpoint"), "--", "sh", "-c", "env; cat"},
                .environment = {{"PIPEDUP_CURVE_SECRET_KEY", secret},
                                {"PIPEDUP_SERVER_PUBLIC_KEY", KeyIn(File("publisher.pub"))}},
                .output = Stdio::Pipe()};
  Process subscriber(reads);
  const std::string seen = subscriber.ReadAll();
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_NE(std::string::npos, seen.find("ready")) << seen.size();
  EXPECT_NE(std::string::npos, seen.find("PATH="));
  for (const std::string& hidden : {secret, server, std::string("PIPEDUP_")}) {
    EXPECT_EQ(std::string::npos, seen.find(hidden));
  }
}

TEST_F(KeysTest, KeysAreInNoRunningProgramsArgumentsOrEnvironment) {
  Command command{
      .argv = {PublisherBinary(), "-v", "--log-format", "json", "--bind", "127.0.0.1:0",
               "--allow-keys", File("allowed")},
      .environment = {{"XDG_RUNTIME_DIR", directory_.path()},
                      {"PIPEDUP_CURVE_SECRET_KEY", KeyIn(File("publisher.secret"))}},
      .input = Stdio::Pipe()};
  Program publisher(command);
  const auto listening = publisher.WaitForEvent("listening");
  ASSERT_TRUE(listening) << publisher.log();
  Subscriber alice(directory_, listening->at("endpoint"), KeysOf("alice"));
  ASSERT_TRUE(alice.WaitUntilLive());
  for (const Program* program : {&publisher, static_cast<Program*>(&alice)}) {
    for (const char* file : {"/cmdline", "/environ"}) {
      std::ifstream in("/proc/" + std::to_string(program->pid()) + file);
      const std::string text(std::istreambuf_iterator<char>(in), {});
      EXPECT_FALSE(text.empty());
      EXPECT_EQ(std::string::npos, text.find(KeyIn(File("publisher.secret"))));
      EXPECT_EQ(std::string::npos, text.find(KeyIn(File("alice.secret"))));
    }
  }
}

// ---- what cannot be, in one line ----

class KeysInput : public KeysTest {
 protected:
  void ExpectOneError(int status, const Words& argv, const std::string& text,
                      const std::map<std::string, std::string>& environment = {}) {
    const Outcome outcome = RunToEnd({.argv = argv, .environment = environment});
    EXPECT_EQ(status, outcome.status) << text;
    ASSERT_EQ(1U, outcome.errors.size()) << text;
    EXPECT_NE(std::string::npos, outcome.errors[0].find(text)) << outcome.errors[0];
    for (const char* name : {"publisher.secret", "alice.secret"}) {
      const std::string key = KeyIn(File(name));
      EXPECT_TRUE(key.empty() || outcome.errors[0].find(key) == std::string::npos) << text;
    }
  }
  Words Pub(const Words& options) const {
    Words argv = {PublisherBinary(), "--bind", "127.0.0.1:0"};
    argv.insert(argv.end(), options.begin(), options.end());
    return argv;
  }
  Words Sub(const Words& options) const {
    Words argv = {SubscriberBinary(), "--give-up", "1s"};
    argv.insert(argv.end(), options.begin(), options.end());
    return argv;
  }
};

TEST_F(KeysInput, TwoOptionsNeedEachOther) {
  ExpectOneError(2, Pub({"--curve-secret", File("publisher.secret")}), "without --allow-keys");
  ExpectOneError(2, Pub({"--allow-keys", File("allowed")}), "--curve-secret FILE");
  ExpectOneError(2, Sub({"--curve-secret", File("alice.secret")}), "--server-key FILE");
  ExpectOneError(2, Sub({"--server-key", File("publisher.pub")}), "--curve-secret FILE");
  ExpectOneError(2, Pub({}), "PIPEDUP_CURVE_SECRET_KEY: without --allow-keys",
                 {{"PIPEDUP_CURVE_SECRET_KEY", KeyIn(File("alice.secret"))}});
  ExpectOneError(2, Sub(KeysOf("alice")), "cannot be given together",
                 {{"PIPEDUP_SERVER_PUBLIC_KEY", KeyIn(File("publisher.pub"))}});
}

TEST_F(KeysInput, AKeyOnACommandLineIsRefusedAndNotRepeated) {
  const std::string text = "--curve-secret: this is a key and not the name of a file";
  const std::string key = KeyIn(File("alice.secret"));
  ExpectOneError(2, Sub({"--curve-secret", key, "--server-key", File("publisher.pub")}), text);
  ExpectOneError(2, Pub({"--curve-secret", key, "--allow-keys", File("allowed")}), text);
}

TEST_F(KeysInput, ASecretThatOthersCanReadIsRefusedWithTheCommandThatMendsIt) {
  const std::string file = File("alice.secret");
  ASSERT_EQ(0, ::chmod(file.c_str(), 0644));
  const std::string mend = "chmod 600 '" + file + "'";
  ExpectOneError(1, Sub(KeysOf("alice")), mend);
  ASSERT_EQ(0, std::system(mend.c_str()));
  ExpectOneError(4, Sub(KeysOf("alice", {"ipc://" + File("nobody")})), "not reached");
}

TEST_F(KeysInput, OneKindOfKeyIsNotTakenForTheOther) {
  ASSERT_EQ(0, ::chmod(File("publisher.pub").c_str(), 0600));
  ExpectOneError(
      1, Sub({"--curve-secret", File("publisher.pub"), "--server-key", File("publisher.pub")}),
      File("publisher.pub") + ": line 2: a key with a name is a public one");
  ExpectOneError(
      1,
      Sub({"--curve-secret", File("alice.secret"), "--server-key", File("publisher.secret")}),
      File("publisher.secret") + ": line 2: a key without a name is a secret one");
  ExpectOneError(
      1,
      Pub({"--curve-secret", File("publisher.secret"), "--allow-keys", File("alice.secret")}),
      File("alice.secret") + ": line 2: a public key is followed by its name");
}

TEST_F(KeysInput, AListThatIsBrokenStopsThePublisherBeforeItBinds) {
  Allow({"alice", "alice"});
  ExpectOneError(
      1, Pub({"--curve-secret", File("publisher.secret"), "--allow-keys", File("allowed")}),
      "--allow-keys: " + File("allowed") + ": line 5: the key is in line 3 already");
}

TEST_F(KeysInput, AListThatIsNoFileIsRefusedAndWaitedForByNobody) {
  ASSERT_EQ(0, ::mkfifo(File("pipe").c_str(), 0600));
  for (const std::string& list : {File("pipe"), directory_.path(), std::string("/dev/zero")}) {
    ExpectOneError(1, Pub({"--curve-secret", File("publisher.secret"), "--allow-keys", list}),
                   "--allow-keys: " + list + ": not a regular file");
  }
}

TEST_F(KeysInput, ANameOfAKeyIsShownAsItCannotHurt) {
  Allow({}, KeyIn(File("alice.pub")) + " \x1b[31mred\n");
  ExpectOneError(
      1, Pub({"--curve-secret", File("publisher.secret"), "--allow-keys", File("allowed")}),
      "line 2: '\\x1b[31mred' is not a name of a key");
}

TEST_F(KeysInput, AKeyIsNeverOverwritten) {
  const std::string before = ReadFile(File("alice.secret"));
  ExpectOneError(1, {KeygenBinary(), "-o", File("alice")}, "no key is ever overwritten");
  ASSERT_EQ(0, ::unlink(File("alice.secret").c_str()));
  ExpectOneError(1, {KeygenBinary(), "-o", File("alice")}, "alice.pub': File exists");
  EXPECT_EQ("", ReadFile(File("alice.secret"))) << "no half of a pair is left";
  ExpectOneError(2, {KeygenBinary(), "-o", directory_.path() + "/"}, "--output");
  EXPECT_FALSE(before.empty());
}

TEST_F(KeysInput, AKeyPairIsForItsUserAndForEverybody) {
  const Outcome made = RunToEnd({.argv = {KeygenBinary(), "-o", File("my key")}});
  ASSERT_EQ(0, made.status);
  for (const char* part : {"my key.secret", "my key.pub", "--allow-keys", "--server-key"}) {
    EXPECT_NE(std::string::npos, made.out.find(part)) << made.out;
  }
  EXPECT_EQ(std::string::npos, made.out.find(KeyIn(File("my key.secret"))));
  struct stat info {};
  ASSERT_EQ(0, ::stat(File("my key.secret").c_str(), &info));
  EXPECT_EQ(0600U, info.st_mode & 0777U);
  ASSERT_EQ(0, ::stat(File("my key.pub").c_str(), &info));
  EXPECT_EQ(0644U, info.st_mode & 0777U);
  EXPECT_NE(std::string::npos, ReadFile(File("my key.pub")).find(" my-key\n"));
}

TEST_F(KeysInput, BeyondThisMachineItBindsWithKeysWithoutAWarning) {
  Publisher publisher = Publish({"--bind", "*:0"});
  Subscriber alice(directory_, "127.0.0.1:" + std::to_string(PortOf(publisher.endpoint())),
                   KeysOf("alice"));
  ASSERT_TRUE(alice.WaitUntilLive());
  ASSERT_TRUE(publisher.WriteAndEnd("line\n"));
  EXPECT_EQ(0, alice.Wait());
  EXPECT_EQ(0, publisher.Wait());
  EXPECT_FALSE(publisher.said("insecure")) << publisher.log();
}

}  // namespace
}  // namespace pipedup::test
