// A journal on disk: what the next process finds, whatever has become of the one before it.
// Long, because each case is a few lines on one fixture that knows how to crash.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <random>

#include "base/error.h"
#include "journal/directory.h"
#include "journal/layout.h"
#include "journal_test_base.h"

namespace pipedup {
namespace {

namespace fs = std::filesystem;

constexpr const char* kThisBoot = "boot-1";
constexpr const char* kNextBoot = "boot-2";

class DurableTest : public testing::Test, protected JournalTestBase {
 protected:
  struct Start {
    std::string boot = kThisBoot;
    SyncMode sync = SyncMode::kNever;
    std::uint64_t retain_bytes = 64 * kMiB;
    std::string stream = "s";
    bool copy = false;
  };

  void Open(const Start& start) {
    JournalOptions options = Options(true);
    options.directory = path_;
    options.session = next_session_++;
    options.retain_bytes = start.retain_bytes;
    options.durable = JournalOptions::Durable{
        start.stream, start.sync, std::chrono::milliseconds(1), start.boot, start.copy};
    journal_ = std::make_unique<Journal>(options);
  }
  void Open() { Open(Start()); }

  void Append(const std::string& text) {
    journal_->Append(AsBytes(text));
    all_ += text;
  }
  void Publish(const std::string& text) {
    Append(text);
    journal_->PublishAll();
  }
  /// Lines of 1 KiB, in blocks of 16 KiB.
  void PublishLines(std::size_t bytes) {
    for (std::size_t done = 0; done < bytes; done += 16 * kKiB) {
      std::string text;
      for (int i = 0; i < 16; ++i) text += Line(kKiB, static_cast<char>('a' + (lines_++ % 26)));
      Publish(text);
    }
  }

  /// Another process finds what this one has written so far, as after a kill -9.
  void Crash() {
    const std::string found = directory_.path() + "/crash" + std::to_string(crashes_++);
    fs::copy(path_, found);
    journal_.reset();
    path_ = found;
  }

  std::vector<std::string> Files(const std::string& suffix) const {
    std::vector<std::string> paths;
    for (const auto& entry : fs::directory_iterator(path_)) {
      if (entry.path().string().ends_with(suffix)) paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }

  static void Flip(const std::string& path, std::uint64_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 0x10));
  }

  /// Reads everything there is, from `from` on: the bytes must be those of the stream. What was
  /// skipped.
  std::vector<std::pair<Position, Position>> Holes(Position from = 0) {
    std::vector<std::pair<Position, Position>> holes;
    for (Position at = from; at < journal_->head();) {
      const auto block = journal_->Read(at, SIZE_MAX);
      if (block) {
        Check(*journal_, *block, at, all_);
        at = block->header.end();
        continue;
      }
      const Position next = journal_->NextSound(at);
      EXPECT_GT(next, at);
      if (next <= at) break;
      if (!holes.empty() && holes.back().second == at) {
        holes.back().second = next;
      } else {
        holes.emplace_back(at, next);
      }
      at = next;
    }
    return holes;
  }

  std::string path_ = directory_.path();
  std::unique_ptr<Journal> journal_;
  std::string all_;
  SessionId next_session_ = 100;
  std::size_t lines_ = 0;
  int crashes_ = 0;
};

using Range = std::pair<Position, Position>;

TEST_F(DurableTest, GoesOnWithTheSameSessionAfterAnEnd) {
  Open();
  PublishLines(600 * kKiB);
  const SessionId session = journal_->session();
  journal_.reset();
  Open();
  EXPECT_EQ(journal_->session(), session);
  EXPECT_EQ(journal_->head(), all_.size());
  PublishLines(600 * kKiB);
  EXPECT_EQ(journal_->tail(), 0U);
  EXPECT_TRUE(Holes().empty());
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(DurableTest, ItsSegmentsAreTheStreamsBytes) {
  Open();
  PublishLines(9 * kMiB);
  Crash();
  Open();
  PublishLines(kMiB);
  journal_.reset();
  std::string text;
  for (const std::string& log : Files(".log")) {
    std::ifstream file(log, std::ios::binary);
    text.append(std::istreambuf_iterator<char>(file), {});
  }
  EXPECT_TRUE(Same(text, all_));
}

TEST_F(DurableTest, AdoptsWhatHadNoBlockAfterACrashOfTheProcess) {
  Open();
  PublishLines(64 * kKiB);
  Append("one\ntwo\nunfini");
  Crash();
  Open();
  EXPECT_EQ(journal_->session(), 100U);
  EXPECT_EQ(journal_->head(), all_.size());
  EXPECT_EQ(journal_->records(), 64U + 2U);
  Publish("shed\nnext\n");
  EXPECT_TRUE(Holes().empty());
  EXPECT_EQ(journal_->records(), 64U + 4U);
}

TEST_F(DurableTest, AdoptsWhereNothingWasPublishedYet) {
  Open();
  Append("unfini");
  Crash();
  Open();
  EXPECT_EQ(journal_->head(), 6U);
  Publish("shed\n");
  EXPECT_TRUE(Holes().empty());
}

TEST_F(DurableTest, CountsTheRecordsOfBlocksThatAreMissingBeforeWhatItAdopts) {
  Open({.retain_bytes = 2 * kMiB});
  PublishLines(2 * kSegment);
  while (Files(".log").size() < 3) PublishLines(16 * kKiB);
  Append("unfini");
  Crash();
  for (const std::string& index : {Files(".idx")[1], Files(".idx")[2]}) {
    ASSERT_EQ(::truncate(index.c_str(), 0), 0);
  }
  Open();
  EXPECT_EQ(journal_->records(), lines_);
  Publish("shed\n");
  EXPECT_EQ(journal_->records(), lines_ + 1);
  EXPECT_EQ(Holes().size(), 1U);
}

TEST_F(DurableTest, CutsWhatHadNoBlockAfterACrashOfTheMachine) {
  Open();
  PublishLines(64 * kKiB);
  const std::string published = all_;
  Append("one\ntwo\n");
  Crash();
  all_ = published;
  Open({.boot = kNextBoot});
  EXPECT_EQ(journal_->head(), published.size());
  EXPECT_TRUE(Holes().empty());
  Publish("other\n");
  EXPECT_TRUE(Holes().empty());
}

TEST_F(DurableTest, BeginsASessionWherePositionsMightBeUsedTwice) {
  Open({.sync = SyncMode::kInterval});
  PublishLines(64 * kKiB);
  Crash();
  Open({.boot = kNextBoot});
  EXPECT_EQ(journal_->session(), 101U);
  ASSERT_EQ(journal_->past_sessions().size(), 1U);
  EXPECT_EQ(journal_->past_sessions()[0].session, 100U);
  EXPECT_EQ(journal_->past_sessions()[0].end, all_.size());
  // What the old one wrote is read as the new one's.
  EXPECT_TRUE(Holes().empty());
  Crash();
  Open({.boot = "boot-3"});
  EXPECT_EQ(journal_->session(), 102U);
  EXPECT_EQ(journal_->past_sessions().size(), 2U);
}

TEST_F(DurableTest, KeepsTheSessionAfterACrashOfTheMachineIfAllThatWasPublishedIsSafe) {
  Open({.sync = SyncMode::kAlways});
  PublishLines(64 * kKiB);
  journal_->Settle();
  Crash();
  Open({.boot = kNextBoot, .sync = SyncMode::kAlways});
  EXPECT_EQ(journal_->session(), 100U);
  EXPECT_EQ(journal_->head(), all_.size());
}

TEST_F(DurableTest, KeepsTheSessionOverARestartOfTheMachineAfterAnEnd) {
  Open({.sync = SyncMode::kInterval});
  PublishLines(64 * kKiB);
  journal_.reset();
  Open({.boot = kNextBoot});
  EXPECT_EQ(journal_->session(), 100U);
}

TEST_F(DurableTest, ACopyKeepsItsSessionAndAsksForWhatACrashOfTheMachineTook) {
  Open({.copy = true});
  PublishLines(64 * kKiB);
  const SessionId session = journal_->session();
  Crash();
  Flip(Files(".log").back(), 50 * kKiB);  // in the fourth block
  Open({.boot = kNextBoot, .copy = true});
  EXPECT_EQ(session, journal_->session());
  EXPECT_EQ(48 * kKiB, journal_->head()) << "where it is asked for again";
  all_.resize(48 * kKiB);
  PublishLines(64 * kKiB);
  EXPECT_TRUE(Holes().empty());
}

TEST_F(DurableTest, ACopyWithoutAnySegmentBeginsWithNothing) {
  Open({.copy = true});
  PublishLines(64 * kKiB);
  Crash();
  for (const auto& path : Files(".log")) fs::remove(path);
  for (const auto& path : Files(".idx")) fs::remove(path);
  Open({.boot = kNextBoot, .copy = true});
  EXPECT_EQ(0U, journal_->head());
}

TEST_F(DurableTest, CutsATornBlockAfterACrashOfTheMachine) {
  Open();
  PublishLines(64 * kKiB);
  Crash();
  Flip(Files(".log").back(), 50 * kKiB);  // in the last of four blocks
  Open({.boot = kNextBoot});
  EXPECT_EQ(journal_->head(), 48 * kKiB);
  EXPECT_TRUE(Holes().empty());
  EXPECT_EQ(FileBytes(Files(".log").back()), 48 * kKiB);
  EXPECT_EQ(FileBytes(Files(".idx").back()), 3 * kHeaderBytes);
}

TEST_F(DurableTest, CutsBackToTheLastSegmentThatHasASoundBlock) {
  Open();
  PublishLines(4 * kMiB + 64 * kKiB);
  Crash();
  ASSERT_EQ(Files(".log").size(), 2U);
  ASSERT_EQ(::truncate(Files(".idx").back().c_str(), 10), 0);
  const Position begin = *SegmentBegin(fs::path(Files(".log").back()).filename(), ".log");
  Open({.boot = kNextBoot});
  EXPECT_EQ(journal_->head(), begin);
  EXPECT_EQ(Files(".log").size(), 1U);
  EXPECT_TRUE(Holes().empty());
}

TEST_F(DurableTest, NeverUsesThePositionsOfPublishedBlocksAgain) {
  Open();
  PublishLines(64 * kKiB);
  Crash();
  ASSERT_EQ(::truncate(Files(".log").back().c_str(), 20 * kKiB), 0);
  Open();
  EXPECT_EQ(journal_->session(), 100U);
  EXPECT_EQ(journal_->head(), 64 * kKiB);
  EXPECT_EQ(Holes(), std::vector<Range>({{16 * kKiB, 64 * kKiB}}));
  PublishLines(16 * kKiB);
  EXPECT_EQ(Holes(), std::vector<Range>({{16 * kKiB, 64 * kKiB}}));
}

TEST_F(DurableTest, ADamagedBlockIsAnExactHole) {
  Open({.retain_bytes = 2 * kMiB});
  PublishLines(kMiB);
  ASSERT_GT(Files(".log").size(), 2U);
  Crash();
  Flip(Files(".log")[1], 20 * kKiB);
  const Position begin = *SegmentBegin(fs::path(Files(".log")[1]).filename(), ".log");
  Open();
  EXPECT_EQ(Holes(), std::vector<Range>({{begin + 16 * kKiB, begin + 32 * kKiB}}));
  EXPECT_EQ(journal_->counters().damaged_bytes, 16 * kKiB);
  EXPECT_EQ(warnings_.size(), 1U);
  EXPECT_EQ(Holes().size(), 1U) << "again";
  EXPECT_EQ(journal_->counters().damaged_bytes, 16 * kKiB);
}

TEST_F(DurableTest, ADamagedIndexEntryIsAnExactHole) {
  Open({.retain_bytes = 2 * kMiB});
  PublishLines(kMiB);
  Crash();
  Flip(Files(".idx")[1], 2 * kHeaderBytes + 20);
  const Position begin = *SegmentBegin(fs::path(Files(".log")[1]).filename(), ".log");
  Open();
  EXPECT_EQ(Holes(), std::vector<Range>({{begin + 32 * kKiB, begin + 48 * kKiB}}));
}

TEST_F(DurableTest, AMissingSegmentIsAnExactHole) {
  for (const char* suffix : {".idx", ".log"}) {
    SCOPED_TRACE(suffix);
    path_ = directory_.path() + "/missing" + suffix;
    ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
    all_.clear();
    counts_ = RecordCounts();
    Open({.retain_bytes = 2 * kMiB});
    PublishLines(kMiB);
    Crash();
    const auto logs = Files(".log");
    const Range hole = {*SegmentBegin(fs::path(logs[1]).filename(), ".log"),
                        *SegmentBegin(fs::path(logs[2]).filename(), ".log")};
    ASSERT_TRUE(RemoveFile(Files(suffix)[1]));
    Open();
    EXPECT_EQ(Holes(), std::vector<Range>({hole}));
  }
}

TEST_F(DurableTest, FindsRecordsAndTimesOverHoles) {
  Open({.retain_bytes = 2 * kMiB});
  PublishLines(512 * kKiB);
  now_ns_ += 1'000'000'000;
  const std::int64_t later = now_ns_;
  const Position since = all_.size();
  PublishLines(512 * kKiB);
  Crash();
  ASSERT_EQ(::truncate(Files(".idx")[1].c_str(), 0), 0);
  Open();
  EXPECT_EQ(journal_->FindSince(later), since);
  EXPECT_EQ(journal_->FindLast(1), all_.size() - kKiB);
  EXPECT_EQ(journal_->FindLast(100), all_.size() - 100 * kKiB);
  for (const std::string& index : Files(".idx")) {
    if (index != Files(".idx").front() && index != Files(".idx").back()) RemoveFile(index);
  }
  const auto damaged = std::make_unique<Journal>([this] {
    JournalOptions options = Options(true);
    options.directory = path_;
    options.durable = JournalOptions::Durable{"s", SyncMode::kNever, Duration(0), kThisBoot};
    return options;
  }());
  EXPECT_EQ(damaged->FindLast(1), all_.size() - kKiB);
  EXPECT_EQ(journal_->FindLast(1'000'000), 0U);
}

TEST_F(DurableTest, FindsItsSessionInTheBlocksIfTheLabelIsDamaged) {
  Open();
  PublishLines(64 * kKiB);
  Crash();
  Flip(path_ + "/journal", 3);
  Open();
  EXPECT_EQ(journal_->head(), all_.size());
  // Whether the machine has crashed since cannot be known any more.
  EXPECT_EQ(journal_->session(), 101U);
  ASSERT_EQ(journal_->past_sessions().size(), 1U);
  EXPECT_EQ(journal_->past_sessions()[0].session, 100U);
}

TEST_F(DurableTest, ALabelThatIsCutOrFlippedAnywhereNeverStopsIt) {
  Open();
  PublishLines(64 * kKiB);
  Crash();
  const std::string found = path_;
  const std::uint64_t bytes = *FileBytes(found + "/journal");
  for (std::uint64_t i = 0; i < 2 * bytes; ++i) {
    SCOPED_TRACE(i);
    path_ = directory_.path() + "/label";
    fs::remove_all(path_);
    fs::copy(found, path_);
    if (i < bytes) {
      ASSERT_EQ(::truncate((path_ + "/journal").c_str(), static_cast<off_t>(i)), 0);
    } else {
      Flip(path_ + "/journal", i - bytes);
    }
    ASSERT_NO_THROW(Open());
    EXPECT_EQ(journal_->head(), all_.size());
  }
}

TEST_F(DurableTest, RetentionDropsWhatAnEarlierProcessWrote) {
  Open({.retain_bytes = 2 * kMiB});
  PublishLines(2 * kMiB);
  journal_.reset();
  Open({.retain_bytes = kMiB});
  PublishLines(16 * kKiB);  // who was there may still need it before
  EXPECT_GT(journal_->tail(), 0U);
  EXPECT_LE(all_.size() - journal_->tail(), kMiB + 2 * kSegment);
  const Position tail = journal_->tail();
  PublishLines(kMiB);
  EXPECT_GT(journal_->tail(), tail);
  EXPECT_TRUE(Holes(journal_->tail()).empty());
  journal_.reset();  // what is removed by the syncer's thread is gone then
  EXPECT_EQ(Files(".log").size(), Files(".idx").size());
}

TEST_F(DurableTest, IsOfOneStreamAndOneKindOfRecords) {
  Open();
  Publish("a\n");
  journal_.reset();
  EXPECT_THROW(Open({.stream = "other"}), Error);
  Open();
}

TEST_F(DurableTest, ALabelThatCannotBeWrittenCostsNoSegment) {
  Open({.retain_bytes = 2 * kMiB});
  PublishLines(kMiB);
  journal_.reset();
  const auto logs = Files(".log");
  ASSERT_EQ(::mkdir((path_ + "/journal.new").c_str(), 0700), 0);
  EXPECT_THROW(Open(), Error);
  EXPECT_EQ(Files(".log"), logs);
  ASSERT_EQ(::rmdir((path_ + "/journal.new").c_str()), 0);
  Open();
  EXPECT_TRUE(Holes().empty());
}

TEST_F(DurableTest, IsNotTouchedByOneThatIsRefused) {
  Open({.sync = SyncMode::kInterval});
  PublishLines(64 * kKiB);
  Append("one\n");
  Crash();
  Flip(Files(".log").back(), 50 * kKiB);
  const auto bytes = FileBytes(Files(".log").back());
  EXPECT_THROW(Open({.boot = kNextBoot, .stream = "other"}), Error);
  EXPECT_EQ(FileBytes(Files(".log").back()), bytes);
  Open({.boot = kNextBoot});
  EXPECT_EQ(journal_->head(), 48 * kKiB);
  ASSERT_EQ(journal_->past_sessions().size(), 1U);
}

TEST_F(DurableTest, WhatIsCutIsCutForTheReadersOfAllPastSessions) {
  Open({.sync = SyncMode::kInterval});
  PublishLines(64 * kKiB);
  Crash();
  Open({.boot = kNextBoot});
  Crash();
  Flip(Files(".log").back(), 50 * kKiB);
  Open({.boot = "boot-3"});
  ASSERT_EQ(journal_->past_sessions().size(), 2U);
  for (const PastSession& past : journal_->past_sessions()) EXPECT_EQ(past.end, 48 * kKiB);
}

TEST_F(DurableTest, FilesWithOddNamesDoNoHarm) {
  Open();
  PublishLines(64 * kKiB);
  journal_.reset();
  std::ofstream(path_ + "/09000000000000000000.log") << "";
  std::ofstream(path_ + "/00000000003000000000.log") << "";
  Open();
  EXPECT_EQ(journal_->head(), all_.size());
  EXPECT_TRUE(Holes().empty());
}

TEST_F(DurableTest, RefusesADirectoryOfOtherThings) {
  std::ofstream(path_ + "/notes.txt") << "mine";
  EXPECT_THROW(Open(), Error);
  EXPECT_EQ(FileBytes(path_ + "/notes.txt"), 4U);
}

TEST_F(DurableTest, WithAlwaysNothingIsDroppedThatNobodyWasToldOf) {
  Open({.sync = SyncMode::kAlways, .retain_bytes = kMiB});
  PublishLines(5 * kMiB);
  EXPECT_EQ(journal_->head(), 0U) << "Synced() was not called";
  EXPECT_EQ(journal_->tail(), 0U);
  EXPECT_EQ(journal_->counters().dropped_bytes, 0U);
  journal_->Settle();
  EXPECT_EQ(journal_->head(), all_.size());
  PublishLines(kMiB);
  EXPECT_GT(journal_->tail(), 0U);
}

TEST_F(DurableTest, WithAlwaysABlockIsPublishedWhenItIsSafe) {
  Open({.sync = SyncMode::kAlways});
  std::vector<Position> told;
  journal_->OnBlock([&](const Block& block) { told.push_back(block.header.end()); });
  Append("one\n");
  ASSERT_TRUE(journal_->PublishFinished());
  EXPECT_TRUE(told.empty());
  EXPECT_EQ(journal_->head(), 0U);
  EXPECT_FALSE(journal_->Read(0, SIZE_MAX));
  while (told.empty()) {
    pollfd item{journal_->sync_fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&item, 1, 30'000), 1);
    journal_->Synced();
  }
  EXPECT_EQ(told, std::vector<Position>({4}));
  EXPECT_EQ(journal_->head(), 4U);
  Publish("two\n");
  journal_->Settle();
  EXPECT_EQ(journal_->head(), 8U);
  EXPECT_TRUE(Holes().empty());
}

TEST_F(DurableTest, IsHeldByOneProcessAndSaysWhich) {
  const JournalDirectory held = JournalDirectory::OnDisk(path_ + "/d", std::nullopt);
  try {
    (void)JournalDirectory::OnDisk(path_ + "/d", std::nullopt);
    FAIL();
  } catch (const Error& error) {
    const std::string pid = "(pid " + std::to_string(::getpid()) + ")";
    EXPECT_NE(std::string(error.what()).find(pid), std::string::npos) << error.what();
  }
}

// Whatever is cut or flipped: no byte is served that was not published, and no position is said
// to be there that is not.
TEST_F(DurableTest, NeverServesAWrongByte) {
  Open({.retain_bytes = 2 * kMiB});
  PublishLines(kMiB);
  Append("unfini");
  const std::string original = path_;
  const std::string whole = all_;
  for (unsigned seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    path_ = directory_.path() + "/seed";
    fs::remove_all(path_);
    fs::copy(original, path_);
    // Bytes that have lost their block, and are damaged as well, have nothing that tells:
    // either is damaged, not both.
    const bool logs = random() % 2 == 0;
    for (unsigned i = 0; i <= random() % 3; ++i) {
      const auto files = Files(logs ? ".log" : ".idx");
      const std::string& file =
          random() % 2 == 0 ? files.back() : files[random() % files.size()];
      const std::uint64_t unpublished = logs && file == files.back() ? 6 : 0;
      const std::uint64_t found = FileBytes(file).value_or(0);
      if (found <= unpublished) continue;
      const std::uint64_t bytes = found - unpublished;
      if (random() % 2 == 0) {
        Flip(file, random() % bytes);
      } else {
        ASSERT_EQ(::truncate(file.c_str(), static_cast<off_t>(random() % bytes)), 0);
      }
    }
    JournalOptions options = Options(true);
    options.directory = path_;
    options.session = 7;
    options.retain_bytes = 2 * kMiB;
    options.durable = JournalOptions::Durable{"s", SyncMode::kNever, Duration(0),
                                              random() % 2 == 0 ? kThisBoot : kNextBoot};
    Journal journal(options);
    ASSERT_LE(journal.head(), whole.size());
    for (Position at = journal.tail(); at < journal.head();) {
      const auto block = journal.Read(at, SIZE_MAX);
      if (block) {
        ASSERT_TRUE(Same(AsText(block->payload.bytes),
                         std::string_view(whole).substr(at, block->header.length)));
      }
      const Position next = block ? block->header.end() : journal.NextSound(at);
      ASSERT_GT(next, at);
      at = next;
    }
  }
}

}  // namespace
}  // namespace pipedup
