// Where the stream is kept meanwhile: nothing is left behind, and no room is no end.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "support/content.h"
#include "support/proc.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

std::string JournalsIn(const std::string& runtime_directory) {
  return runtime_directory + "/pipedup-" + std::to_string(::geteuid());
}

/// Number of journals there.
std::size_t CountJournals(const std::string& runtime_directory) {
  std::size_t count = 0;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(JournalsIn(runtime_directory), error)) {
    count += entry.is_directory() ? 1 : 0;
  }
  return count;
}

TEST(Journal, NothingIsLeftAfterAnEnd) {
  const TempDir directory;
  Publisher publisher(directory, {"--wait-subs", "1"});
  EXPECT_EQ(1u, CountJournals(directory.path()));
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(publisher.WriteAndEnd(MakeRecords(1, 8 * kMiB)));
  EXPECT_EQ(0, subscriber.Wait());
  EXPECT_EQ(0, publisher.Wait());
  EXPECT_EQ(0u, CountJournals(directory.path()));
  EXPECT_TRUE(FilesBelow(JournalsIn(directory.path())).empty());
}

TEST(Journal, NothingIsLeftAfterASignalOrAFailure) {
  const TempDir directory;
  for (const int signal : {SIGTERM, SIGINT}) {
    Publisher publisher(directory);
    ASSERT_TRUE(publisher.Write(MakeRecords(2, 4 * kMiB)));
    publisher.Signal(signal);
    EXPECT_EQ(128 + signal, publisher.Wait()) << publisher.log();
    EXPECT_EQ(0u, CountJournals(directory.path()));
  }
  Publisher publisher(directory);
  const Outcome failed = RunToEnd({.argv = {PublisherBinary(), "--bind", publisher.endpoint()},
                                   .environment = {{"XDG_RUNTIME_DIR", directory.path()}}});
  EXPECT_EQ(1, failed.status);
  EXPECT_EQ(1u, CountJournals(directory.path())) << "that of the one that runs";
}

TEST(Journal, WhatAKilledPublisherLeftIsRemovedByTheNextOneAndNoOther) {
  const TempDir directory;
  Publisher alive(directory, {"--stream", "alive"});
  ASSERT_TRUE(alive.Write("kept\n"));
  {
    Publisher killed(directory, {"--stream", "killed"});
    ASSERT_TRUE(killed.Write(MakeRecords(3, 4 * kMiB)));
    killed.Signal(SIGKILL);
    EXPECT_EQ(137, killed.Wait());
  }
  EXPECT_EQ(2u, CountJournals(directory.path()));
  Publisher next(directory, {"--stream", "next"});
  EXPECT_EQ(2u, CountJournals(directory.path()));
  Subscriber subscriber(directory, alive.endpoint(), {"--from", "start"});
  ASSERT_TRUE(subscriber.WaitForBytes(5)) << subscriber.log();
  alive.CloseInput();
  EXPECT_EQ(0, subscriber.Wait());
  EXPECT_EQ("kept\n", subscriber.delivered());
  next.CloseInput();
  EXPECT_EQ(0, alive.Wait());
  EXPECT_EQ(0, next.Wait());
  EXPECT_EQ(0u, CountJournals(directory.path()));
}

TEST(Journal, ADirectoryThatOthersCanReachIsNotUsed) {
  const TempDir directory;
  std::filesystem::create_directory(JournalsIn(directory.path()));
  std::filesystem::permissions(JournalsIn(directory.path()), std::filesystem::perms(0777));
  Publisher publisher(directory, {"--wait-subs", "1"});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(publisher.WriteAndEnd("line\n"));
  EXPECT_EQ(0, subscriber.Wait());
  EXPECT_EQ(0, publisher.Wait());
  EXPECT_TRUE(FilesBelow(JournalsIn(directory.path())).empty());
  ASSERT_FALSE(publisher.events("journal").empty()) << publisher.log();
  EXPECT_EQ("warning", publisher.events("journal")[0].at("level"));
}

TEST(Journal, AFullFileSystemShortensRetentionAndNeverEndsTheLiveStream) {
  if (!MayUnshare("--mount")) GTEST_SKIP() << "no mount namespaces for this user";
  const TempDir directory;
  const std::string bytes = MakeRecords(4, 48 * kMiB);
  Publisher publisher(
      directory,
      {.options = {"--retain", "64MiB", "--wait-subs", "1"},
       .wrapper = {"unshare", "--mount", "sh", "-c",
                   "mount -t tmpfs -o size=2m none \"$XDG_RUNTIME_DIR\" && exec \"$@\"",
                   "sh"}});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(publisher.WriteAndEnd(bytes)) << publisher.log();
  const int status = subscriber.Wait();
  // Whoever is slower than what little is kept loses something, and knows what.
  EXPECT_TRUE(status == 0 || status == 3) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account())) << subscriber.log();
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
  std::size_t warnings = 0;
  for (const Json& event : publisher.events("journal")) {
    warnings += event.at("level") == "warning" ? 1 : 0;
  }
  EXPECT_EQ(1u, warnings) << publisher.log();
}

TEST(Journal, AtTheProducersPaceNothingIsLostOnAFullFileSystem) {
  if (!MayUnshare("--mount")) GTEST_SKIP() << "no mount namespaces for this user";
  const TempDir directory;
  Publisher publisher(
      directory,
      {.options = {"--retain", "64MiB", "--wait-subs", "1"},
       .wrapper = {"unshare", "--mount", "sh", "-c",
                   "mount -t tmpfs -o size=2m none \"$XDG_RUNTIME_DIR\" && exec \"$@\"",
                   "sh"}});
  Subscriber subscriber(directory, publisher.endpoint());
  std::string produced;
  for (int i = 0; i < 32; ++i) {
    const std::string part = MakeRecords(static_cast<std::uint64_t>(50 + i), kMiB / 4);
    produced += part;
    ASSERT_TRUE(publisher.Write(part));
    ASSERT_TRUE(subscriber.WaitForBytes(produced.size()))
        << subscriber.log() << publisher.log();
  }
  publisher.CloseInput();
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = produced}, subscriber.account()));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
}

}  // namespace
}  // namespace pipedup::test
