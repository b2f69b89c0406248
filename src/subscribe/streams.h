// What several endpoints have: one stream, or several.
#pragma once

#include <functional>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "subscribe/stream_list.h"
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

  /// Streams of an endpoint are not read: why. It may be said again and again.
  using OnNotListed = std::function<void(const Endpoint& endpoint, const std::string& why)>;
  /// Of all endpoints together: each is a member, with connections of its own.
  static constexpr std::size_t kMostListed = 1000;

  /// `options`: at least one. Everything must outlive it but `options`.
  Streams(Context& context, EventLoop& loop, const std::vector<ReceiverOptions>& options,
          StreamEvents& first, OnStream on_stream);
  /// Reads the streams of the endpoints whose names match `pattern`, also those that come
  /// later. The streams in `options` do not count.
  Streams(Context& context, EventLoop& loop, const std::vector<ReceiverOptions>& options,
          StreamEvents& first, OnStream on_stream, std::string pattern,
          OnNotListed on_not_listed);

  std::list<StreamReader>& readers() { return readers_; }
  /// An endpoint may have another stream still, and say so soon.
  bool MayGrow() const;
  /// When an endpoint has said last which streams it has, where that is asked.
  TimePoint last_listed() const;
  /// No further stream is read.
  void StopGrowing() { lists_.clear(); }

 private:
  void OnListed(Context& context, const ReceiverOptions& options,
                const control::ListedStream& stream);
  StreamReader* FindOrAdd(const control::Welcome& welcome);

  EventLoop& loop_;
  const OnStream on_stream_;
  std::list<StreamReader> readers_;
  const std::string pattern_;
  const OnNotListed on_not_listed_;
  const Duration dead_after_;
  std::set<std::pair<std::string, std::string>> known_;  // endpoints and their streams
  std::list<StreamList> lists_;
};

}  // namespace pipedup
