// Where a received stream goes: a descriptor, or programs that this process runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/units.h"
#include "os/child.h"
#include "pipedup/types.h"

namespace pipedup {

/// What an output tells its owner, from the loop. None is called from within Output::Push.
class OutputEvents {
 public:
  virtual ~OutputEvents() = default;
  /// Any of queued(), mark(), drained(), open() and done() may have changed.
  virtual void OnOutput() = 0;
};

/// One thread pushes. Nothing here blocks, and nothing is bounded: whoever pushes looks at
/// queued() first.
class Output {
 public:
  /// How far a session has been written.
  struct Mark {
    SessionId session = 0;  ///< 0: nothing of any was written
    Position position = 0;
  };

  virtual ~Output() = default;

  /// Writes `bytes` (not empty) after everything that was pushed before. They stand for
  /// [from, to) of `session`, with labels or without.
  virtual void Push(SharedBytes bytes, SessionId session, Position from, Position to) = 0;
  /// Nothing more is pushed.
  virtual void Finish() = 0;
  /// What was pushed and not written need not be written any more.
  virtual void Abort() = 0;

  /// Bytes that the pace of the stream depends on: pushed and not written.
  virtual std::uint64_t queued() const = 0;
  /// Every byte of mark().session before mark().position was written, or reported lost.
  virtual Mark mark() const = 0;
  /// Everything that was pushed was written, and whoever reads it is still there.
  virtual bool drained() const = 0;
  /// Somebody takes bytes. Once false it stays so, and pushing is of no use.
  virtual bool open() const = 0;
  /// After Finish or Abort, or once it is not open: there is nothing left to wait for.
  virtual bool done() const = 0;
  /// How it has ended so far, as an exit status.
  virtual int exit_status() const = 0;
  /// Why writing failed; "" if it did not.
  virtual std::string error() const = 0;
  /// Bytes written, to all readers together.
  virtual std::uint64_t written() const = 0;

  /// Of what was written, the last bytes that nobody will read, because the reader has left; 0
  /// if that cannot be known, or mark() does not count them.
  virtual std::uint64_t abandoned() const { return 0; }

  // ---- of outputs that run programs ----

  virtual bool runs_programs() const { return false; }
  /// For each of them.
  virtual void Signal(int number) { (void)number; }
  /// A child of this process was reaped, whoever's it was.
  virtual void OnEnded(const Ended& ended) { (void)ended; }
  /// Bytes of the stream that readers have lost here, each of them counted on its own.
  virtual std::uint64_t lost_bytes() const { return 0; }
};

}  // namespace pipedup
