#include "journal/stored_segment.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/checksum.h"
#include "journal/layout.h"

namespace pipedup {
namespace {

bool WillPass(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM;
}

}  // namespace

std::vector<BlockHeader> ReadIndex(const std::string& directory, Position begin,
                                   std::uint64_t log_bytes, std::size_t* entries, int* error,
                                   Unsound unsound) {
  std::vector<BlockHeader> index;
  *entries = 0;
  int ignored = 0;
  if (error == nullptr) error = &ignored;
  const UniqueFd fd = OpenForReading(SegmentPath(directory, begin, kIndexSuffix), error);
  if (!fd) return index;
  std::vector<std::byte> bytes(FileBytes(fd.get()));
  bytes.resize(ReadAt(fd.get(), bytes, 0));
  Position next = begin;
  for (std::size_t i = 0; (i + 1) * kHeaderBytes <= bytes.size(); ++i) {
    const ParsedHeader parsed =
        ParseHeader(ByteSpan(bytes).subspan(i * kHeaderBytes, kHeaderBytes));
    if (!parsed.header || parsed.header->kind != BlockKind::kData ||
        parsed.header->length == 0 || parsed.header->position < next ||
        parsed.header->end() > begin + log_bytes) {
      if (unsound == Unsound::kStop) break;
      continue;
    }
    index.push_back(*parsed.header);
    next = parsed.header->end();
    *entries = i + 1;
  }
  return index;
}

bool ChecksumHolds(const BlockHeader& block, ByteSpan bytes) {
  return bytes.size() == block.length &&
         (!block.checksummed || Checksum(bytes) == block.checksum);
}

StoredSegment::StoredSegment(Found found, OnDamage on_damage, std::weak_ptr<Segment> written)
    : AnySegment(found.begin),
      found_(std::move(found)),
      on_damage_(std::move(on_damage)),
      written_(std::move(written)) {}

const std::vector<BlockHeader>& StoredSegment::index() const {
  if (loaded_) return index_;
  std::size_t entries = 0;
  int error = 0;
  index_ = ReadIndex(found_.directory, begin(), found_.log_bytes, &entries, &error);
  out_of_reach_ = WillPass(error);
  if (out_of_reach_) return index_;
  std::erase_if(index_, [this](const BlockHeader& block) {
    return block.end() > found_.end || excluded_.contains(block.position);
  });
  loaded_ = true;
  if (!std::exchange(told_, true)) {
    Position next = begin();
    for (const BlockHeader& block : index_) {
      if (block.position > next) on_damage_(next, block.position);
      next = block.end();
    }
    if (next < found_.end) on_damage_(next, found_.end);
  }
  return index_;
}

SharedBytes StoredSegment::Bytes(Position from, std::size_t count) {
  const std::vector<BlockHeader>& blocks = index();
  int error = 0;
  if (!log_) {
    log_ = OpenForReading(SegmentPath(found_.directory, begin(), kLogSuffix), &error);
  }
  out_of_reach_ = out_of_reach_ || (!log_ && WillPass(error));
  if (out_of_reach_) return {};
  const auto memory = std::make_shared<std::vector<std::byte>>(count);
  if (log_) memory->resize(ReadAt(log_.get(), *memory, from - begin()));
  if (!log_) memory->clear();
  std::size_t sound = 0;
  for (std::size_t i = FindBlock(from); i < blocks.size() && sound < count; ++i) {
    const BlockHeader& block = blocks[i];
    if (block.position != from + sound) break;
    const ByteSpan rest = ByteSpan(*memory).subspan(std::min(sound, memory->size()));
    if (!ChecksumHolds(block, rest.first(std::min<std::size_t>(rest.size(), block.length)))) {
      Exclude(BlockHeader(block));
      break;
    }
    sound += block.length;
  }
  return {memory, ByteSpan(*memory).first(sound)};
}

void StoredSegment::Exclude(const BlockHeader& block) {
  excluded_.insert(block.position);
  std::erase_if(index_,
                [&](const BlockHeader& each) { return each.position == block.position; });
  on_damage_(block.position, block.end());
}

void StoredSegment::Forget() {
  loaded_ = false;
  index_ = {};
  log_.Reset();
}

void StoredSegment::Drop(std::shared_ptr<std::atomic<std::uint64_t>> pinned) {
  if (const std::shared_ptr<Segment> written = written_.lock()) {
    written->Drop(std::move(pinned));
    return;
  }
  RemoveFile(SegmentPath(found_.directory, begin(), kLogSuffix));
  RemoveFile(SegmentPath(found_.directory, begin(), kIndexSuffix));
}

}  // namespace pipedup
