#include "journal/segment.h"

#include <algorithm>
#include <cstring>

#include "journal/layout.h"

namespace pipedup {
std::shared_ptr<Segment> Segment::InFile(const std::string& directory, Position begin,
                                         Size size, Readers readers, int* error) {
  std::shared_ptr<Segment> segment(new Segment(begin, size));
  segment->log_path_ = SegmentPath(directory, begin, kLogSuffix);
  segment->index_path_ = SegmentPath(directory, begin, kIndexSuffix);
  segment->log_fd_ = CreateFile(segment->log_path_, error, readers);
  if (!segment->log_fd_) return nullptr;
  segment->index_fd_ = CreateFile(segment->index_path_, error, readers);
  if (!segment->index_fd_) {
    RemoveFile(segment->log_path_);
    return nullptr;
  }
  segment->log_ = Mapping::OfFile(segment->log_fd_.get(), size.data_bytes);
  segment->index_ = Mapping::OfFile(segment->index_fd_.get(), size.blocks * kHeaderBytes);
  return segment;
}

std::shared_ptr<Segment> Segment::InMemory(Position begin, Size size) {
  std::shared_ptr<Segment> segment(new Segment(begin, size));
  segment->log_ = Mapping::OfMemory(size.data_bytes);
  segment->index_ = Mapping::OfMemory(size.blocks * kHeaderBytes);
  return segment;
}

Segment::~Segment() {
  if (pinned_) pinned_->fetch_sub(cost(), std::memory_order_relaxed);
}

IoResult Segment::SpliceFrom(int fd, std::size_t max) {
  const IoResult result = SpliceToFile(fd, log_fd_.get(), used_, std::min(max, room()));
  if (result.status == IoStatus::kOk) used_ += result.count;
  return result;
}

IoResult Segment::ReadFrom(int fd, std::size_t max) {
  const IoResult result = ReadSome(fd, {log_.writable() + used_, std::min(max, room())});
  if (result.status == IoStatus::kOk) used_ += result.count;
  return result;
}

IoResult Segment::Write(ByteSpan bytes) {
  const ByteSpan part = bytes.first(std::min(bytes.size(), room()));
  IoResult result{IoStatus::kOk, part.size(), 0};
  if (in_file()) {
    result = WriteAt(log_fd_.get(), part, used_);
  } else if (!part.empty()) {
    std::memcpy(log_.writable() + used_, part.data(), part.size());
  }
  used_ += result.count;
  return result;
}

IoResult Segment::AddBlock(const BlockHeader& header) {
  const EncodedHeader encoded = EncodeHeader(header);
  const std::size_t offset = blocks_ * kHeaderBytes;
  IoResult result{IoStatus::kOk, kHeaderBytes, 0};
  if (index_fd_ && !index_lost_) {
    result = WriteAt(index_fd_.get(), encoded, offset);
  } else {
    std::memcpy(index_.writable() + offset, encoded.data(), encoded.size());
  }
  if (result.status == IoStatus::kOk) ++blocks_;
  return result;
}

void Segment::Seal(bool keep_files) {
  if (keep_files) return;
  log_fd_.Reset();
  index_fd_.Reset();
}

void Segment::MoveIndexToMemory() {
  Mapping memory = Mapping::OfMemory(size_.blocks * kHeaderBytes);
  if (blocks_ > 0) std::memcpy(memory.writable(), index_.data(), blocks_ * kHeaderBytes);
  index_ = std::move(memory);
  index_lost_ = true;
}

BlockHeader Segment::block(std::size_t i) const {
  const ParsedHeader parsed = ParseHeader({index_.data() + i * kHeaderBytes, kHeaderBytes});
  return parsed.header.value();  // written by this process into memory that nobody else writes
}

ByteSpan Segment::View(Position from, std::size_t count) const {
  return {log_.data() + (from - begin()), count};
}

// By its name, as the descriptor may be closed by now, and is another thread's. Who has none
// any more was dropped, and is whole: nobody could reach it to cut it.
bool Segment::IsCut(Position to) const {
  if (!in_file()) return false;
  const std::optional<std::uint64_t> bytes = FileBytes(log_path_);
  return bytes && *bytes < to - begin();
}

SharedBytes Segment::Bytes(Position from, std::size_t count) {
  if (log_fd_ ? FileBytes(log_fd_.get()) < from + count - begin() : IsCut(from + count))
    return {};
  return {shared_from_this(), View(from, count)};
}

void Segment::Drop(std::shared_ptr<std::atomic<std::uint64_t>> pinned) {
  if (in_file()) {
    RemoveFile(log_path_);
    RemoveFile(index_path_);
  }
  pinned->fetch_add(cost(), std::memory_order_relaxed);
  pinned_ = std::move(pinned);
}

}  // namespace pipedup
