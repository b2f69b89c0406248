// What several endpoints have: one stream, or several.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "subscribe/stream_reader.h"

namespace pipedup {

/// A reader for each session that the endpoints have when they answer first. Endpoints of one
/// session share a reader, which follows that stream from then on. The first reader is there
/// from the beginning, with all endpoints that have not answered yet.
class Streams {
 public:
  /// Whom the reader of another stream tells of it; nullptr: it is not read, and its endpoint
  /// stands apart. Called from the loop; the events must outlive the Streams.
  using OnStream = std::function<StreamEvents*(const control::Welcome& welcome)>;

  /// `options`: at least one. Everything must outlive it but `options`.
  Streams(Context& context, EventLoop& loop, const std::vector<ReceiverOptions>& options,
          StreamEvents& first, OnStream on_stream);

  std::list<StreamReader>& readers() { return readers_; }
  /// An endpoint may have another stream still, and say so soon.
  bool MayGrow() const { return readers_.front().MayGrow(); }

 private:
  StreamReader* FindOrAdd(const control::Welcome& welcome);

  EventLoop& loop_;
  const OnStream on_stream_;
  std::list<StreamReader> readers_;
};

}  // namespace pipedup
