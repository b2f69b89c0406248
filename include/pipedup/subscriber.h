// Reads a stream in a program: its blocks, one after another, and what was lost in between.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "pipedup/types.h"

namespace pipedup {

/// How far a stream was read: enough to go on there in a later process. A program that keeps
/// what it makes of the stream keeps this with it, in the same transaction where there is one.
struct ResumePoint {
  std::string stream;
  SessionId session = 0;  ///< 0: nothing was read
  Position position = 0;  ///< of the next byte
  bool ended = false;     ///< the session's end was read
};

struct SubscriberOptions {
  /// Where the publisher, or a relay, is: "host", "host:port", "ipc:///path". Several of the
  /// same session are read as one stream: each block is taken from whoever has it first, and
  /// one that dies is not felt. At least one, none twice.
  std::vector<std::string> endpoints = {"tcp://127.0.0.1:5590"};
  /// None: the one that the publisher has.
  std::optional<std::string> stream = {};
  StartAt from = {};
  /// Goes on there, and `from` counts only if its session is gone: unless that had ended, a Gap
  /// of no length says then that what came behind the point is lost, as much as it was.
  /// `stream`, if that is not given, is that of the point.
  std::optional<ResumePoint> resume = {};
  /// Files with the publisher's public key and with this subscriber's secret key (CURVE); both
  /// or none.
  std::string server_key = {};
  std::string curve_secret = {};
  bool follow = false;    ///< stay through the end of a session and through publisher restarts
  bool tap = false;       ///< never make a producer wait
  bool attach = true;     ///< read the publisher's journal itself if it is on this machine
  std::string name = {};  ///< shown to operators, at most 85 bytes; empty: host and process id
  std::chrono::nanoseconds give_up = std::chrono::seconds(30);    ///< 0: never
  std::chrono::nanoseconds dead_after = std::chrono::seconds(3);  ///< 200 ms to 1 h
  std::uint64_t hold_bytes = 16 * 1024 * 1024;  ///< received and not taken; 4 MiB to 1 GiB
};

/// One stream, read in a thread of its own: what it receives waits here to be taken, and what
/// waits is bounded by `hold_bytes`. A slow reader is felt by nobody: what there is no room for
/// stays in the publisher's journal, and is fetched from there later. Only when retention has
/// passed it by then is it lost, and then a Gap says so: blocks and gaps together are all bytes
/// from the Begin on, none twice.
///
/// Threads: Next and resume_point by one at a time; Stop, any. Signals are left to the program:
/// no thread made here takes any. Needs about 25 descriptors. fork: neither parent nor child
/// may use in the child what was made before.
class Subscriber {
 public:
  /// A session begins, or goes on where an earlier reader, or the session before it, has
  /// stopped. Comes before the first block of each session. Without an End before it, the
  /// publisher of the session before has vanished: what it published last, and nobody here has
  /// heard of, is missing.
  struct Begin {
    std::string stream;
    SessionId session = 0;
    Position position = 0;  ///< of the first byte that comes
    RecordFormat records = RecordFormat::kLines;
    bool continues = false;  ///< bytes before `position` were read already
  };

  /// Bytes of the stream. They begin where the last ones ended, or behind a Gap, or at a Begin;
  /// a record may begin in one block and end in another. Read-only; copies share the memory,
  /// which the last one releases, in any thread.
  struct Block {
    SessionId session = 0;
    Position position = 0;              ///< of the first byte
    std::span<const std::byte> bytes;   ///< 1 byte to 1 MiB
    std::shared_ptr<const void> owner;  ///< what keeps them alive
    WallTime time{};                    ///< when the last of them was published
    bool ends_record = false;           ///< the last byte is the last of a record

    Position end() const { return position + bytes.size(); }
  };

  /// The publisher has said that nothing comes after `position`, and all before it was
  /// delivered or is in a Gap. With `follow`, a Begin may come after it.
  struct End {
    SessionId session = 0;
    Position position = 0;
    std::optional<std::uint32_t> exit_status;  ///< of the producer, where that is known
  };

  /// Nothing more comes, and the stream had not ended. This subscriber has left.
  struct Failure {
    enum class Kind : std::uint8_t {
      kUnreachable,  ///< no publisher was found in `give_up`
      kVanished,     ///< it was lost before the end of the stream, and not found again
      kRefused,  ///< by the publisher: another version, no such stream, not allowed, or what
                 ///< was asked for makes no sense there
    };
    Kind kind = Kind::kUnreachable;
    std::string text;  ///< for people
  };

  using Item = std::variant<Begin, Block, Gap, End, Failure>;

  /// Begins to connect, and returns at once. Throws std::runtime_error if an option is out of
  /// range, a key cannot be read, or the process lacks descriptors.
  explicit Subscriber(SubscriberOptions options);
  /// Tells the publisher that it leaves, and how far it has read: waits a second at most.
  ~Subscriber();
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  /// Waits for what comes next, `patience` at most (0: does not wait). Nothing: nothing came
  /// in that time, or it is over(). The call says that what the last one returned is dealt
  /// with: the publisher learns that as this subscriber's position.
  std::optional<Item> Next(std::chrono::nanoseconds patience = std::chrono::nanoseconds::max());
  /// The last item was taken: a Failure, or an End that is not followed, or Stop was called.
  bool over() const;
  /// Behind everything that Next has returned.
  const ResumePoint& resume_point() const;
  /// Ends a Next that waits, and all later ones. Not to be called from a signal handler.
  void Stop();

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

}  // namespace pipedup
