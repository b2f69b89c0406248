// One input, copied to several outputs, all at the pace of the slowest: what tee does.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "net/loop.h"
#include "os/fd.h"
#include "os/io.h"

namespace pipedup {

/// Copies in rounds: a round takes at most 1 MiB from the input, and the next one begins when
/// every output has all of it. Between pipes no byte is copied: tee(2) gives each output's own
/// staging pipe the pages that the input's pipe holds, and splice(2) moves them on. What cannot
/// be spliced into gets the same bytes by write(2).
///
/// Never blocks, but for files on a disk, so that signals reach the event loop.
class Lockstep {
 public:
  /// An output takes nothing more. kEnd: it has every byte up to the end of the input; kOk:
  /// Stop was called; kClosed: its reader has left; else it failed, and `error` is the errno.
  /// Called once for each output. The descriptor may be closed from then on; the callback must
  /// not destroy the caller.
  using OnOutputEnd = std::function<void(std::size_t index, IoStatus why, int error)>;
  /// The input cannot be read: errno. Called before the outputs end, with kEnd.
  using OnInputFailed = std::function<void(int error)>;

  /// Begins when the loop runs. The descriptors stay the caller's and must outlive this or
  /// their OnOutputEnd. Throws Error when the process has no descriptor left.
  Lockstep(EventLoop& loop, int input, const std::vector<int>& outputs,
           OnOutputEnd on_output_end, OnInputFailed on_input_failed);
  ~Lockstep();
  Lockstep(const Lockstep&) = delete;
  Lockstep& operator=(const Lockstep&) = delete;

  /// Reads nothing more. What was read and the outputs take at once is written, the rest is
  /// dropped, and all outputs end.
  void Stop();

  /// Bytes of the input that were given to the outputs, which may not have written them yet.
  std::uint64_t taken() const { return taken_; }

 private:
  struct Output {
    int fd = -1;
    std::pair<UniqueFd, UniqueFd> staging = {};  // none: `fd` cannot be spliced into
    std::size_t staged = 0;                      // bytes in it
    ByteSpan rest = {};  // to be written behind them; part of buffer_ or of kept
    std::vector<std::byte> kept = {};
    EventLoop::WatchId writable = 0;
    EventLoop::WatchId hang_up = 0;  // 0: none
    bool open = true;

    bool splices() const { return static_cast<bool>(staging.first); }
    bool pending() const { return staged > 0 || !rest.empty(); }
  };

  void Pump();
  bool Take();
  bool TakeByReading();
  bool FillFeeder();
  bool TakeFromPipe(int from);
  bool ReadRest(int from, std::size_t moved, std::size_t length);
  bool TakeWithoutSplicing();
  bool NothingTaken(const IoResult& result);
  void Drain(std::size_t index);
  static void StopSplicing(Output& output);
  void EndOutput(std::size_t index, IoStatus why, int error);
  void EndAll(IoStatus why);
  bool pending() const;
  void SetWatches();

  EventLoop& loop_;
  const int input_;
  bool input_is_pipe_;
  OnOutputEnd on_output_end_;
  OnInputFailed on_input_failed_;
  std::vector<Output> outputs_;
  std::vector<std::size_t> by_room_;  // indices of outputs_; the smallest staging pipe first
  std::pair<UniqueFd, UniqueFd> feeder_;  // takes the place of an input that is no pipe
  std::size_t fed_ = 0;                   // bytes in it
  std::vector<std::byte> buffer_;
  EventLoop::WatchId readable_ = 0;
  std::uint64_t taken_ = 0;
  bool ended_ = false;
};

}  // namespace pipedup
