// Reads a stream and writes it to a descriptor, or to programs that it runs: all that
// pipedup-sub does, in one call.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipedup/nats.h"
#include "pipedup/reporter.h"
#include "pipedup/types.h"

namespace pipedup {

struct SubscribeOptions {
  /// Where publishers are. Several of the same session are read as one stream: each block is
  /// taken from whoever has it first, and what one lacks, or takes along when it dies, from the
  /// others. Those of other sessions are other streams, of which whole records are interleaved
  /// in the output. At least one, none twice.
  std::vector<std::string> endpoints = {"tcp://127.0.0.1:5590"};
  /// None: the one that the publisher has. With `*` (any text) or `?` (a character) in it: all
  /// whose names match, at all endpoints, merged as several endpoints are; also those that come
  /// while others are read.
  std::optional<std::string> stream;
  StartAt from;
  /// File that says how far the stream was written: a later run with it goes on there, and
  /// `from` counts only while there is no such file, or its session is gone. Made with mode
  /// 0600 if need be; one subscriber at a time can use it. Overwritten in place, at every write
  /// of the output, so that it can be killed at any point: nothing is lost, nothing is repeated
  /// where the output is a regular file, and elsewhere at most the write that was under way,
  /// which is said. `stream`, if both are given, is the cursor's.
  std::optional<std::string> cursor;
  /// Files with the publisher's public key and with this subscriber's secret key (CURVE), for a
  /// publisher that has keys; both or none. Where a name is empty, the key itself may be in the
  /// environment: PIPEDUP_SERVER_PUBLIC_KEY, PIPEDUP_CURVE_SECRET_KEY. Both variables are taken
  /// out of it in any case, so that consumers do not see them. With keys nothing is sent or
  /// taken in the clear, and only from that publisher.
  std::string server_key;
  std::string curve_secret;
  NatsAccess nats;      ///< for endpoints nats://HOST,HOST/NAME: the stream NAME of a cluster
  bool follow = false;  ///< stay through the end of a session and through publisher restarts
  bool strict = false;  ///< stop at the first gap
  bool tap = false;     ///< never make a producer wait
  bool attach = true;   ///< read the publisher's journal itself if it is on this machine
  std::string name;     ///< shown to operators; empty: host and process id
  std::chrono::nanoseconds give_up = std::chrono::seconds(30);    ///< 0: never
  std::chrono::nanoseconds dead_after = std::chrono::seconds(3);  ///< 200 ms to 1 h
  std::optional<std::uint64_t> count;  ///< stop after this many records
  std::optional<std::chrono::nanoseconds> timeout;
  bool prefix = false;          ///< label each record with its stream
  bool timestamps = false;      ///< label each record with its publish time
  bool progress = false;        ///< say how far it is, where stderr is a terminal or JSON
  bool force_progress = false;  ///< the same, anywhere
  bool stats = false;           ///< say totals at the end
  /// Descriptor that the stream is written to, or that becomes the stdout of its consumers;
  /// stays open.
  int output = 1;
  /// A program that reads the stream from its stdin, and its arguments; found through PATH.
  std::vector<std::string> consumer;
  /// More of them, each a command for `sh -c`. Every consumer has its own position and pace:
  /// with several, one that falls more than 64 MiB behind the fastest loses data, which is
  /// reported as a gap of that consumer. A single one is never passed.
  std::vector<std::string> exec;
  /// Consumers that end before the stream does: started again after 100 ms, then after twice
  /// as long each time, up to 10 s. The new one goes on at the first byte that nobody has read.
  Restart restart = Restart::kNever;
};

/// Subscribes until the stream has ended, or a limit, a signal or an error ends it. Gaps and
/// changes are said through `reporter`; the stream goes to `options.output` and nothing else
/// does. Blocks; takes SIGINT, SIGTERM, SIGHUP and SIGQUIT for itself meanwhile, and ignores
/// SIGPIPE from then on. Holds at most 16 MiB of stream bytes while the output is slow, for
/// each endpoint.
///
/// With consumers: the stream goes to them alone, signals are passed on to them, and it returns
/// when all have ended (a second signal does not wait for that). Every child of the process is
/// reaped meanwhile, others too. Up to 64 MiB of stream bytes are held, in tmpfs.
///
/// Returns the exit status of docs (`pipedup-sub --help`): 0, 1, 3, 4, 5, 124, 128+N, 141, or
/// that of the first consumer, as they were given, whose status is not 0. Throws
/// std::runtime_error if an option is out of range, a key cannot be read, the cursor is held by
/// another process or cannot be written, a consumer cannot be run or the process lacks
/// descriptors.
int Subscribe(const SubscribeOptions& options, Reporter& reporter);

}  // namespace pipedup
