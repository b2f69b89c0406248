// What cannot work is said in one line on stderr, with its cause, and never on stdout.
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "support/content.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

/// One line "pipedup-xxx: error: ..." that has every one of `words`, and nothing on stdout.
void ExpectOneError(int status, const Command& command, const Words& words = {}) {
  const Outcome outcome = RunToEnd(command);
  std::string shown;
  for (const std::string& word : command.argv) shown += word + " ";
  SCOPED_TRACE(shown);
  EXPECT_EQ(status, outcome.status);
  EXPECT_EQ("", outcome.out);
  std::string all;
  for (const std::string& line : outcome.errors) all += line + "\n";
  ASSERT_EQ(1u, outcome.errors.size()) << all;
  const std::string name = command.argv[0].substr(command.argv[0].rfind('/') + 1);
  EXPECT_TRUE(all.starts_with(name + ": error: ")) << all;
  for (const std::string& word : words) EXPECT_NE(std::string::npos, all.find(word)) << all;
}

Command Pub(const Words& options, const TempDir& directory) {
  Command command{.argv = {PublisherBinary()},
                  .environment = {{"XDG_RUNTIME_DIR", directory.path()}}};
  command.argv.insert(command.argv.end(), options.begin(), options.end());
  return command;
}

Command Sub(const Words& options) {
  Command command{.argv = {SubscriberBinary()}};
  command.argv.insert(command.argv.end(), options.begin(), options.end());
  return command;
}

TEST(BadInput, UsageErrorsAreStatusTwoAndQuoteWhatWasGiven) {
  const TempDir directory;
  const std::vector<std::pair<Words, Words>> publisher_lines = {
      {{"--no-such-option"}, {"--no-such-option"}},
      {{"--exec", ""}, {"--exec"}},
      {{"--exec", "ls", "--", "ls"}, {"--exec", "only one"}},
      {{"--fsync", "often"}, {"--fsync", "often"}},
      {{"--fsync", "always"}, {"--fsync", "--journal"}},
      {{"--retain", "12Q"}, {"--retain", "12Q"}},
      {{"--retain", "1KiB"}, {"--retain", "1KiB"}},
      {{"--retain", "2000TiB"}, {"--retain"}},
      {{"--max-delay", "2d"}, {"--max-delay"}},
      {{"--linger", "-1s"}, {"--linger"}},
      {{"--records", "words"}, {"--records", "words", "lines"}},
      {{"--slow", "maybe"}, {"--slow", "maybe"}},
      {{"--compress", "gzip"}, {"--compress", "gzip", "zstd"}},
      {{"--compress", "zstd:0"}, {"--compress", "zstd:0", "1 to 19"}},
      {{"--compress", "zstd:20"}, {"--compress", "zstd:20", "1 to 19"}},
      {{"--compress", "zstd:-1"}, {"--compress", "zstd:-1"}},
      {{"--compress", "zstd:"}, {"--compress", "zstd:"}},
      {{"--compress", "zstd:3x"}, {"--compress", "zstd:3x"}},
      {{"--compress", "zstd:99999999999"}, {"--compress"}},
      {{"--stream", "a b"}, {"--stream", "a b"}},
      {{"--max-subs", "0"}, {"--max-subs"}},
      {{"--wait-subs", "x"}, {"--wait-subs", "x"}},
      {{"--wait-subs", "5", "--max-subs", "4"}, {"--wait-subs", "--max-subs"}},
      {{"--bind", "tcp://127.0.0.1:65535"}, {"--bind", "65535"}},
      {{"--bind", "tcp://127.0.0.1:99999"}, {"--bind", "99999"}},
      {{"--bind", "udp://127.0.0.1:5590"}, {"--bind", "udp"}},
      {{"--bind", "ipc://relative/path"}, {"--bind", "relative/path"}},
      {{"--bind", "ipc:///" + std::string(200, 'p')}, {"--bind"}},
      {{"unexpected"}, {"unexpected"}},
      {{"--log-format", "xml"}, {"xml"}},
  };
  for (const auto& [options, words] : publisher_lines) {
    ExpectOneError(2, Pub(options, directory), words);
  }
  const std::vector<std::pair<Words, Words>> subscriber_lines = {
      {{"--no-such-option"}, {"--no-such-option"}},
      {{"host:port"}, {"host:port"}},
      {{"host:0x10"}, {"host:0x10"}},
      {{"[::1:5590"}, {"[::1:5590"}},
      {{"one", "two", "one"}, {"one", "twice"}},
      {{"--from", "yesterday"}, {"--from", "yesterday"}},
      {{"--from", "start", "--last", "3"}, {"--from", "--last"}},
      {{"--last", "-3"}, {"--last"}},
      {{"--count", "0"}, {"--count"}},
      {{"--timeout", "soon"}, {"--timeout", "soon"}},
      {{"--dead-after", "1ms"}, {"--dead-after"}},
      {{"--name", ""}, {"--name"}},
      {{"--"}, {"command"}},
      {{"--exec", ""}, {"--exec"}},
      {{"--exec", "cat", "--", "cat"}, {"--exec"}},
      {{"--restart", "always"}, {"--restart", "consumer"}},
      {{"--restart", "sometimes", "--exec", "cat"}, {"--restart", "sometimes"}},
  };
  for (const auto& [options, words] : subscriber_lines) ExpectOneError(2, Sub(options), words);
}

TEST(BadInput, ABindBeyondThisMachineIsRefusedWithBothWaysOut) {
  const TempDir directory;
  for (const char* endpoint : {"*:0", "tcp://0.0.0.0:0", "[::]:0"}) {
    ExpectOneError(2, Pub({"--bind", endpoint}, directory),
                   {"--insecure", "pipedup-keygen", "--curve-secret", "--allow-keys"});
  }
}

TEST(BadInput, AnInsecureBindIsAllowedAndWarnedOf) {
  const TempDir directory;
  Publisher publisher(directory, {"--bind", "*:0", "--insecure", "--wait-subs", "1"});
  ASSERT_TRUE(publisher.WaitForEvent("insecure"));
  Subscriber subscriber(directory, "tcp://127.0.0.1" + publisher.endpoint().substr(
                                                           publisher.endpoint().rfind(':')));
  ASSERT_TRUE(publisher.WriteAndEnd("line\n"));
  EXPECT_EQ(0, subscriber.Wait());
  EXPECT_EQ("line\n", subscriber.delivered());
}

TEST(BadInput, AnUnknownStreamIsRefusedAndTheOneThereIsIsNamed) {
  const TempDir directory;
  Publisher publisher(directory, {"--stream", "present"});
  ExpectOneError(5, Sub({"--stream", "absent", publisher.endpoint()}), {"absent", "present"});
}

TEST(BadInput, ATakenPortIsAFailureThatNamesIt) {
  const TempDir directory;
  const Publisher publisher(directory);
  ExpectOneError(1, Pub({"--bind", publisher.endpoint()}, directory),
                 {publisher.endpoint(), "in use"});
  const std::string control = publisher.endpoint().substr(publisher.endpoint().rfind(':') + 1);
  const std::string next = "tcp://127.0.0.1:" + std::to_string(std::stoi(control) + 1);
  ExpectOneError(1, Pub({"--bind", next}, directory), {next, "in use"});
}

TEST(BadInput, AnIpcPathInUseIsNotStolen) {
  const TempDir directory;
  const std::string endpoint = "ipc://" + directory / "s";
  Publisher publisher(directory, {"--bind", endpoint, "--wait-subs", "1"});
  ExpectOneError(1, Pub({"--bind", endpoint}, directory), {directory / "s"});
  Subscriber subscriber(directory, endpoint);
  ASSERT_TRUE(publisher.WriteAndEnd("line\n"));
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("line\n", subscriber.delivered());
  EXPECT_EQ(0, publisher.Wait());
  EXPECT_NE(0, ::access((directory / "s").c_str(), F_OK)) << "a clean end leaves no socket";
}

TEST(BadInput, AnIpcPathThatCannotBeMadeIsAFailureThatNamesIt) {
  const TempDir directory;
  WriteFile(directory / "file", "");
  // Not even root may make a file in /sys.
  const std::string unwritable = "/sys/s";
  for (const std::string& path :
       {directory / "no/such/dir/s", directory / "file/s", unwritable}) {
    ExpectOneError(1, Pub({"--bind", "ipc://" + path}, directory), {path});
  }
}

TEST(BadInput, AClosedDescriptorIsAFailure) {
  const TempDir directory;
  Publisher publisher(directory);
  Command closed_output = Sub({publisher.endpoint()});
  closed_output.output = Stdio::Closed();
  ExpectOneError(1, closed_output, {"output"});
  Command closed_input = Pub({"--bind", "127.0.0.1:0"}, directory);
  closed_input.input = Stdio::Closed();
  ExpectOneError(1, closed_input, {"stdin"});
  Command closed_tee = Pub({"--bind", "127.0.0.1:0", "--tee"}, directory);
  closed_tee.output = Stdio::Closed();
  ExpectOneError(1, closed_tee, {"stdout"});
}

TEST(BadInput, AClosedInputDoesNotMatterToASubscriber) {
  const TempDir directory;
  Publisher publisher(directory, {"--wait-subs", "1"});
  Command command = Sub({publisher.endpoint()});
  command.input = Stdio::Closed();
  command.output = Stdio::Pipe();
  Process subscriber(command);
  ASSERT_TRUE(publisher.WriteAndEnd("line\n"));
  EXPECT_EQ("line\n", subscriber.ReadAll());
  EXPECT_EQ(0, subscriber.Wait());
}

TEST(BadInput, AFullDiskBehindStdoutIsAFailure) {
  const TempDir directory;
  Publisher publisher(directory, {"--wait-subs", "1"});
  Command command = Sub({publisher.endpoint()});
  command.output = Stdio::File("/dev/full");
  Process subscriber(command);
  ASSERT_TRUE(publisher.Write("line\n"));
  EXPECT_EQ(1, subscriber.Wait());
  ASSERT_EQ(1u, subscriber.lines().size()) << subscriber.log();
  EXPECT_NE(std::string::npos, subscriber.log().find("No space left")) << subscriber.log();
}

TEST(BadInput, ADirectoryAsStdinIsAFailureAndNotAnEnd) {
  const TempDir directory;
  Publisher publisher(
      directory, {.options = {"--wait-subs", "1"}, .input = Stdio::File(directory.path())});
  Subscriber subscriber(directory, publisher.endpoint(), {"--give-up", "1s"});
  EXPECT_EQ(1, publisher.Wait()) << publisher.log();
  EXPECT_EQ(4, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ(1u, publisher.events("input").size()) << publisher.log();
}

TEST(BadInput, ConfigFilesAreReadOrRefusedByName) {
  const TempDir directory;
  WriteFile(directory / "unknown.toml", "no_such_key = 1\n");
  WriteFile(directory / "range.toml", "retain = \"1KiB\"\n");
  WriteFile(directory / "broken.toml", "retain = = \n");
  const Words bind = {"--bind", "127.0.0.1:0"};
  for (const auto& [file, word] :
       std::vector<std::pair<std::string, std::string>>{{"missing.toml", "No such file"},
                                                        {"unknown.toml", "no_such_key"},
                                                        {"range.toml", "retain"},
                                                        {"broken.toml", ""}}) {
    Words options = bind;
    options.insert(options.end(), {"--config", directory / file});
    ExpectOneError(2, Pub(options, directory), {file, word});
  }
  ExpectOneError(2, Pub({"--config", directory.path()}, directory), {directory.path()});
}

TEST(BadInput, AVariableOutOfRangeIsNamed) {
  const TempDir directory;
  Command command = Pub({"--bind", "127.0.0.1:0"}, directory);
  command.environment["PIPEDUP_RETAIN"] = "lots";
  ExpectOneError(2, command, {"PIPEDUP_RETAIN", "lots"});
}

TEST(BadInput, AHostThatDoesNotExistIsNotReachedOrRefusedInOneLine) {
  const Outcome outcome = RunToEnd(Sub({"no-such-host.invalid", "--give-up", "500ms"}));
  EXPECT_TRUE(outcome.status == 4 || outcome.status == 1) << outcome.status;
  ASSERT_EQ(1u, outcome.errors.size());
  EXPECT_NE(std::string::npos, outcome.errors[0].find("no-such-host.invalid"));
}

}  // namespace
}  // namespace pipedup::test
