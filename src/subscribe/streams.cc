#include "subscribe/streams.h"

#include <utility>

namespace pipedup {

Streams::Streams(Context& context, EventLoop& loop, const std::vector<ReceiverOptions>& options,
                 StreamEvents& first, OnStream on_stream)
    : loop_(loop), on_stream_(std::move(on_stream)) {
  readers_.emplace_back(context, loop, options, first);
  readers_.front().SetElsewhere(
      [this](const control::Welcome& welcome) { return FindOrAdd(welcome); });
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
