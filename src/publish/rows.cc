#include "publish/rows.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/text.h"

namespace pipedup {
namespace {

constexpr std::size_t kMostRows = 8'000;  // more do not fit into an answer

}  // namespace

std::vector<control::SubscriberRow> MakeRows(const Members& members, const Journal& journal,
                                             const std::string& waits_for,
                                             std::uint64_t secret) {
  std::vector<control::SubscriberRow> rows;
  const std::int64_t now_ns = WallNow();
  for (const auto& [id, member] : members.all()) {
    control::SubscriberRow row;
    row.id = Hex(Checksum(AsBytes(Hex(secret) + id)));
    row.name = member.name;
    row.host = member.host;
    row.address = member.address;
    row.key = member.key;
    row.pid = member.pid;
    row.role = member.role;
    row.mode = member.mode;
    row.position = member.position;
    row.lag_bytes = journal.head() - std::min(journal.head(), member.position);
    if (row.lag_bytes > 0) {
      row.lag_seconds =
          static_cast<double>(std::max<std::int64_t>(
              now_ns - journal.TimeAt(std::max(member.position, journal.tail())), 0)) /
          1e9;
    }
    row.lost = member.lost;
    row.holds = id == waits_for;
    row.replicas = member.replicas;
    rows.push_back(std::move(row));
  }
  std::ranges::stable_sort(rows, std::greater(), &control::SubscriberRow::lag_bytes);
  if (rows.size() > kMostRows) rows.resize(kMostRows);
  return rows;
}

}  // namespace pipedup
