// What a live response is made of: a position in a stream.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "http/events.h"
#include "http/hub.h"
#include "pipedup/types.h"

namespace pipedup::http {

class Body {
 public:
  enum class Outcome : std::uint8_t {
    kBytes,   ///< some were written
    kWait,    ///< nothing now: ask again when there is more
    kEnd,     ///< that was all
    kBroken,  ///< that was not all, and nothing more comes: the reader has to notice
  };
  virtual ~Body();
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;

  /// Writes the next bytes to `into`; `*count` of them.
  virtual Outcome Fill(std::span<char> into, std::size_t* count, TimePoint now) = 0;
  /// After kWait: whether Fill would come to something else now. Any thread, while no other one
  /// uses the body.
  virtual bool HasMore(TimePoint now) const = 0;
  /// Its reader has gone: the next Fill is kBroken.
  void Abandon() { abandoned_ = true; }
  /// So it is from when `revoked` is true. Before the first Fill.
  void EndWhen(std::shared_ptr<const std::atomic<bool>> revoked) {
    revoked_ = std::move(revoked);
  }

 protected:
  Body(std::shared_ptr<Stream> stream, Position position);

  Stream& stream() const { return *stream_; }
  /// What stands where the reader is, which moves behind it; a gap is told of first.
  struct Step {
    Outcome outcome = Outcome::kWait;  ///< kBytes: `bytes`, or a gap
    SharedBytes bytes;                 ///< to be let go of at once
    Position gap_to = 0;               ///< 0: none
  };
  Step Next(std::size_t max);
  bool stands_at_more() const;
  bool was_cut_off() const { return place_.cut_off(); }
  void CountSent(std::size_t count) { stream_->counters().sent_bytes.fetch_add(count); }

 private:
  Step CutOff();

  const std::shared_ptr<Stream> stream_;
  Place place_;
  bool must_end() const { return abandoned_ || (revoked_ && revoked_->load()); }

  bool abandoned_ = false;
  std::shared_ptr<const std::atomic<bool>> revoked_;
};

/// The bytes, and nothing else. A gap breaks it off, and so does a publisher that leaves.
class BytesBody final : public Body {
 public:
  BytesBody(std::shared_ptr<Stream> stream, Position position)
      : Body(std::move(stream), position) {}

  Outcome Fill(std::span<char> into, std::size_t* count, TimePoint now) override;
  bool HasMore(TimePoint) const override { return stands_at_more(); }
};

/// Server-sent events: see EventWriter. Gaps are events, and what there was before them goes on
/// behind them. `missed` is said first.
class EventsBody final : public Body {
 public:
  EventsBody(std::shared_ptr<Stream> stream, Position position,
             const std::vector<Missed>& missed = {});

  Outcome Fill(std::span<char> into, std::size_t* count, TimePoint now) override;
  bool HasMore(TimePoint now) const override {
    return stands_at_more() || now >= keep_alive_at_;
  }

 private:
  Outcome More(TimePoint now);

  EventWriter writer_;
  std::string out_;
  std::size_t sent_ = 0;  // of out_
  bool ended_ = false;
  TimePoint keep_alive_at_;
};

}  // namespace pipedup::http
