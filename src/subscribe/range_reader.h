// Ranges of one session, asked of a publisher beside the live stream: what a relay lacks.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/units.h"
#include "net/loop.h"
#include "net/socket.h"
#include "subscribe/any_range_reader.h"
#include "wire/block_header.h"
#include "wire/compression.h"
#include "wire/control.h"

namespace pipedup {

/// Connects when it is asked, as a tap, and leaves when it was not asked for a while. Whoever
/// does not answer within `patience`, or with what is no answer, is left, and the next of
/// `endpoints` is asked for the rest; this goes on until nothing has come for ten times that.
/// Whoever asks after that waits for `patience` only, until somebody is heard again.
class RangeReader final : public AnyRangeReader {
 public:
  RangeReader(Context& context, EventLoop& loop, std::vector<Endpoint> endpoints,
              control::Hello hello, SessionId session, Duration patience,
              RangeReaderEvents& events);
  ~RangeReader() override;
  RangeReader(const RangeReader&) = delete;
  RangeReader& operator=(const RangeReader&) = delete;

  bool Ask(std::uint64_t ticket, const control::ReadFrom& from, std::uint64_t max) override;
  /// `patience` has to be enough then, and the connection is kept no longer than it is needed.
  void ExpectEnd() override { expects_end_ = true; }
  bool expects_end() const override { return expects_end_; }

 private:
  struct Question {
    std::uint64_t ticket = 0;
    control::Read read;       ///< of what has not come yet
    std::size_t refused = 0;  ///< endpoints that no longer have it
    TimePoint since{};        ///< it is the oldest one, or something has come
  };
  void Resend();
  void Connect();
  void Close();
  void Receive();
  void OnBlock();
  std::optional<SharedBytes> PayloadOf(const BlockHeader& header);
  bool AskNext();
  void OnMessage(const control::Message& message);
  void Send(const control::Message& message);
  void Fail();
  void Tick();

  Context& context_;
  EventLoop& loop_;
  const std::vector<Endpoint> endpoints_;
  control::Hello hello_;
  const SessionId session_;
  const Duration patience_;
  RangeReaderEvents& events_;
  std::optional<Socket> control_;
  EventLoop::WatchId watch_ = 0;
  EventLoop::TimerId tick_;
  std::size_t next_endpoint_ = 0;
  bool ipv6_ = false;  // alternates for names, which may be of either family
  bool welcome_ = false;
  bool failed_ = false;
  bool expects_end_ = false;
  bool given_up_ = false;  // nobody was heard for long, nor since
  std::uint64_t last_request_ = 0;
  Decompressor decompressor_;
  std::deque<Question> questions_;  // not answered yet, oldest first
  std::vector<Message> frames_;
  TimePoint heard_{};  // or asked
  TimePoint connected_{};
  TimePoint pinged_{};
};

}  // namespace pipedup
