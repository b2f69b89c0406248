// Random appends, publishes and reads against a string that holds everything.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "journal_test_base.h"
#include "os/io.h"

namespace pipedup {
namespace {

class JournalModel : public testing::TestWithParam<bool>, protected JournalTestBase {
 protected:
  void Run(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    counts_ = {};
    auto options = Options(GetParam());
    options.records = static_cast<RecordFormat>(random() % 3);
    options.retain_bytes = std::array{256 * kKiB, kMiB, 3 * kMiB}[random() % 3];
    options.checksum = random() % 2 == 0;
    if (random() % 3 == 0) options.retain_age = std::chrono::seconds(1);
    Journal journal(options);
    std::string all;
    std::string published;
    journal.OnBlock([&](const Block& block) { published += TextOf(block); });
    auto [read_end, write_end] = MakePipe();
    std::vector<std::pair<Block, std::string>> held;

    for (int step = 0; step < 300 && !testing::Test::HasFailure(); ++step) {
      now_ns_ += static_cast<std::int64_t>(random() % 30'000'000);
      switch (random() % 10) {
        case 0:
        case 1:
        case 2: {
          const std::string text = RandomText(random);
          all += text;
          journal.Append(AsBytes(text));
          break;
        }
        case 3: {
          const std::string text = RandomText(random).substr(0, 60'000);
          if (text.empty()) break;
          ASSERT_EQ(WriteAll(write_end.get(), AsBytes(text)).status, IoStatus::kOk);
          all += text;
          for (std::size_t taken = 0; taken < text.size();) {
            const AppendResult result =
                journal.AppendFrom(read_end.get(), true, 1 + random() % 100'000);
            ASSERT_EQ(result.status, AppendStatus::kAppended);
            taken += result.count;
          }
          break;
        }
        case 4:
        case 5:
          journal.PublishFinished();
          break;
        case 6:
          journal.PublishAll();
          ASSERT_EQ(journal.unpublished(), 0U);
          break;
        case 7: {
          const auto block = journal.Read(random() % (all.size() + 1), 1 + random() % 300'000);
          if (block) {
            Check(journal, *block, block->header.position, all);
            if (random() % 4 == 0) held.emplace_back(*block, TextOf(*block));
          }
          break;
        }
        case 8:
          journal.DropExpired();
          journal.KeepFrom(random() % 4 == 0 ? random() % (all.size() + 1) : UINT64_MAX);
          break;
        default:
          if (!held.empty())
            held.erase(held.begin() + static_cast<int>(random() % held.size()));
          CheckFind(journal, all, random() % 50);
          break;
      }
      ASSERT_EQ(journal.head() + journal.unpublished(), all.size());
      ASSERT_EQ(published.size(), journal.head());
      ASSERT_LE(journal.tail(), journal.head());
      ASSERT_EQ(journal.records(), counts_.Before(options.records, all, journal.head()));
    }
    journal.PublishAll();
    ASSERT_TRUE(Same(published, all));
    ASSERT_EQ(ReadAll(journal, journal.tail(), all, 1 + random() % 300'000),
              all.substr(journal.tail()));
    for (const auto& [block, text] : held) ASSERT_EQ(TextOf(block), text);
    held.clear();
    ASSERT_EQ(journal.pinned_bytes(), 0U);
  }

  static void CheckFind(const Journal& journal, const std::string& all, std::uint64_t count) {
    const RecordFormat format = journal.records_format();
    const auto found = journal.FindLast(count);
    ASSERT_EQ(found.has_value(), format != RecordFormat::kRaw);
    if (!found || journal.records() <= count) return;
    const std::uint64_t wanted = journal.records() - count;
    const Position begins = LengthOfRecords(format, AsBytes(all).first(journal.head()), wanted);
    ASSERT_EQ(*found, std::max(begins, journal.tail()));
  }

  static std::string RandomText(std::mt19937_64& random) {
    const std::size_t length = std::array<std::size_t, 4>{0, random() % 20, random() % 3000,
                                                          random() % 400'000}[random() % 4];
    std::string text(length, 'x');
    for (std::size_t i = 0; i < length; i += 1 + random() % 500) {
      text[i] = "\n\0ab"[random() % 4];
    }
    return text;
  }
};

INSTANTIATE_TEST_SUITE_P(, JournalModel, testing::Bool(), [](const auto& which) {
  return std::string(which.param ? "InFiles" : "InMemory");
});

TEST_P(JournalModel, HoldsForManySeeds) {
  const char* one = std::getenv("PIPEDUP_SEED");
  const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  const std::uint64_t last = one != nullptr ? first : 30;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("PIPEDUP_SEED=" + std::to_string(seed));
    Run(seed);
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace
}  // namespace pipedup
