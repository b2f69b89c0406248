// One program that reads the stream from its stdin: started, fed, and started again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consume/feed.h"
#include "consume/position_map.h"
#include "consume/restart.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "os/child.h"
#include "os/fd.h"
#include "pipedup/types.h"

namespace pipedup {

struct ConsumerOptions {
  std::string name;               ///< for people
  std::vector<std::string> argv;  ///< found through PATH
  Restart restart = Restart::kNever;
  int output = 1;  ///< descriptor that becomes its stdout; stays the caller's
};

/// Told from the loop, and from Start, Pump, Finish, Drop, OnEnded and the destructor: none may
/// call the consumer back.
struct ConsumerEvents {
  /// position(), takes() or running() may have changed.
  std::function<void()> on_change = {};
  /// Retention has passed it where it stands, at `at`, and it is losing data. See FeedEvents.
  std::function<void(Position at)> on_passed = {};
  /// Bytes [from, to) of the journal are lost to it: that gap, as the one that it is; or what
  /// one that died has left unread in its pipe, from before such a gap.
  std::function<void(Position from, Position to)> on_gap = {};
  /// Around each write into its pipe: see FeedEvents.
  std::function<void(Position from, Position to)> on_write = {};
  std::function<void()> on_written = {};
  /// It has ended; it is started again after `again`, if that is set.
  std::function<void(int exit_status, std::optional<Duration> again)> on_ended = {};
  /// It could not be started again; goes on as if it had ended with the status of the error.
  std::function<void(const std::string& why)> on_not_started = {};
};

/// A child process and the feed of its stdin, which is a pipe of 1 MiB where the system allows.
///
/// A consumer that is not restarted is over when it closes its stdin or ends, whichever comes
/// first. One that may be restarted goes on at the first byte that no process has read from the
/// pipe. For that, this process keeps the read end open too (close-on-exec), and takes out of
/// the pipe what the dead one has left there. The price: as long as it lives, a consumer of
/// this kind that closes its stdin is not told from one that is slow.
class Consumer {
 public:
  /// `loop` and `journal` outlive it. `from`: where in `journal` it begins.
  Consumer(EventLoop& loop, const Journal& journal, ConsumerOptions options, Position from,
           ConsumerEvents events);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  /// Runs the program. Throws Error, with exit status 126 or 127, if that cannot be done.
  void Start();
  /// Gives it what the journal has published. See Feed::Pump.
  void Pump();
  /// Nothing more will be published: its stdin ends after the last byte. It is started again
  /// after that only if it has left bytes unread.
  void Finish();
  /// Its stdin ends now, and it is not started again.
  void Drop();
  void Signal(int number) const;
  /// The process `ended.pid` was reaped; whether it was this one.
  bool OnEnded(const Ended& ended);

  const std::string& name() const { return options_.name; }
  /// Every byte before it was taken by the pipe, or is lost and reported (as Feed::position).
  /// Goes back when what a dead one has left unread is given to the next.
  Position position() const { return feed_ ? feed_->position() : position_; }
  /// Every byte before it was taken by the pipe and may have been read, or was reported lost.
  Position taken() const;
  /// Where positions lie that it may still report: where it stands and what follows, what its
  /// pipe may hold, and the begin of the gap that it is in. In no order.
  std::vector<LocalRange> Unsettled() const;
  /// More bytes go into it, now or after a restart.
  bool takes() const { return (feed_ && feed_->open()) || restart_timer_ != 0; }
  /// Finish was called and all bytes were taken; false for one that left before the end.
  bool drained() const { return drained_; }
  /// There is a process, or will be after a restart.
  bool running() const { return child_.has_value() || restart_timer_ != 0; }
  /// Of the last process that has ended; 0 before.
  int exit_status() const { return exit_status_; }

 private:
  void StartAgain();
  void MakeFeed(UniqueFd pipe);
  void OnGap(Position from, Position to);
  void CloseFeed();
  std::uint64_t TakeUnread();
  void GoBack(std::uint64_t unread);
  void Over(int exit_status, Duration ran);
  void Change() const;

  EventLoop& loop_;
  const Journal& journal_;
  const ConsumerOptions options_;
  const ConsumerEvents events_;
  RestartRule rule_;
  std::optional<Child> child_;
  std::unique_ptr<Feed> feed_;
  UniqueFd read_end_;             // of a consumer that may be restarted
  Position position_;             // while there is no feed
  std::uint64_t abandoned_ = 0;   // before that, in a pipe that is gone
  std::vector<LocalRange> gaps_;  // told, with bytes before them that the pipe may still hold
  EventLoop::TimerId restart_timer_ = 0;
  TimePoint started_{};
  bool finishing_ = false;
  bool dropped_ = false;
  bool drained_ = false;
  int exit_status_ = 0;
};

}  // namespace pipedup
