// The file layer does what its header says, and nothing else.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <string>
#include <vector>

#include "fault/features.h"
#include "fault/machine.h"
#include "fault/place.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

class FaultfsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (FaultfsLibrary().empty()) GTEST_SKIP() << "there is no library of file faults here";
  }

  /// What each call returned, in one line; and "killed" if that is what happened.
  std::string Calls(const std::string& rules, const Words& calls, Variables more = {}) {
    Command command;
    command.argv = {"/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", place_.journal(),
                    PIPEDUP_FILE_CALLS};
    command.argv.insert(command.argv.end(), calls.begin(), calls.end());
    command.environment = FileFaults(place_.journal(), rules, more, place_);
    const Outcome outcome = RunToEnd(command);
    std::string said = outcome.out;
    for (char& c : said) c = c == '\n' ? ' ' : c;
    for (const std::string& line : outcome.errors) said += line;
    return said + (outcome.status == 128 + SIGKILL ? "killed" : "");
  }
  std::string Content(const std::string& name) {
    return ReadFile(place_.journal() + "/" + name);
  }
  bool Exists(const std::string& name) {
    return std::filesystem::exists(place_.journal() + "/" + name);
  }
  std::string AfterCrash(const Words& calls) {
    const std::string said = Calls("", calls, {{"FAULT_SHADOW", place_.shadow()}});
    RestoreFromShadow(place_.journal(), place_.shadow());
    return said;
  }

  const Place place_;
};

TEST_F(FaultfsTest, FailsTheCallsThatARuleCounts) {
  EXPECT_EQ("open 0 write 1 write ENOSPC write EIO write 1 ",
            Calls("write a 2 2 enospc;write a 3 3 eio",
                  {"open:a", "write:1", "write:2", "write:3", "write:4"}));
  EXPECT_EQ("14", Content("a"));
}

TEST_F(FaultfsTest, TakesSpliceForAWrite) {
  EXPECT_EQ("open 0 splice 3 splice ENOSPC splice 1 at 2 ",
            Calls("write * 2 2 enospc;write * 3 3 short",
                  {"open:a", "splice:one", "splice:two", "splice:six", "at:9,zz"}));
  EXPECT_EQ(std::string("ones\0\0\0\0\0zz", 11).substr(0, 4), Content("a").substr(0, 4));
}

TEST_F(FaultfsTest, LeavesFilesElsewhereAlone) {
  const std::string elsewhere = place_.runtime() + "/a";
  EXPECT_EQ("open 0 write 1 sync 0 close 0 ",
            Calls("write * 1 9 eio;sync * 1 9 eio;create * 1 9 erofs",
                  {"open:" + elsewhere, "write:1", "sync", "close"}));
  EXPECT_EQ("1", ReadFile(elsewhere));
}

TEST_F(FaultfsTest, AReadOnlyDirectoryHasNoNewFiles) {
  EXPECT_EQ("open EROFS open 0 ", Calls("create * 1 1 erofs", {"open:a", "open:a"}));
}

TEST_F(FaultfsTest, SpaceIsTakenByGrowthAndGivenBackByUnlink) {
  EXPECT_EQ("open 0 write 4 at 2 write 2 write ENOSPC unlink 0 open 0 write 3 ",
            Calls("",
                  {"open:a", "write:1234", "at:0,xx", "write:5678", "write:9", "unlink:a",
                   "open:b", "write:abc"},
                  {{"FAULT_SPACE", "6"}}));
}

TEST_F(FaultfsTest, DiesAtTheNamedPoint) {
  EXPECT_EQ("open 0 write 2 killed",
            Calls("write *.log 2 2 kill-before", {"open:a.log", "write:12", "write:34"}));
  EXPECT_EQ("12", Content("a.log"));
  EXPECT_EQ("open 0 killed", Calls("write *.idx 1 1 kill-torn", {"open:a.idx", "write:1234"}));
  EXPECT_EQ("12", Content("a.idx"));
  EXPECT_EQ("killed", Calls("unlink *.log 1 1 kill-after", {"unlink:a.log", "unlink:a.idx"}));
  EXPECT_FALSE(Exists("a.log"));
  EXPECT_TRUE(Exists("a.idx"));
  EXPECT_EQ("killed", Calls("create *.log 1 1 kill-after", {"open:b.log"}));
  EXPECT_TRUE(Exists("b.log"));
  EXPECT_EQ("killed", Calls("rename cursor 1 1 kill-before", {"rename:a.idx,cursor"}));
  EXPECT_FALSE(Exists("cursor"));
}

TEST_F(FaultfsTest, ACrashOfTheMachineKeepsWhatWasSynced) {
  AfterCrash({"open:a", "write:kept", "sync", "syncdir", "write: and lost"});
  EXPECT_EQ("kept", Content("a"));
  AfterCrash({"open:a", "splice:KE", "sync", "splice:PT"});
  EXPECT_EQ("KEpt", Content("a"));
}

TEST_F(FaultfsTest, ACrashOfTheMachineForgetsNamesThatWereNotSynced) {
  AfterCrash({"open:a", "write:1", "sync", "syncdir", "open:b", "write:2", "sync", "unlink:a"});
  EXPECT_EQ("1", Content("a")) << "its removal was not synced";
  EXPECT_FALSE(Exists("b")) << "its name was not synced";
  AfterCrash({"open:c", "write:3", "syncdir", "rename:c,d"});
  EXPECT_TRUE(Exists("c"));
  EXPECT_EQ("", Content("c")) << "its name was synced, what is in it was not";
  EXPECT_FALSE(Exists("d"));
}

TEST_F(FaultfsTest, AnFsyncThatIsSkippedKeepsNothing) {
  Calls("sync a 1 9 skip", {"open:a", "write:1", "sync", "syncdir"},
        {{"FAULT_SHADOW", place_.shadow()}});
  RestoreFromShadow(place_.journal(), place_.shadow());
  EXPECT_EQ("", Content("a"));
}

TEST_F(FaultfsTest, SaysAnotherBoot) {
  EXPECT_EQ("other boot 0 ", Calls("", {"boot"}, {{"FAULT_BOOT_ID", "other"}}));
}

TEST_F(FaultfsTest, RefusesWhatIsNoRule) {
  EXPECT_NE("open 0 ", Calls("write a", {"open:a"}));
  EXPECT_NE("open 0 ", Calls("write a 1 1 explode", {"open:a"}));
}

}  // namespace
}  // namespace pipedup::test
