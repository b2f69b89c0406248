// One input, copied to several outputs, each at its own pace: input → journal → positions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consume/feed.h"
#include "consume/lockstep.h"
#include "journal/directory.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "os/fd.h"
#include "pipedup/reporter.h"
#include "source/source.h"

namespace pipedup {

/// Every output is a position in a journal in memory, so that one that is slow or stopped holds
/// up nobody while it is less than `buffer_bytes` behind. What lies further back is lost to it
/// (and reported as a gap), or the input waits.
class BufferedCopy {
 public:
  struct Options {
    int input = 0;
    bool drop = false;  ///< else the input waits for the slowest output
    std::uint64_t buffer_bytes = 0;
  };
  struct Output {
    std::string label = {};  ///< as messages name it
    int fd = -1;
    UniqueFd pipe = {};  ///< `fd`, if it is the write end of a pipe that this process has made
  };

  /// As with Lockstep. `reporter` is told of gaps, and of what the journal warns of.
  BufferedCopy(EventLoop& loop, Reporter& reporter, const Options& options,
               std::vector<Output> outputs, Lockstep::OnOutputEnd on_output_end,
               Lockstep::OnInputFailed on_input_failed);
  ~BufferedCopy();
  BufferedCopy(const BufferedCopy&) = delete;
  BufferedCopy& operator=(const BufferedCopy&) = delete;

  /// Reads nothing more, drops what the outputs have not taken, and ends all of them.
  void Stop();

  /// Of all gaps together that are over; of all when the outputs have ended.
  std::uint64_t lost_bytes() const { return lost_bytes_; }
  /// Bytes that were read.
  std::uint64_t taken() const { return journal_.head(); }
  /// How far the slowest output is behind that.
  std::uint64_t worst_lag() const;

 private:
  /// A feed writes to a pipe of ours only. Other outputs get what such a pipe holds by a
  /// Lockstep of their own.
  struct Reader {
    std::string label;
    bool open = true;
    UniqueFd staging = {};                 // read end of the pipe between the two
    std::unique_ptr<Lockstep> mover = {};  // from there to the output
    std::unique_ptr<Feed> feed = {};
  };
  JournalOptions MakeJournalOptions(const Options& options);
  void AddReader(Output output);
  void PumpAll();
  void PauseOrNot();
  void OnPassed(const Reader& reader, Position at);
  void OnGap(const Reader& reader, Position from, Position to);
  void EndReader(std::size_t index, IoStatus why, int error);

  EventLoop& loop_;
  Reporter& reporter_;
  const Options options_;
  Lockstep::OnOutputEnd on_output_end_;
  Lockstep::OnInputFailed on_input_failed_;
  std::optional<JournalDirectory> directory_;
  Journal journal_;
  std::vector<Reader> readers_;
  std::optional<Source> source_;
  std::uint64_t lost_bytes_ = 0;
};

}  // namespace pipedup
