#include "programs/sub_receiver.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "base/checksum.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/text.h"
#include "os/process.h"
#include "programs/cluster_source.h"
#include "subscribe/stream_list.h"
#include "wire/block_header.h"

namespace pipedup {
namespace {

// A byte that is not UTF-8 becomes three on the wire, which takes 256.
constexpr std::size_t kNameBytes = 85;

Beginning ToBeginning(const StartAt& from) {
  switch (from.kind) {
    case StartAt::Kind::kNow:
      return {Beginning::Kind::kNow, 0};
    case StartAt::Kind::kStart:
      return {Beginning::Kind::kStart, 0};
    case StartAt::Kind::kPosition:
      return {Beginning::Kind::kPosition, from.value};
    case StartAt::Kind::kAgo:
      return {Beginning::Kind::kAgo, from.value};
    case StartAt::Kind::kLast:
      return {Beginning::Kind::kLast, from.value};
  }
  return {};
}

Endpoint ToEndpoint(const std::string& text) {
  std::string why;
  const auto endpoint = ParseSource(text, &why);
  if (!endpoint) throw Error("endpoint '" + Escape(text) + "': " + why, kExitUsage);
  if (endpoint->kind == Endpoint::Kind::kTcp && endpoint->port == 0) {
    throw Error("endpoint '" + Escape(text) + "': port 0 is nobody's", kExitUsage);
  }
  return *endpoint;
}

/// Two ways to one publisher are two members there.
std::string IdAt(const std::string& id, std::size_t number, const Endpoint& endpoint) {
  if (number == 0) return id;
  const std::string both = id + " " + endpoint.data();
  return Hex(Checksum(AsBytes(both)));
}

}  // namespace

bool HasPattern(const SubscribeOptions& options) {
  return options.stream && IsPattern(*options.stream);
}

std::vector<ReceiverOptions> MakeReceiverOptions(const SubscribeOptions& options,
                                                 const SubCursor* cursor) {
  ReceiverOptions made;
  if (options.endpoints.empty()) throw Error("endpoint: there is none", kExitUsage);
  if (HasPattern(options)) {
    std::string name = *options.stream;
    std::ranges::replace(name, '*', '.');
    std::ranges::replace(name, '?', '.');
    if (!IsValidStreamName(name)) {
      throw Error("stream '" + Escape(*options.stream) + "': not a pattern of names",
                  kExitUsage);
    }
    if (cursor != nullptr) {
      throw Error("--cursor: a cursor is of one stream, and '" + Escape(*options.stream) +
                      "' may be several",
                  kExitUsage);
    }
  } else if (options.stream && !IsValidStreamName(*options.stream)) {
    throw Error("stream '" + Escape(*options.stream) + "': not a name of a stream", kExitUsage);
  }
  if (options.dead_after < std::chrono::milliseconds(200) ||
      options.dead_after > std::chrono::hours(1)) {
    throw Error("dead-after: 200ms to 1h are possible", kExitUsage);
  }
  // With the same cursor it takes its own place again.
  made.hello.id = cursor ? cursor->id() : RandomHex(8);
  made.hello.stream = options.stream || !cursor ? options.stream : cursor->stream();
  made.hello.host = HostName().substr(0, kNameBytes);
  made.hello.pid = ProcessId();
  made.hello.name = options.name.empty()
                        ? made.hello.host + ":" + std::to_string(made.hello.pid)
                        : options.name.substr(0, kNameBytes);
  made.hello.role = options.tap ? control::Role::kTap : control::Role::kSub;
  made.modes.from = ToBeginning(options.from);
  if (cursor) made.modes.resume = cursor->resumption();
  made.modes.follow = options.follow;
  made.modes.attach = options.attach;
  made.modes.dead_after = options.dead_after;
  std::vector<ReceiverOptions> all;
  const std::string id = made.hello.id;
  for (const std::string& text : options.endpoints) {
    made.endpoint = ToEndpoint(text);
    const bool twice = std::ranges::any_of(
        all, [&](const ReceiverOptions& one) { return one.endpoint == made.endpoint; });
    if (twice) throw Error("endpoint '" + Escape(text) + "': given twice", kExitUsage);
    made.hello.id = IdAt(id, all.size(), made.endpoint);
    made.make = nullptr;
    if (made.endpoint.kind == Endpoint::Kind::kNats) {
      made.make = ReadFromCluster(made.endpoint, options.nats);
    }
    all.push_back(made);
  }
  return all;
}

}  // namespace pipedup
