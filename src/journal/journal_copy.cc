// A journal that is filled with what another one has published.
#include <algorithm>
#include <utility>

#include "base/records.h"
#include "journal/journal.h"

namespace pipedup {

void Journal::AppendBlock(const BlockHeader& header, Position from, ByteSpan bytes) {
  if (bytes.empty()) return;
  relayed_ = &header;
  if (std::exchange(skipped_, false)) {
    const std::uint32_t here =
        from == header.position ? header.records : CountRecords(options_.records, bytes);
    written_.records = header.records_before + header.records - here;
    written_.at_boundary = from == header.position
                               ? header.begins_record
                               : options_.records == RecordFormat::kRaw ||
                                     *(bytes.data() - 1) == Delimiter(options_.records);
  }
  // A block that is cut has to be looked at again by everybody.
  if (last_ && bytes.size() > last_->room() && bytes.size() <= segment_size_.data_bytes) {
    NewSegment(false);
  }
  Append(bytes);
  Publish(unpublished());
  relayed_ = nullptr;
}

void Journal::Skip(Position to, std::uint64_t records, std::string reason) {
  if (to <= written_.position) return;
  Settle();
  SealLast();
  const bool begins = segments_.empty();
  if (!begins) missing_.push_back({written_.position, to, std::move(reason)});
  while (!missing_.empty() && missing_.front().to <= tail()) missing_.pop_front();
  written_ = {to, records, written_.time_ns, true};
  published_ = written_;
  skipped_ = true;
}

std::string Journal::WhyMissing(Position at) const {
  const auto found = std::ranges::find_if(
      missing_, [&](const Missing& gap) { return gap.from <= at && at < gap.to; });
  return found == missing_.end() ? "" : found->reason;
}

}  // namespace pipedup
