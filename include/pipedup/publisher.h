// Publishes what a program writes, without a pipe: all that pipedup-pub does with its input.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipedup/types.h"

namespace pipedup {

struct PublisherOptions {
  std::string stream = "default";  ///< 1 to 128 letters, digits, '.', '_', '-'
  /// "host", "host:port", "ipc:///path"; port 0 is any free pair of ports. Anything but this
  /// machine needs keys or `insecure`.
  std::vector<std::string> bind = {"tcp://127.0.0.1:5590"};
  bool insecure = false;          ///< anyone who can connect may read the stream
  std::string curve_secret = {};  ///< file with the secret key; empty: nothing is encrypted
  std::string allow_keys = {};    ///< file with the public keys that are let in
  RecordFormat records = RecordFormat::kLines;
  /// An unfinished record is published after this; finished ones at once.
  std::chrono::nanoseconds max_delay = std::chrono::milliseconds(100);
  std::uint64_t retain_bytes = 64 * 1024 * 1024;  ///< 1 MiB to 1 TiB
  /// A directory on disk: the stream outlives this process, and the next publisher there goes
  /// on with the same session. Empty: in memory, gone at the end.
  std::string journal = {};
  /// Write waits for the slowest subscriber that is no tap, before retention would pass it.
  bool wait = false;
  std::chrono::nanoseconds stall_limit = std::chrono::seconds(30);  ///< then it is let go
  /// At the end, so long is waited for subscribers to confirm the last byte.
  std::chrono::nanoseconds linger = std::chrono::seconds(30);
  std::uint64_t max_subs = 1000;  ///< each takes two descriptors
  int zstd_level = 0;             ///< 0: blocks are not compressed; 1 to 19
  /// Told what an operator wants to know (a subscriber that came, left or was let go, a disk
  /// that is full), in words, from the publisher's own thread; must not call back.
  std::function<void(std::string_view text)> log = {};
};

/// A stream, its journal, and a thread of its own that serves it to any number of subscribers.
/// None of them makes Write wait, unless `wait` says so.
///
/// Threads: any; a Close waits for the Write that is under way. Signals are left to the
/// program: no thread made here takes any. Several publishers in a process are possible, each
/// with endpoints of its own. fork: the child may use nothing that was made before.
///
/// For endpoints that strangers can reach, run pipedup-pub: it holds each connection by itself
/// to the limits of the protocol (section 10.1), which takes hooks that a library may not set.
/// Here a peer without a key, or one that may come in, can make the process run out of
/// descriptors, and libzmq ends it then: see to it that `ulimit -n` is twice max_subs and more.
class Publisher {
 public:
  /// Binds. Throws std::runtime_error if an option is out of range, an endpoint cannot be
  /// bound, a key or the journal cannot be read, or the process lacks descriptors.
  explicit Publisher(PublisherOptions options);
  /// Without Close the stream has not ended: subscribers see that the publisher has vanished.
  /// With a journal on disk the next one goes on with it, and nothing that was written is lost.
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  /// Appends bytes to the stream, any number, whole records or not; they are copied. Waits
  /// while its thread is a MiB behind, and, with `wait`, for subscribers. Throws
  /// std::runtime_error after Close, or when the publisher had to stop.
  void Write(std::span<const std::byte> bytes);
  void Write(std::string_view text) { Write(std::as_bytes(std::span(text))); }

  /// True when `count` subscribers receive what is published; false after `patience`.
  bool WaitForSubscribers(std::size_t count, std::chrono::nanoseconds patience);

  /// Ends the stream: publishes what was written, tells every subscriber, with the producer's
  /// status if there is one, and waits until all have confirmed that they have it. Names of
  /// those that have not. Throws as Write does.
  std::vector<std::string> Close(std::optional<std::uint32_t> exit_status = {});

  /// As bound: with the port that was free.
  const std::vector<std::string>& endpoints() const;
  SessionId session() const;

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

}  // namespace pipedup
