// Subscribers that read the journal of a publisher on this machine where it lies.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "os/build.h"
#include "support/content.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

class Attached : public testing::Test {
 protected:
  void SetUp() override {
    if (IsPortable()) {
      GTEST_SKIP() << "the portable build cannot watch files";
    }
    ::setenv(kAttached, "1", 1);
  }
  static bool IsAttached(Program& subscriber) {
    const auto attached = [](const Json& event) {
      return event.at("message") == "mode: attached";
    };
    return subscriber.WaitForEvent("mode", attached).has_value();
  }
  /// The directory of the only journal there is.
  static std::string JournalOf(const TempDir& directory) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory.path())) {
      if (entry.path().filename() == "journal") return entry.path().parent_path();
    }
    ADD_FAILURE() << "there is no journal";
    return "";
  }
};

TEST_F(Attached, ReadsTheJournalAndAsksForNothing) {
  const TempDir directory;
  Publisher publisher(directory, {"--slow", "wait"});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(IsAttached(subscriber));
  const std::string bytes = MakeRecords(1, 20 * kMiB);
  ASSERT_TRUE(publisher.WriteAndEnd(bytes));
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account()));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
  EXPECT_EQ(0, subscriber.stats().at("live_gaps"));
}

TEST_F(Attached, NoAttachUsesTheNetwork) {
  const TempDir directory;
  Publisher publisher(directory);
  Subscriber subscriber(directory, publisher.endpoint(), {"--no-attach"});
  ASSERT_TRUE(subscriber.WaitForEvent(
      "mode", [](const Json& event) { return event.at("message") == "mode: live"; }));
  ASSERT_TRUE(publisher.WriteAndEnd("a\n"));
  EXPECT_EQ(0, subscriber.Wait());
}

// The pages that the pipe of a stopped reader holds are the journal's own.
TEST_F(Attached, BytesInAStoppedReadersPipeStayRightWhileRetentionPasses) {
  const TempDir directory;
  Publisher publisher(directory, {"--retain", "1MiB"});
  Subscriber subscriber(publisher.endpoint(), {}, Stdio::Pipe());
  ASSERT_TRUE(IsAttached(subscriber));
  const std::string bytes = MakeRecords(2, 30 * kMiB);
  ASSERT_TRUE(publisher.Write(bytes));  // nobody reads what the subscriber writes
  publisher.CloseInput();
  const std::string delivered = subscriber.ReadAll();
  EXPECT_EQ(3, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account(delivered)));
  EXPECT_GT(delivered.size(), 0U) << "what the pipe held, at the least";
  EXPECT_LT(delivered.size(), bytes.size());
}

TEST_F(Attached, GoesOnOverTheNetworkWhenTheDirectoryIsGone) {
  const TempDir directory;
  Publisher publisher(directory, {"--slow", "wait", "--retain", "4MiB"});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(IsAttached(subscriber));
  std::string bytes = MakeRecords(3, 3 * kMiB);
  ASSERT_TRUE(publisher.Write(bytes));
  ASSERT_TRUE(subscriber.WaitForBytes(bytes.size()));
  const std::string journal = JournalOf(directory);
  std::filesystem::rename(journal, directory / "elsewhere");
  const std::string more = MakeRecords(4, 8 * kMiB);
  ASSERT_TRUE(publisher.Write(more));
  bytes += more;
  publisher.CloseInput();
  EXPECT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account()));
  EXPECT_EQ(0, publisher.Wait()) << publisher.log();
  EXPECT_TRUE(subscriber.WaitForEvent("mode", [](const Json& event) {
    return event.at("message") == "mode: live" || event.at("message") == "mode: catch-up";
  }));
}

TEST_F(Attached, APublisherThatIsKilledIsNoEndAndAllItPublishedIsThere) {
  const TempDir directory;
  Publisher publisher(directory);
  Subscriber subscriber(directory, publisher.endpoint(), {"--give-up", "1s"});
  ASSERT_TRUE(IsAttached(subscriber));
  const std::string bytes = MakeRecords(5, 5 * kMiB);
  ASSERT_TRUE(publisher.Write(bytes));
  ASSERT_TRUE(subscriber.WaitForBytes(bytes.size() - 1));
  publisher.Signal(SIGKILL);
  EXPECT_EQ(4, subscriber.Wait()) << subscriber.log();
  const std::string delivered = subscriber.delivered();
  EXPECT_EQ(bytes.substr(0, delivered.size()), delivered);
}

TEST_F(Attached, AJournalIsTheUsersAloneUnlessAGroupIsNamed) {
  namespace fs = std::filesystem;
  const auto modes = [](const std::string& journal) {
    std::string text;
    for (const auto& entry : fs::directory_iterator(journal)) {
      const auto mode = static_cast<unsigned>(entry.status().permissions() & fs::perms::mask);
      if (entry.path().filename() != "lock" && mode != 0600) text += entry.path().filename();
    }
    return text;
  };
  const auto only_owner = fs::perms::owner_all;
  const auto group_too = fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec;
  const TempDir directory;
  Publisher publisher(directory, {"--slow", "wait"});
  Subscriber subscriber(directory, publisher.endpoint());
  ASSERT_TRUE(IsAttached(subscriber));
  ASSERT_TRUE(publisher.Write("a\n"));
  ASSERT_TRUE(subscriber.WaitForBytes(2));
  const std::string journal = JournalOf(directory);
  EXPECT_EQ(fs::status(journal).permissions() & fs::perms::all, only_owner);
  EXPECT_EQ(modes(journal), "");

  const TempDir open;
  fs::permissions(open.path(), fs::perms::others_exec, fs::perm_options::add);
  Publisher shared(open, {"--journal-group", std::to_string(::getgid())});
  Subscriber member(open, shared.endpoint());
  ASSERT_TRUE(IsAttached(member));
  ASSERT_TRUE(shared.Write("a\n"));
  ASSERT_TRUE(member.WaitForBytes(2));
  const std::string group_journal = JournalOf(open);
  EXPECT_EQ(fs::status(group_journal).permissions() & fs::perms::all, group_too);
  EXPECT_EQ(fs::status(fs::path(group_journal).parent_path()).permissions() & fs::perms::all,
            group_too);
  for (const char* name : {"journal", "00000000000000000000.log", "00000000000000000000.idx"}) {
    EXPECT_EQ(fs::status(group_journal + "/" + name).permissions() & fs::perms::all,
              fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read)
        << name;
  }
}

}  // namespace
}  // namespace pipedup::test
