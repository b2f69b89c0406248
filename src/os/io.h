// Reading and writing: the one place that knows EINTR, EAGAIN, EPIPE and ENOSPC.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "os/fd.h"

namespace pipedup {

enum class IoStatus : std::uint8_t {
  kOk,           ///< `count` bytes were moved, more than 0
  kEnd,          ///< end of file
  kWouldBlock,   ///< nothing now; wait until the descriptor is ready
  kNoSpace,      ///< the file system is full (ENOSPC, EDQUOT)
  kClosed,       ///< the reader of the pipe or socket has left (EPIPE, ECONNRESET)
  kInterrupted,  ///< a signal came before anything was moved; only calls that say so return it
  kFailed,       ///< `error` has the errno
};

struct [[nodiscard]] IoResult {
  IoStatus status = IoStatus::kOk;
  std::size_t count = 0;  ///< bytes moved before `status` came; may be > 0 with any status
  int error = 0;
};

/// Whether `error` says that the file system is full.
bool IsNoSpace(int error);

/// Whether `error` says that this descriptor does not do such a thing.
bool IsUnsupported(int error);

/// The text of an errno value.
std::string ErrnoText(int error);

/// Reads what is there, at most `into.size()` bytes. Blocks only if the descriptor would.
IoResult ReadSome(int fd, std::span<std::byte> into);

/// Writes all of `bytes` at the file's position, going on after short writes; blocks while the
/// reader is slow. Returns kInterrupted (with the bytes written so far) at a signal, so that
/// a thread that writes can be called back.
IoResult WriteAll(int fd, ByteSpan bytes);

/// Writes up to `parts.size()` pieces with one call, as far as it goes; for small pieces.
IoResult WriteSome(int fd, std::span<const ByteSpan> parts);

/// Writes what a pipe or socket takes at once and never blocks: kWouldBlock when it is full.
/// Nobody else's O_NONBLOCK is touched. CanWriteNow of the descriptor must be true; a pipe that
/// was spliced into cannot do it any more (kFailed, and IsUnsupported of the error).
IoResult WriteNow(int fd, ByteSpan bytes);

/// Whether WriteNow works on `fd` here: a pipe on a kernel that knows RWF_NOWAIT for pipes.
/// Never true in the portable build.
bool CanWriteNow(int fd);

struct PollItem {
  enum class For : std::uint8_t {
    kRead,
    kWrite,
    kHangUp,
    /// The other side of a socket has closed it, or has said that it sends nothing more,
    /// whatever it has sent before that. The portable build notices when that has been read.
    kPeerClosed,
  };
  int fd = -1;
  For what = For::kRead;
  bool ready = false;  ///< it came, or the other side has gone
};

/// Waits until one of `items` is ready, `timeout` is over, or a signal comes. Throws Error if
/// the descriptors are more than the process may have.
void Poll(std::span<PollItem> items, std::chrono::milliseconds timeout);

/// Whether a read of `fd` would return at once.
bool IsReadable(int fd);

/// Ends the connection of a socket in both directions: whoever has the descriptor notices, and
/// closes it.
void ShutDown(int socket);

/// Waits until `fd` can be written or a signal comes, for descriptors that somebody else has
/// made non-blocking.
void WaitWritable(int fd);

/// Writes all of `bytes` at `offset`. kNoSpace and kFailed say how many bytes are in the file.
IoResult WriteAt(int fd, ByteSpan bytes, std::uint64_t offset);

/// Moves at most `max` bytes from the pipe `from` into the file `to` at `offset` without a copy
/// in user space. Never blocks. Nothing leaves the pipe before it is in the file. Where there
/// is no splice (the portable build, a file system that refuses it) the outcome is kFailed and
/// the caller reads and writes instead.
IoResult SpliceToFile(int from, int to, std::uint64_t offset, std::size_t max);

/// The other way round: moves at most `max` bytes that the file `from` holds at `offset` into
/// the pipe `to`, never blocking. The pipe gets the file's own pages, so nobody may change
/// those bytes afterwards; the file may be unlinked and closed.
IoResult SpliceFromFile(int from, std::uint64_t offset, int to, std::size_t max);

/// The same, and waits until the pipe takes something; kInterrupted at a signal.
IoResult SpliceFromFileWaiting(int from, std::uint64_t offset, int to, std::size_t max);

/// Gives the pipe `to` what the pipe `from` holds, at most `max` bytes, as tee(2) does: nothing
/// is copied and nothing leaves `from`. Never blocks: kWouldBlock if `from` is empty or `to` is
/// full, kEnd if `from` is empty for good. Short where `to` has no more room; an empty pipe
/// with as many bytes of capacity as `from` (PipeSize) has room for all that `from` can hold.
/// Without tee(2) (the portable build) kFailed.
IoResult TeePipe(int from, int to, std::size_t max);

/// Moves at most `max` bytes from the pipe `from` into `to`: a pipe, or a file at its own
/// position. Never waits for a pipe: kWouldBlock if `from` is empty or `to` is full. kFailed
/// with EINVAL where `to` cannot be spliced into (a terminal, a file opened for appending):
/// nothing was moved then. Without splice(2) kFailed, always.
IoResult SplicePipe(int from, int to, std::size_t max);

/// Writes as much of `bytes` as goes without waiting for a reader, also on a descriptor that
/// other processes share and that therefore stays in blocking mode: to files and devices all of
/// it, to sockets what they take, to pipes and terminals PIPE_BUF bytes at a time while there
/// is room. kWouldBlock, with the bytes written so far, where it has to wait; kOk: all. A
/// terminal may have room for fewer and wait: see ReopenTerminal.
IoResult WriteReady(int fd, ByteSpan bytes);

/// Bytes that a pipe holds when it is full; 0 if `fd` is no pipe, or nobody can say.
std::size_t PipeSize(int fd);

/// Sets O_NONBLOCK: only for a descriptor that no other process shares, such as our end of a
/// pipe that we made.
void SetNonBlocking(int fd);

/// {read end, write end}. Throws Error when the process has no descriptor left.
std::pair<UniqueFd, UniqueFd> MakePipe();

/// Bytes that a pipe has taken and nobody will read, because no reader is left; 0 while there
/// is one. `pipe` is the write end; of anything else 0.
std::uint64_t AbandonedBytes(int pipe);

bool IsPipe(int fd);
bool IsSocket(int fd);
bool IsTerminal(int fd);

/// The terminal `fd` once more, for writing: a description of its own that never blocks, while
/// the one that other processes share stays as it is. None if `fd` is no terminal, is the
/// other side of one, or may not be opened (another user's).
UniqueFd ReopenTerminal(int fd);
bool IsOpen(int fd);

/// Opens /dev/null on those of 0, 1 and 2 that are closed: otherwise the next descriptors that
/// are made take their places, and children and reports would use them. First thing in a
/// program.
void OpenMissingStandardDescriptors();

inline constexpr int kStdout = 1;
inline constexpr int kStderr = 2;

/// Lets go of what `fd`, one of 0, 1 and 2, leads to, and puts /dev/null there.
void ReplaceByNull(int fd);

/// What the pipes between programs are asked to hold.
inline constexpr std::size_t kPipeBytes = 1024 * 1024;

/// Asks for a pipe of `bytes`; best effort (a user's limit may stand against it). Linux only.
void GrowPipe(int fd, std::size_t bytes = kPipeBytes);

}  // namespace pipedup
