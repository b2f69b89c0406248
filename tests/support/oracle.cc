#include "support/oracle.h"

#include <algorithm>
#include <cstddef>

namespace pipedup::test {
namespace {

using std::to_string;

class Walk {
 public:
  Walk(const Expected& expected, const Account& account)
      : expected_(expected), account_(account), at_(account.begin) {}

  std::string Check() {
    if (account_.begin > expected_.produced.size()) return "it begins behind the last byte";
    for (const GapReport& gap : account_.gaps) {
      // Reported while what comes before it was still to be written, when the end came.
      const bool unwritten =
          expected_.until == Expected::Until::kAnyByte && gap.from >= account_.position;
      if (unwritten) break;
      Deliver(gap.from, "the gap at " + to_string(gap.from));
      if (wrong_.empty()) Skip(gap);
      if (!wrong_.empty()) return wrong_;
    }
    Deliver(account_.position, "the position at the end");
    if (wrong_.empty()) CheckEnd();
    if (wrong_.empty()) CheckTotals();
    return wrong_;
  }

 private:
  /// The delivered bytes up to position `to` are those that were produced.
  void Deliver(std::uint64_t to, const std::string& what) {
    if (to < at_) {
      wrong_ = what + " lies before " + to_string(at_) + ", which was accounted for already";
      return;
    }
    if (to > expected_.produced.size()) {
      wrong_ =
          what + " lies behind the " + to_string(expected_.produced.size()) + " bytes produced";
      return;
    }
    const auto length = static_cast<std::size_t>(to - at_);
    const std::string_view wanted = expected_.produced.substr(at_, length);
    const std::string_view got = std::string_view(account_.delivered).substr(taken_, length);
    const std::size_t same = CommonPrefix(wanted, got);
    if (same < length) {
      wrong_ = (same == got.size() ? "nothing was delivered" : "another byte was delivered");
      wrong_ += " for position " + to_string(at_ + same) + " (byte " +
                to_string(taken_ + same) + " of " + to_string(account_.delivered.size()) +
                " delivered), before " + what;
      return;
    }
    taken_ += length;
    at_ = to;
  }

  void Skip(const GapReport& gap) {
    const std::string name = "gap " + to_string(gap.from) + " to " + to_string(gap.to) + ": ";
    if (gap.to <= gap.from) {
      wrong_ = name + "is empty";
    } else if (gap.to > expected_.produced.size()) {
      wrong_ = name + "reaches behind the last byte produced";
    } else if (gap.bytes != gap.to - gap.from) {
      wrong_ = name + "says " + to_string(gap.bytes) + " bytes";
    } else {
      CheckRecords(gap, name);
    }
    at_ = gap.to;
  }

  void CheckRecords(const GapReport& gap, const std::string& name) {
    if (!gap.records_known) {
      // Only a gap that nothing was delivered before, or comes behind, has an unknown number.
      if (gap.from > account_.begin && gap.to < account_.position) {
        wrong_ = name + "does not say how many records were lost";
      }
      return;
    }
    const std::uint64_t before = Records(0, gap.from);
    const std::uint64_t inside = Records(gap.from, gap.to);
    if (gap.first_record != before) {
      wrong_ = name + "says that " + to_string(gap.first_record) +
               " records ended before it; " + to_string(before) + " did";
    }
    // A gap with nothing behind it, of a publisher that is gone, has a number nobody can know.
    const bool countable = expected_.until == Expected::Until::kEnd ||
                           gap.to < account_.position || gap.records > 0;
    if (countable && gap.records != inside) {
      wrong_ = name + "says " + to_string(gap.records) + " records, " + to_string(inside) +
               " were lost";
    }
  }

  std::uint64_t Records(std::uint64_t from, std::uint64_t to) const {
    if (!expected_.delimiter) return 0;
    const std::string_view part = expected_.produced.substr(from, to - from);
    return static_cast<std::uint64_t>(
        std::count(part.begin(), part.end(), *expected_.delimiter));
  }

  void CheckEnd() {
    if (taken_ != account_.delivered.size()) {
      wrong_ = to_string(account_.delivered.size() - taken_) + " bytes too many were delivered";
    } else if (expected_.until == Expected::Until::kEnd && at_ != expected_.produced.size()) {
      wrong_ = "it ends at " + to_string(at_) + ", " +
               to_string(expected_.produced.size() - at_) + " bytes early";
    }
  }

  void CheckTotals() {
    std::uint64_t bytes = 0;
    std::uint64_t records = 0;
    for (const GapReport& gap : account_.gaps) {
      bytes += gap.bytes;
      records += gap.records;
    }
    if (account_.lost_bytes != bytes) {
      wrong_ = "the total says " + to_string(account_.lost_bytes) + " bytes lost, the gaps " +
               to_string(bytes);
    } else if (account_.lost_records != records) {
      wrong_ = "the total says " + to_string(account_.lost_records) +
               " records lost, the gaps " + to_string(records);
    } else if (account_.received_bytes < account_.delivered.size() ||
               (expected_.until == Expected::Until::kEnd &&
                account_.received_bytes != account_.delivered.size())) {
      wrong_ = "the total says " + to_string(account_.received_bytes) + " bytes received, " +
               to_string(account_.delivered.size()) + " were delivered";
    }
  }

  const Expected& expected_;
  const Account& account_;
  std::uint64_t at_;       // every produced byte before it is accounted for
  std::size_t taken_ = 0;  // of the delivered bytes
  std::string wrong_;
};

}  // namespace

std::string CheckEquation(const Expected& expected, const Account& account) {
  return Walk(expected, account).Check();
}

std::size_t CommonPrefix(std::string_view a, std::string_view b) {
  const std::size_t length = std::min(a.size(), b.size());
  return static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(length), b.begin())
          .first -
      a.begin());
}

}  // namespace pipedup::test
