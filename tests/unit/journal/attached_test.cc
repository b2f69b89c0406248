// A journal as another process reads it, while it is written.
#include "journal/attached.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <span>

#include "journal_test_base.h"
#include "os/io.h"
#include "os/watch.h"

namespace pipedup {
namespace {

class AttachedJournalTest : public testing::Test {
 protected:
  static constexpr SessionId kSession = 77;
  AttachedJournalTest() {
    if (!FileWatch::Create()) return;
    options_.directory = directory_.path();
    options_.session = kSession;
    options_.retain_bytes = 1024 * 1024;
    options_.wall_clock = [this] { return time_; };
    options_.warn = [](const std::string& text) { ADD_FAILURE() << text; };
    journal_.emplace(options_);
  }
  void SetUp() override {
    if (!journal_) GTEST_SKIP() << "files cannot be watched in this build";
  }
  void Publish(const std::string& text) {
    all_ += text;
    journal_->Append(AsBytes(text));
    journal_->PublishAll();
  }
  std::string Lines(std::size_t bytes) {
    std::string lines;
    while (lines.size() < bytes) lines += std::to_string(number_++) + " of many lines\n";
    return lines;
  }
  std::unique_ptr<AttachedJournal> Attach() {
    std::string why;
    auto attached = AttachedJournal::Open(directory_.path(), kSession, &why);
    EXPECT_TRUE(attached) << why;
    return attached;
  }
  /// All that can be read from `at` on; headers are checked.
  std::string ReadAll(AttachedJournal* attached, Position at) {
    std::string text;
    while (auto piece = attached->Read(at, 1024 * 1024)) {
      EXPECT_LE(piece->header.position, at);
      EXPECT_GT(piece->header.end(), at);
      EXPECT_EQ(piece->header.length, piece->bytes.size());
      EXPECT_EQ(piece->header.records, CountRecords(RecordFormat::kLines, piece->bytes.bytes));
      EXPECT_EQ(piece->header.records_before,
                counts_.Before(RecordFormat::kLines, all_, piece->header.position));
      std::string from_file(piece->bytes.size(), ' ');
      EXPECT_EQ(ReadAt(piece->bytes.file, std::as_writable_bytes(std::span(from_file)),
                       piece->bytes.offset),
                from_file.size());
      EXPECT_TRUE(Same(from_file, AsText(piece->bytes.bytes)));
      text += AsText(piece->bytes.Part(at - piece->header.position).bytes);
      at = piece->header.end();
    }
    return text;
  }

  TemporaryDirectory directory_;
  JournalOptions options_;
  std::int64_t time_ = 1000;
  std::optional<Journal> journal_;
  std::string all_;
  std::size_t number_ = 0;
  RecordCounts counts_;
};

TEST_F(AttachedJournalTest, ReadsWhatWasPublishedAndWhatFollows) {
  const auto attached = Attach();
  ASSERT_TRUE(attached->Locate(0));
  EXPECT_FALSE(attached->Read(0, 100));
  std::string text;
  for (int i = 0; i < 200; ++i) {  // over several segments
    time_ += i % 3 == 0 ? 20'000'000 : 1;
    Publish(Lines(4096));
    attached->ClearWatch();
    text += ReadAll(attached.get(), text.size());
    ASSERT_EQ(text.size(), all_.size());
  }
  EXPECT_TRUE(Same(text, all_));
}

TEST_F(AttachedJournalTest, TheWatchIsReadableWhenThereIsMore) {
  Publish("one\n");
  const auto attached = Attach();
  ASSERT_TRUE(attached->Locate(0));
  EXPECT_EQ(ReadAll(attached.get(), 0), "one\n");
  attached->ClearWatch();
  EXPECT_FALSE(IsReadable(attached->fd()));
  Publish("two\n");
  EXPECT_TRUE(IsReadable(attached->fd()));
  attached->ClearWatch();
  EXPECT_FALSE(IsReadable(attached->fd()));
  EXPECT_EQ(ReadAll(attached.get(), 4), "two\n");
  while (journal_->head() < 300 * 1024) Publish(Lines(1024));  // on into the next segment
  EXPECT_TRUE(IsReadable(attached->fd()));
}

TEST_F(AttachedJournalTest, WhatIsNotPublishedIsNotSeen) {
  journal_->Append(AsBytes("unfinished"));
  const auto attached = Attach();
  ASSERT_TRUE(attached->Locate(0));
  EXPECT_FALSE(attached->Read(0, 100));
}

TEST_F(AttachedJournalTest, BeginsInsideABlock) {
  Publish("one\ntwo\n");
  Publish("three\n");
  const auto attached = Attach();
  ASSERT_TRUE(attached->Locate(6));
  EXPECT_EQ(ReadAll(attached.get(), 6), "o\nthree\n");
}

TEST_F(AttachedJournalTest, BytesStayRightWhenRetentionPassesThem) {
  const auto attached = Attach();
  Publish(Lines(8192));
  ASSERT_TRUE(attached->Locate(0));
  const auto piece = attached->Read(0, 1024 * 1024);
  ASSERT_TRUE(piece);
  const std::string before(AsText(piece->bytes.bytes));
  while (journal_->tail() == 0) Publish(Lines(64 * 1024));
  for (int i = 0; i < 30; ++i) Publish(Lines(64 * 1024));
  EXPECT_TRUE(Same(AsText(piece->bytes.bytes), before));
}

TEST_F(AttachedJournalTest, WhatRetentionHasPassedIsNotFound) {
  const auto attached = Attach();
  Publish(Lines(8192));
  ASSERT_TRUE(attached->Locate(0));
  std::string text = ReadAll(attached.get(), 0);
  for (int i = 0; i < 60; ++i) Publish(Lines(64 * 1024));
  text += ReadAll(attached.get(), text.size());  // the rest of the segment that it holds open
  EXPECT_LT(text.size(), journal_->tail());
  EXPECT_FALSE(attached->Locate(text.size()));
  EXPECT_TRUE(Same(text, all_.substr(0, text.size())));
  ASSERT_TRUE(attached->Locate(journal_->tail()));
  EXPECT_TRUE(Same(ReadAll(attached.get(), journal_->tail()), all_.substr(journal_->tail())));
}

TEST_F(AttachedJournalTest, APositionBeyondTheEndIsNotFound) {
  Publish("one\n");
  const auto attached = Attach();
  EXPECT_TRUE(attached->Locate(4));
  EXPECT_FALSE(attached->Locate(5));
}

TEST_F(AttachedJournalTest, AnotherSessionOrDirectoryIsRefused) {
  std::string why;
  EXPECT_FALSE(AttachedJournal::Open(directory_.path(), kSession + 1, &why));
  EXPECT_NE(why.find("another session"), std::string::npos) << why;
  EXPECT_FALSE(AttachedJournal::Open(directory_.path() + "/none", kSession, &why));
  EXPECT_NE(why.find("none"), std::string::npos) << why;
}

TEST_F(AttachedJournalTest, FindsAnyPositionAmongManyBlocks) {
  while (journal_->head() < 200 * 1024) Publish(Lines(100));
  const auto attached = Attach();
  for (Position at = 0; at <= journal_->head(); at += 1009) {
    ASSERT_TRUE(attached->Locate(at)) << at;
    ASSERT_TRUE(Same(ReadAll(attached.get(), at), all_.substr(at))) << at;
  }
  EXPECT_TRUE(attached->Locate(journal_->head()));
  EXPECT_FALSE(attached->Locate(journal_->head() + 1));
}

TEST_F(AttachedJournalTest, ALogThatSomebodyCutIsNotRead) {
  Publish(Lines(8192));
  const auto attached = Attach();
  ASSERT_TRUE(attached->Locate(0));
  std::filesystem::resize_file(SegmentPath(directory_.path(), 0, kLogSuffix), 100);
  EXPECT_FALSE(attached->Read(0, 1024 * 1024));
}

TEST_F(AttachedJournalTest, WhatIsNoLabelIsRefused) {
  const TemporaryDirectory other;
  const std::string path = other.path() + "/journal";
  std::string why;
  int error = 0;
  for (const char* text :
       {"", "pipedup journal 1", "pipedup journal 2\nsession 4d\nsegment 100\n",
        "pipedup journal 1\nsession xyz\nsegment 100\n",
        "pipedup journal 1\nsession 4d\nsegment 0\n",
        "pipedup journal 1\nsession 4d\nsegment -1\n",
        "pipedup journal 1\nsession 4d\nsegment 99999999999999999999\n"}) {
    const UniqueFd file = CreateFile(path, &error);
    ASSERT_TRUE(file);
    ASSERT_EQ(WriteAt(file.get(), AsBytes(text), 0).status, IoStatus::kOk);
    EXPECT_FALSE(AttachedJournal::Open(other.path(), kSession, &why)) << text;
    RemoveFile(path);
  }
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_FALSE(AttachedJournal::Open(other.path(), kSession, &why)) << "and does not wait";
}

TEST_F(AttachedJournalTest, AnEntryThatIsNotWholeIsNotThereYet) {
  Publish("one\n");
  const std::string index = SegmentPath(directory_.path(), 0, kIndexSuffix);
  const auto attached = Attach();
  ASSERT_TRUE(attached->Locate(0));
  EXPECT_EQ(ReadAll(attached.get(), 0), "one\n");
  const UniqueFd fd(::open(index.c_str(), O_WRONLY | O_CLOEXEC));
  std::array<std::byte, kHeaderBytes> entry{};
  ASSERT_EQ(ReadAt(UniqueFd(::open(index.c_str(), O_RDONLY | O_CLOEXEC)).get(), entry, 0),
            kHeaderBytes);
  ASSERT_EQ(WriteAt(fd.get(), ByteSpan(entry).first(32), kHeaderBytes).status, IoStatus::kOk);
  EXPECT_FALSE(attached->Read(4, 100));
  ASSERT_EQ(WriteAt(fd.get(), ByteSpan(entry), kHeaderBytes).status, IoStatus::kOk);
  EXPECT_FALSE(attached->Read(4, 100)) << "whole, but of another position";
}

}  // namespace
}  // namespace pipedup
