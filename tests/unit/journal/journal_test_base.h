// A journal in a directory of its own, and a clock that the test sets.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/checksum.h"
#include "base/records.h"
#include "journal/journal.h"
#include "os/file.h"
#include "os/process.h"
#include "support/same.h"

namespace pipedup {

/// Removed, with the files in it, at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    path_ = RuntimeDirectories().front() + "/pipedup-test-XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "mkdtemp " << path_;
  }
  ~TemporaryDirectory() { RemoveDirectory(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// How many records end before a position of a text that only grows.
class RecordCounts {
 public:
  std::uint64_t Before(RecordFormat format, const std::string& all, Position at) {
    const std::size_t whole = at / kEvery;
    while (counts_.size() <= whole) {
      const ByteSpan next = AsBytes(all).subspan((counts_.size() - 1) * kEvery, kEvery);
      counts_.push_back(counts_.back() + CountRecords(format, next));
    }
    return counts_[whole] +
           CountRecords(format, AsBytes(all).subspan(whole * kEvery, at - whole * kEvery));
  }

 private:
  static constexpr std::size_t kEvery = 65536;
  std::vector<std::uint64_t> counts_{0};
};

/// The parameter says whether the journal is in files or in private memory.
class JournalTestBase {
 protected:
  static constexpr std::size_t kSegment = 256 * 1024;  ///< the smallest there is
  static constexpr std::uint64_t kKiB = 1024;
  static constexpr std::uint64_t kMiB = 1024 * 1024;

  JournalOptions Options(bool in_files) {
    JournalOptions options;
    if (in_files) options.directory = directory_.path();
    options.session = 42;
    options.retain_bytes = kMiB;
    options.wall_clock = [this] { return now_ns_; };
    options.warn = [this](const std::string& text) { warnings_.push_back(text); };
    return options;
  }

  static std::string Line(std::size_t length, char fill = 'x') {
    return std::string(length - 1, fill) + "\n";
  }

  static std::string TextOf(const Block& block) {
    return std::string(AsText(block.payload.bytes));
  }

  /// [from, head) as it is read; each block's header is checked against `all`, the whole
  /// stream.
  std::string ReadAll(const Journal& journal, Position from, const std::string& all,
                      std::size_t max = SIZE_MAX) {
    std::string text;
    while (from < journal.head()) {
      const auto block = journal.Read(from, max);
      if (!block) {
        ADD_FAILURE() << "nothing at " << from;
        break;
      }
      Check(journal, *block, from, all);
      EXPECT_LE(block->header.length, max);
      text += TextOf(*block);
      from = block->header.end();
    }
    return text;
  }

  /// Every field of a block that was read at `from`.
  void Check(const Journal& journal, const Block& block, Position from,
             const std::string& all) {
    const RecordFormat format = journal.records_format();
    const bool raw = format == RecordFormat::kRaw;
    const BlockHeader& header = block.header;
    const ByteSpan bytes = block.payload.bytes;
    ASSERT_EQ(header.kind, BlockKind::kData);
    ASSERT_EQ(header.session, journal.session());
    ASSERT_EQ(header.position, from);
    ASSERT_EQ(header.length, bytes.size());
    ASSERT_GT(header.length, 0U);
    ASSERT_LE(header.end(), journal.head());
    ASSERT_TRUE(Same(AsText(bytes), std::string_view(all).substr(from, bytes.size())));
    ASSERT_EQ(header.records, CountRecords(format, bytes));
    ASSERT_EQ(header.records_before, counts_.Before(format, all, from));
    const auto ends_before = [&](Position at) {
      return raw || at == 0 || static_cast<std::byte>(all[at - 1]) == Delimiter(format);
    };
    ASSERT_EQ(header.begins_record, ends_before(from)) << "at " << from;
    ASSERT_EQ(header.ends_record, ends_before(header.end())) << "at " << header.end();
    if (header.checksummed) {
      ASSERT_EQ(header.checksum, Checksum(bytes));
    } else {
      ASSERT_EQ(header.checksum, 0U);
    }
  }

  TemporaryDirectory directory_;
  std::int64_t now_ns_ = 1'700'000'000'000'000'000;
  std::vector<std::string> warnings_;
  RecordCounts counts_;  ///< of the one stream of a test
};

}  // namespace pipedup
