#include "top/rates.h"

#include <utility>

#include "base/text.h"

namespace pipedup::top {

Rate Rates::Note(TimePoint now, const std::string& key, std::uint64_t total) {
  const auto known = meters_.find(key);
  RateMeter meter = known != meters_.end() ? std::move(known->second) : RateMeter(window_);
  meter.Add(now, total);
  const Rate rate = meter.PerSecond();
  next_.insert_or_assign(key, std::move(meter));
  return rate;
}

void Rates::Fill(TimePoint now, std::vector<StreamView>* streams) {
  for (StreamView& stream : *streams) {
    const std::string key = Hex(stream.stats.session);
    stream.rate = Note(now, key, stream.stats.head);
    stream.subscribers.clear();
    for (const control::SubscriberRow& row : stream.stats.subscribers) {
      stream.subscribers.push_back(Note(now, key + " " + row.id, row.position));
    }
  }
  meters_ = std::exchange(next_, {});
}

}  // namespace pipedup::top
