// One of the streams that a subscriber reads: what it says of it, and how far it is written.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "consume/labeler.h"
#include "consume/output.h"
#include "net/loop.h"
#include "pipedup/reporter.h"
#include "pipedup/subscribe.h"
#include "programs/sub_cursor.h"
#include "subscribe/stream_reader.h"

namespace pipedup {

class SubStream;

/// The run that a stream is part of.
class SubStreamOwner {
 public:
  virtual ~SubStreamOwner() = default;
  virtual void OnStreamBegin(SubStream& stream, RecordFormat format) = 0;
  virtual void OnStreamBytes(SubStream& stream, const BlockHeader& header, Position from,
                             SharedBytes bytes) = 0;
  /// The record that was under way is cut off there.
  virtual void OnStreamCut(SubStream& stream) = 0;
  virtual void OnStreamReceived() = 0;
  /// Nothing more comes of one of them.
  virtual void OnStreamOver() = 0;
  /// Nothing of any stream is wanted any more: what it was, or that it has lost something,
  /// makes all of them stop.
  virtual void OnRunFailed(int exit_status) = 0;
  virtual bool finishing() const = 0;
};

/// From its welcome to its end: what is said of it, and how far it is written.
class SubStream final : public StreamEvents {
 public:
  /// All must outlive it. `cursor`: nullptr if there is none. `number`: of the stream, from 0.
  SubStream(const SubscribeOptions& options, Reporter& reporter, EventLoop& loop,
            SubCursor* cursor, SubStreamOwner& owner, std::size_t number);

  std::size_t number() const { return number_; }
  const std::string& name() const { return name_; }
  RecordFormat format() const { return format_; }
  Position begin() const { return begin_; }
  bool ended() const { return ended_; }
  bool over() const { return over_status_.has_value(); }
  int over_status() const { return over_status_.value_or(0); }
  /// A session that was followed did not come to its end.
  bool vanished() const { return vanished_; }
  /// It ended there, before what had been received.
  void EndAt(Position position) { end_override_ = position; }
  std::optional<Position> end_override() const { return end_override_; }

  /// The bytes with their labels, if there are to be any.
  SharedBytes Label(const BlockHeader& header, Position from, const SharedBytes& bytes);

  /// Every byte of the session of `at` before it was written, or reported lost. `mark`: of the
  /// output, if that has not written everything.
  Position WrittenPosition(const StreamReader& reader,
                           const std::optional<Output::Mark>& mark) const;

  /// Says which endpoints have fallen silent, or are back; gives up in time. `keys`: there are
  /// some.
  void Look(StreamReader& reader, TimePoint started, bool keys);

 private:
  void OnBegin(const control::Welcome& session, Position position) override;
  void OnBytes(const BlockHeader& header, Position from, SharedBytes bytes) override;
  void OnGap(const Gap& gap) override;
  void OnSessionChanged(const control::Welcome& now, SessionId old) override;
  void OnSessionContinues(const control::Welcome& now, SessionId old,
                          Position position) override;
  void OnEndOfStream(Position position, std::uint32_t exit_status) override;
  void OnReceived() override { owner_.OnStreamReceived(); }
  void OnFail(int exit_status, const std::string& text) override;
  void OnMode(const std::string& endpoint, control::Mode mode) override;
  void OnLetGo(const std::string& endpoint, const std::string& reason) override;
  void OnDamaged(const std::string& endpoint, const std::string& what) override;
  void OnNotAttached(const std::string& endpoint, const std::string& why) override;
  void OnNotReached(const std::string& endpoint, const std::string& why) override;
  void OnSilence(const std::string& endpoint) override;
  void OnStandsApart(const std::string& endpoint, const control::Welcome& session) override;
  void OnEndpointFailed(const std::string& endpoint, const std::string& text) override;
  void Over(int exit_status);
  void LookAt(const StreamReader& reader, std::size_t number, TimePoint started);

  const SubscribeOptions& options_;
  Reporter& reporter_;
  EventLoop& loop_;
  SubCursor* const cursor_;
  SubStreamOwner& owner_;
  const std::size_t number_;
  RecordFormat format_ = RecordFormat::kLines;
  std::string name_;
  SessionId session_ = 0;
  Position begin_ = 0;
  bool resuming_;                         // at a cursor whose session may be gone
  bool first_ = false;                    // the next bytes are the first behind a cursor
  Output::Mark continued_;                // where the session before this one became this one
  std::optional<Position> end_override_;  // it ended before what had been received
  Labeler labeler_;
  std::vector<std::string> waiting_;  // endpoints, that it was said of
  std::string not_reached_;           // why an endpoint was not, as it was said last
  bool ended_ = false;
  bool vanished_ = false;
  std::optional<int> over_status_;
};

/// Which parts of which stream are in an output, in their order: its mark() knows the last one
/// only.
class WrittenParts {
 public:
  void Add(std::size_t stream, SessionId session, Position from, Position to);
  /// The output has written so far.
  void Advance(const Output::Mark& mark);
  void AdvanceAll();
  /// Of that stream; nothing if nothing of it was.
  std::optional<Output::Mark> Of(std::size_t stream) const;

 private:
  struct Part {
    std::size_t stream = 0;
    SessionId session = 0;
    Position from = 0;
    Position to = 0;
  };
  void Note(const Part& part, Position to);
  std::deque<Part> parts_;
  std::vector<std::optional<Output::Mark>> written_;
};

}  // namespace pipedup
