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
                 OnNoList on_no_list)
    : loop_(loop),
      on_stream_(std::move(on_stream)),
      pattern_(std::move(pattern)),
      dead_after_(options.front().modes.dead_after) {
  readers_.emplace_back(loop, first);
  readers_.front().SetElsewhere(
      [this](const control::Welcome& welcome) { return FindOrAdd(welcome); });
  for (const ReceiverOptions& one : options) {
    lists_.emplace_back(
        context, loop, one.endpoint, dead_after_,
        [this, &context, one](const control::ListedStream& stream) {
          OnListed(context, one, stream);
        },
        [on_no_list, one] { on_no_list(one.endpoint); });
  }
}

void Streams::OnListed(Context& context, const ReceiverOptions& options,
                       const control::ListedStream& stream) {
  if (!MatchesPattern(pattern_, stream.stream)) return;
  if (!known_.emplace(options.endpoint.data(), stream.stream).second) return;
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
