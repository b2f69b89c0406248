// A publisher's stream, as a NATS cluster keeps it. In a build without NATS whoever asks for it
// is told so.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/endpoint.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "pipedup/nats.h"
#include "pipedup/reporter.h"
#include "publish/older_blocks.h"
#include "publish/published_stream.h"

namespace pipedup {

struct ClusterJournalOptions {
  Endpoint endpoint;
  NatsAccess access;
  std::string stream;
  RecordFormat records = RecordFormat::kLines;
  std::uint64_t replicas = 3;
  std::uint64_t retain_bytes = 0;  ///< of a log that has to be made; 0: no limit
  std::chrono::nanoseconds retain_age{0};
};

/// The stream of a publisher, as a cluster keeps it: one more reader of the journal, that
/// confirms what is safe there, and is waited for as members are. It has what the journal does
/// not keep any more, and is asked for that.
class ClusterJournal : public OlderBlocks {
 public:
  /// Finds out where the log stands, and takes it over; makes it if need be. Waits for the
  /// cluster for some seconds. `fresh`: see nats::OpenLog. Throws Error.
  static std::unique_ptr<ClusterJournal> Open(ClusterJournalOptions options, SessionId fresh,
                                              Reporter& reporter);
  virtual SessionId session() const = 0;
  virtual const std::vector<PastSession>& past() const = 0;
  virtual Position position() const = 0;
  virtual std::uint64_t records() const = 0;

  /// Keeps what is published from now on. All must outlive it.
  virtual void Keep(EventLoop& loop, Journal& journal, PublishedStream& stream) = 0;
  /// Another publisher writes there, and what this one publishes does not come there any more.
  virtual bool fenced() const = 0;
  /// The stream has ended, or is left to another publisher. `on_done` is called when that is in
  /// the log as well, or never.
  virtual void Finish(std::optional<std::uint32_t> end_status,
                      std::function<void()> on_done) = 0;
};

}  // namespace pipedup
