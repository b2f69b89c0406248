#include "publish/broadcaster.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"

namespace pipedup {

Broadcaster::Broadcaster(std::string stream, const Journal& journal, Packer& packer,
                         std::shared_ptr<Outstanding> account)
    : stream_(std::move(stream)),
      journal_(journal),
      packer_(packer),
      account_(std::move(account)) {}

void Broadcaster::SendBlock(Socket& data, const Block& block) {
  const Block packed = packer_.PackLive(block);
  data.NoticeFreedSlots();
  // PUB never says kFull: it drops for the peers that are full, and goes on with the others.
  (void)data.Send(AsBytes(EncodeFrame(stream_, packed.header)), Frame::kMore);
  (void)data.SendShared(packed.payload, account_, Frame::kLast);
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

}  // namespace pipedup
