// The oracle must be wrong about nothing: an account with any single fault has to be caught.
#include "support/oracle.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "support/content.h"

namespace pipedup::test {
namespace {

constexpr std::size_t kFrom = 3000;
constexpr std::size_t kTo = 7000;
constexpr std::size_t kBegin = 100;
constexpr std::size_t kBytes = 10'000;

std::uint64_t Lines(const std::string& text, std::size_t from, std::size_t to) {
  std::uint64_t count = 0;
  for (std::size_t i = from; i < to; ++i) count += text[i] == '\n' ? 1 : 0;
  return count;
}

class OracleTest : public ::testing::Test {
 protected:
  OracleTest() : produced_(MakeRecords(1, kBytes)) {
    account_.delivered = produced_.substr(kBegin, kFrom - kBegin) + produced_.substr(kTo);
    account_.begin = kBegin;
    account_.position = kBytes;
    account_.received_bytes = account_.delivered.size();
    account_.lost_bytes = kTo - kFrom;
    account_.lost_records = Lines(produced_, kFrom, kTo);
    account_.gaps.push_back({.from = kFrom,
                             .to = kTo,
                             .bytes = kTo - kFrom,
                             .first_record = Lines(produced_, 0, kFrom),
                             .records = account_.lost_records});
  }

  std::string Check(Expected::Until until = Expected::Until::kEnd) {
    return CheckEquation({.produced = produced_, .until = until}, account_);
  }

  const std::string produced_;
  Account account_;
};

TEST_F(OracleTest, AcceptsARightAccount) {
  EXPECT_EQ("", Check());
}

TEST_F(OracleTest, AcceptsAnEmptyStream) {
  EXPECT_EQ("", CheckEquation({.produced = ""}, Account()));
}

TEST_F(OracleTest, AcceptsTwoGaps) {
  account_.delivered.erase(0, kFrom - kBegin);
  account_.received_bytes = account_.delivered.size();
  GapReport first{.from = kBegin,
                  .to = kFrom,
                  .bytes = kFrom - kBegin,
                  .first_record = Lines(produced_, 0, kBegin),
                  .records = Lines(produced_, kBegin, kFrom)};
  account_.lost_bytes += first.bytes;
  account_.lost_records += first.records;
  account_.gaps.insert(account_.gaps.begin(), first);
  EXPECT_EQ("", Check());
}

TEST_F(OracleTest, CatchesAMissingByte) {
  for (const std::size_t at :
       {std::size_t{0}, kFrom - kBegin - 1, account_.delivered.size() - 1}) {
    const Account right = account_;
    account_.delivered.erase(at, 1);
    account_.received_bytes -= 1;
    EXPECT_NE("", Check()) << "at " << at;
    account_ = right;
  }
}

TEST_F(OracleTest, CatchesAByteDeliveredTwice) {
  for (const std::size_t at : {std::size_t{0}, kFrom - kBegin, account_.delivered.size() - 1}) {
    const Account right = account_;
    account_.delivered.insert(at, 1, account_.delivered[at]);
    account_.received_bytes += 1;
    EXPECT_NE("", Check()) << "at " << at;
    account_ = right;
  }
}

TEST_F(OracleTest, CatchesAChangedByte) {
  for (const std::size_t at : {std::size_t{0}, kFrom - kBegin, account_.delivered.size() - 1}) {
    const Account right = account_;
    account_.delivered[at] = static_cast<char>(account_.delivered[at] ^ 1);
    EXPECT_NE("", Check()) << "at " << at;
    account_ = right;
  }
}

TEST_F(OracleTest, CatchesBlocksOutOfOrder) {
  account_.delivered = account_.delivered.substr(1000, 1000) +
                       account_.delivered.substr(0, 1000) + account_.delivered.substr(2000);
  EXPECT_NE("", Check());
}

TEST_F(OracleTest, CatchesAGapThatWasNotReported) {
  account_.gaps.clear();
  account_.lost_bytes = account_.lost_records = 0;
  EXPECT_NE("", Check());
}

TEST_F(OracleTest, CatchesAGapReportedTwice) {
  account_.gaps.push_back(account_.gaps.front());
  account_.lost_bytes *= 2;
  account_.lost_records *= 2;
  EXPECT_NE("", Check());
}

TEST_F(OracleTest, CatchesAReportThatIsOffByOneAnywhere) {
  for (std::uint64_t GapReport::*member : {&GapReport::from, &GapReport::to, &GapReport::bytes,
                                           &GapReport::first_record, &GapReport::records}) {
    for (const std::uint64_t off : {std::uint64_t{1}, ~std::uint64_t{0}}) {
      const Account right = account_;
      account_.gaps.front().*member += off;
      EXPECT_NE("", Check());
      account_ = right;
    }
  }
}

TEST_F(OracleTest, CatchesTotalsThatAreOffByOne) {
  for (std::uint64_t Account::*member :
       {&Account::begin, &Account::position, &Account::received_bytes, &Account::lost_bytes,
        &Account::lost_records}) {
    for (const std::uint64_t off : {std::uint64_t{1}, ~std::uint64_t{0}}) {
      const Account right = account_;
      account_.*member += off;
      EXPECT_NE("", Check());
      account_ = right;
    }
  }
}

TEST_F(OracleTest, CatchesAnEarlyEndUnlessItWasCutShort) {
  account_.delivered.resize(account_.delivered.size() - 10);
  account_.received_bytes -= 10;
  account_.position -= 10;
  EXPECT_NE("", Check());
  EXPECT_EQ("", Check(Expected::Until::kAnyByte));
  account_.delivered.pop_back();
  EXPECT_NE("", Check(Expected::Until::kAnyByte));
}

TEST_F(OracleTest, CatchesAGapWithoutItsRecordsBetweenDeliveredBytes) {
  account_.gaps.front().records_known = false;
  account_.gaps.front().first_record = account_.gaps.front().records = account_.lost_records =
      0;
  EXPECT_NE("", Check());
}

TEST_F(OracleTest, AcceptsAGapWithoutItsRecordsBeforeAllDeliveredBytes) {
  account_.begin = kFrom;
  account_.delivered.erase(0, kFrom - kBegin);
  account_.received_bytes = account_.delivered.size();
  account_.gaps.front().records_known = false;
  account_.gaps.front().first_record = account_.gaps.front().records = account_.lost_records =
      0;
  EXPECT_EQ("", Check());
}

TEST_F(OracleTest, CutShortBeforeAReportedGapIsRight) {
  account_.delivered.resize(500);
  account_.position = kBegin + 500;
  EXPECT_EQ("", Check(Expected::Until::kAnyByte));
}

}  // namespace
}  // namespace pipedup::test
