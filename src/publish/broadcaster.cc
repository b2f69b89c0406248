#include "publish/broadcaster.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"

namespace pipedup {
namespace {

constexpr std::uint64_t kQueueBytes = 32 * 1024 * 1024;
constexpr std::uint64_t kFewestMessages = 128;
constexpr std::uint64_t kMostMessages = 32768;

int Messages(std::uint64_t block_bytes) {
  return static_cast<int>(std::clamp(kQueueBytes / std::max<std::uint64_t>(block_bytes, 1),
                                     kFewestMessages, kMostMessages));
}

}  // namespace

Broadcaster::Broadcaster(std::string stream, const Journal& journal,
                         std::shared_ptr<Outstanding> account)
    : stream_(std::move(stream)),
      journal_(journal),
      account_(std::move(account)),
      high_water_mark_(Messages(typical_block_)) {}

void Broadcaster::SendBlock(Socket& data, const Block& block) {
  AdaptHighWaterMark(data, block.header.length);
  data.NoticeFreedSlots();
  // PUB never says kFull: it drops for the peers that are full, and goes on with the others.
  (void)data.Send(AsBytes(EncodeFrame(stream_, block.header)), Frame::kMore);
  (void)data.SendShared(block.payload, account_, Frame::kLast);
  ++counters_.blocks;
}

void Broadcaster::SendHead(Socket& data) {
  data.NoticeFreedSlots();
  (void)data.Send(AsBytes(EncodeFrame(stream_, HeadHeader())), Frame::kMore);
  (void)data.Send({}, Frame::kLast);
  ++counters_.heads;
}

void Broadcaster::End(std::uint32_t exit_status) {
  ended_ = true;
  exit_status_ = exit_status;
}

BlockHeader Broadcaster::HeadHeader() const {
  BlockHeader header;
  header.kind = ended_ ? BlockKind::kEndOfStream : BlockKind::kHead;
  header.session = journal_.session();
  header.position = journal_.head();
  header.records_before = journal_.records();
  header.time_ns = std::max(journal_.last_time_ns(), WallNow());
  header.exit_status = ended_ ? exit_status_ : 0;
  return header;
}

// A high-water mark counts messages, and a block has from 1 byte to 1 MiB: a mark that is right
// for one is a queue of far too many or far too few bytes for the other.
void Broadcaster::AdaptHighWaterMark(Socket& data, std::uint32_t length) {
  typical_block_ = (typical_block_ * 15 + length + 15) / 16;
  const int wanted = Messages(typical_block_);
  if (wanted > high_water_mark_ * 2 || wanted * 2 < high_water_mark_) {
    high_water_mark_ = wanted;
    data.SetSendHighWaterMark(wanted);
  }
}

}  // namespace pipedup
