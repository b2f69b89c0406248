// Live blocks, heads and the end of the stream, once for any number of subscribers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "journal/journal.h"
#include "net/socket.h"
#include "publish/packer.h"

namespace pipedup {

/// Blocks that a subscriber's queue in the PUB socket holds before it misses one: 40 MiB of
/// full ones. Small ones come to far less, but the kernel's buffers hold thousands of those,
/// and one that is missed is read from the journal.
inline constexpr int kLiveQueueMessages = 40;

struct BroadcasterCounters {
  std::uint64_t blocks = 0;
  std::uint64_t heads = 0;
};

/// Sends on a PUB socket, which is handed in with each call because it may be remade. Never
/// blocks: a subscriber whose queue is full misses the block, and asks for it.
class Broadcaster {
 public:
  Broadcaster(std::string stream, const Journal& journal, Packer& packer,
              std::shared_ptr<Outstanding> account);

  void SendBlock(Socket& data, const Block& block);
  /// "Published up to here", or, once Ended, "nothing comes after".
  void SendHead(Socket& data);
  /// From here on every head is the end of the stream.
  void End(std::uint32_t exit_status);

  bool ended() const { return ended_; }
  /// The header of a head message, as of now.
  BlockHeader HeadHeader() const;
  const BroadcasterCounters& counters() const { return counters_; }

 private:
  const std::string stream_;
  const Journal& journal_;
  Packer& packer_;
  const std::shared_ptr<Outstanding> account_;
  bool ended_ = false;
  std::uint32_t exit_status_ = 0;
  BroadcasterCounters counters_;
};

}  // namespace pipedup
