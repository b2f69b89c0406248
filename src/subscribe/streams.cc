#include "subscribe/streams.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/text.h"

namespace pipedup {

Streams::Streams(Context& context, EventLoop& loop, const std::vector<ReceiverOptions>& options,
                 StreamEvents& first, OnStream on_stream)
    : loop_(loop),
      on_stream_(std::move(on_stream)),
      dead_after_(options.front().modes.dead_after) {
  readers_.emplace_back(context, loop, options, first);
  readers_.front().SetElsewhere(
      [this](const control::Welcome& welcome) { return FindOrAdd(welcome); });
}

Streams::Streams(Context& context, EventLoop& loop, const std::vector<ReceiverOptions>& options,
                 StreamEvents& first, OnStream on_stream, std::string pattern,
                 OnNotListed on_not_listed)
    : loop_(loop),
      on_stream_(std::move(on_stream)),
      pattern_(std::move(pattern)),
      on_not_listed_(std::move(on_not_listed)),
      dead_after_(options.front().modes.dead_after) {
  readers_.emplace_back(loop, first);
  readers_.front().SetElsewhere(
      [this](const control::Welcome& welcome) { return FindOrAdd(welcome); });
  for (const ReceiverOptions& one : options) {
    if (one.make) {  // it has one stream, and knows by itself whether that matches
      ReceiverOptions made = one;
      made.hello.stream = pattern_;
      readers_.front().Add(context, made);
      continue;
    }
    lists_.emplace_back(
        context, loop, one.endpoint, dead_after_,
        [this, &context, one](const control::ListedStream& stream) {
          OnListed(context, one, stream);
        },
        [this, one] {
          on_not_listed_(one.endpoint, "it cannot say which streams it has: name one with -s");
        });
  }
}

void Streams::OnListed(Context& context, const ReceiverOptions& options,
                       const control::ListedStream& stream) {
  if (!MatchesPattern(pattern_, stream.stream)) return;
  const auto key = std::pair(options.endpoint.data(), stream.stream);
  if (known_.contains(key)) return;
  if (known_.size() >= kMostListed) {
    on_not_listed_(options.endpoint, "stream '" + stream.stream + "' is beyond the " +
                                         std::to_string(kMostListed) +
                                         " that one subscriber reads");
    return;
  }
  known_.insert(key);
  ReceiverOptions made = options;
  made.hello.stream = stream.stream;
  const std::string both = options.hello.id + " " + stream.stream;
  made.hello.id = Hex(Checksum(AsBytes(both)));  // each is a member of its own
  readers_.front().Add(context, made);
}

bool Streams::MayGrow() const {
  for (const StreamList& list : lists_) {
    if (!list.complete() && loop_.now() - list.last_heard() <= dead_after_) return true;
  }
  return readers_.front().MayGrow();
}

TimePoint Streams::last_listed() const {
  TimePoint last{};
  for (const StreamList& list : lists_) last = std::max(last, list.last_heard());
  return last;
}

StreamReader* Streams::FindOrAdd(const control::Welcome& welcome) {
  for (StreamReader& reader : readers_) {
    if (&reader != &readers_.front() && reader.Fits(welcome)) return &reader;
  }
  StreamEvents* const events = on_stream_(welcome);
  if (events == nullptr) return nullptr;
  readers_.emplace_back(loop_, *events);
  return &readers_.back();
}

}  // namespace pipedup
