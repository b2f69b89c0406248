#include "journal_image.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/records.h"
#include "base/text.h"

namespace pipedup::fuzz {
namespace {

constexpr std::int64_t kStartNs = 1'700'000'000'000'000'000;
constexpr std::uint64_t kMostPosition = std::uint64_t{1} << 62;

std::string StreamBytes(Position from, std::size_t count) {
  std::string text(count, '\0');
  for (std::size_t i = 0; i < count; ++i) text[i] = ByteAt(from + i);
  return text;
}

void Flip(std::string& bytes, Input& input) {
  const std::uint64_t at = input.Number();
  const auto bit = static_cast<char>(1U << (input.Byte() % 8));
  if (!bytes.empty()) bytes[at % bytes.size()] ^= bit;
}

void Cut(std::string& bytes, Input& input) {
  bytes.resize(std::min<std::size_t>(bytes.size(), input.Number()));
}

/// Makes the last 4 bytes of an entry right for those before it.
void Seal(std::string& entry) {
  std::byte check[4];
  StoreLittleEndian(
      static_cast<std::uint32_t>(Checksum(AsBytes(entry).first(kHeaderBytes - 4))), check);
  entry.replace(kHeaderBytes - 4, 4, AsText(check));
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  Require(static_cast<bool>(file.flush()));
}

}  // namespace

char ByteAt(Position position) {
  if (position % 7 == 6) return '\n';
  if (position % 11 == 10) return '\0';
  return static_cast<char>('a' + position * 31 % 26);
}

JournalImage::JournalImage(Input& input) {
  const std::uint64_t first = input.Byte();
  label_.session = kSession;
  label_.segment_bytes = 256 * 1024;
  label_.durable = true;
  label_.stream = "s";
  label_.records = static_cast<RecordFormat>(first % 3);
  MakeSegments(input, first / 3 % 2 == 0 ? 0 : input.Number() % kMostPosition);
  MakeLabel(input);
}

void JournalImage::MakeSegments(Input& input, Position begin) {
  const std::uint64_t shape = input.Byte();
  Position at = begin;
  std::uint64_t records = 0;
  for (std::uint64_t i = 0; i < shape % 8; ++i) {
    Published segment{.begin = at};
    Files files{.log = "", .index = ""};
    const std::uint64_t blocks = input.Byte() % 8;
    for (std::uint64_t k = 0; k < blocks; ++k) {
      const std::string bytes = StreamBytes(at, 1 + input.Byte() % 64);
      BlockHeader header;
      header.session = kSession;
      header.position = at;
      header.length = static_cast<std::uint32_t>(bytes.size());
      header.records = CountRecords(label_.records, AsBytes(bytes));
      header.records_before = records;
      header.ends_record = label_.records == RecordFormat::kRaw ||
                           AsBytes(bytes).back() == Delimiter(label_.records);
      header.time_ns = kStartNs + static_cast<std::int64_t>(at);
      header.checksum = Checksum(AsBytes(bytes));
      files.log->append(bytes);
      files.index->append(AsText(EncodeHeader(header)));
      segment.blocks.push_back(header);
      at = header.end();
      records += header.records;
    }
    const bool last = i + 1 == shape % 8;
    if (!last && blocks == 0) continue;
    // Read from the producer, and in no block when the process was killed.
    if (last) files.log->append(StreamBytes(at, shape / 8));
    segments_[segment.begin] = std::move(files);
    published_.push_back(std::move(segment));
  }
  label_.used = begin;
}

void JournalImage::MakeLabel(Input& input) {
  const std::uint64_t kind = input.Byte();
  label_.boot = kind % 2 == 0 ? kThisBoot : kOtherBoot;
  label_.sync = static_cast<SyncMode>(kind / 2 % 4 % 3);
  lapsed_ = kind / 8 % 4 == 3;
  const Position head = published_.empty() || published_.back().blocks.empty()
                            ? label_.used
                            : published_.back().blocks.back().end();
  if (kind / 32 % 2 == 1) {
    label_.closed = label_.used = head;
    label_.used_records = 1;
  }
  if (kind / 64 % 2 == 1) label_.past.push_back({7, head / 2});
  label_text_ = EncodeLabel(label_);
}

// ---- changes ----

void JournalImage::Edit(Input& input) {
  const std::uint64_t what = input.Byte();
  if (what % 8 == 0) return EditLabel(input);
  if (what % 8 == 1 || segments_.empty()) {
    const bool any = !segments_.empty();
    return EditNames(input, any ? std::next(segments_.begin(),
                                            static_cast<long>(what / 8 % segments_.size()))
                                      ->first
                                : 0);
  }
  auto& [begin, files] =
      *std::next(segments_.begin(), static_cast<long>(what / 8 % segments_.size()));
  if (what % 8 < 4) return EditLog(input, files);
  if (what % 8 < 6) return EditIndex(input, files);
  EditEntry(input, begin, files);
}

void JournalImage::EditLog(Input& input, Files& files) {
  if (!files.log) return;
  logs_edited_ = true;
  switch (input.Byte() % 4) {
    case 0:
    case 1:
      return Flip(*files.log, input);
    case 2:
      return Cut(*files.log, input);
    default:
      files.log->append(input.Text());
  }
}

void JournalImage::EditIndex(Input& input, Files& files) {
  if (!files.index) return;
  switch (input.Byte() % 4) {
    case 0:
    case 1:
      return Flip(*files.index, input);
    case 2:
      return Cut(*files.index, input);
    default:
      files.index->append(input.Text());
  }
}

// Entries that hold, and say what was never said.
void JournalImage::EditEntry(Input& input, Position begin, Files& files) {
  if (!files.index || files.index->size() < kHeaderBytes) return;
  forged_ = true;
  std::string& index = *files.index;
  const std::size_t at = input.Byte() % (index.size() / kHeaderBytes) * kHeaderBytes;
  std::string entry = index.substr(at, kHeaderBytes);
  const std::uint64_t how = input.Byte();
  switch (how % 8) {
    case 0:  // once more, at the end
      index.append(entry);
      return;
    case 1:  // once more, where it stands
      index.insert(at, entry);
      return;
    case 2:
      index.erase(at, kHeaderBytes);
      return;
    case 3: {  // any byte of it
      const std::size_t byte = input.Byte() % kHeaderBytes;
      entry[byte] = static_cast<char>(input.Byte());
      break;
    }
    case 4: {  // another place
      std::byte position[8];
      StoreLittleEndian((begin + input.Number()) % kMostPosition, position);
      entry.replace(16, 8, AsText(position));
      break;
    }
    case 5: {  // another length
      std::byte length[4];
      StoreLittleEndian(static_cast<std::uint32_t>(input.Number()), length);
      entry.replace(24, 4, AsText(length));
      break;
    }
    default: {  // what is there is called right, whatever it is
      const ParsedHeader parsed = ParseHeader(AsBytes(entry));
      if (!parsed.header || !files.log) break;
      BlockHeader header = *parsed.header;
      const std::size_t from = header.position - begin;
      if (from > files.log->size()) break;
      header.checksum = Checksum(
          AsBytes(*files.log)
              .subspan(from, std::min<std::size_t>(header.length, files.log->size() - from)));
      header.checksummed = how / 8 % 4 != 0;
      entry = AsText(EncodeHeader(header));
    }
  }
  Seal(entry);
  index.replace(at, kHeaderBytes, entry);
}

void JournalImage::EditNames(Input& input, Position begin) {
  const std::uint64_t what = input.Byte();
  const auto segment = segments_.find(begin);
  const bool any = segment != segments_.end();
  logs_edited_ = true;
  switch (what % 8) {
    case 0:
      if (any) segment->second.log.reset();
      return;
    case 1:
      if (any) segment->second.index.reset();
      return;
    case 2: {  // another name
      forged_ = true;
      if (!any) return;
      Files files = std::move(segment->second);
      segments_.erase(segment);
      segments_[(begin + input.Number()) % kMostPosition] = std::move(files);
      return;
    }
    case 3:  // an empty one was just made, behind all others
      if (published_.empty() || published_.back().blocks.empty()) return;
      segments_.try_emplace(published_.back().blocks.back().end(),
                            Files{.log = "", .index = ""});
      return;
    case 4:
      forged_ = true;
      segments_[input.Number() % kMostPosition] = {.log = input.Text(), .index = input.Text()};
      return;
    case 5:
      others_["notes"] = input.Text();
      return;
    case 6: {
      const auto* const names = what / 8 % 2 == 0 ? "journal.tmp" : "members";
      others_[names] = input.Text();
      return;
    }
    default:
      segments_.clear();
  }
}

void JournalImage::EditLabel(Input& input) {
  const std::uint64_t what = input.Byte();
  JournalLabel label = label_;
  switch (what % 10) {
    case 0:
      if (label_text_) Flip(*label_text_, input);
      return;
    case 1:
      if (label_text_) Cut(*label_text_, input);
      return;
    case 2:
      label_text_.reset();
      return;
    case 3:
      label_text_ = input.Text();
      return;
    case 4:
      label.durable = false;
      break;
    case 5:
      label.used = input.Number() % kMostPosition;
      label.used_records = input.Number();
      break;
    case 6:
      label.closed = input.Number() % kMostPosition;
      break;
    case 7:
      label.session = input.Number() + 1;
      break;
    case 8:
      label.past.assign(input.Byte() % (kMostPast + 1),
                        {input.Number(), input.Number() % kMostPosition});
      break;
    default:
      label.stream = what / 10 % 2 == 0 ? "s" : "another";
      label.records = static_cast<RecordFormat>(what / 20 % 3);
  }
  label_text_ = EncodeLabel(label);
}

// ---- what there is ----

void JournalImage::Write(const std::string& directory) const {
  for (const auto& [begin, files] : segments_) {
    if (files.log) WriteFile(SegmentPath(directory, begin, kLogSuffix), *files.log);
    if (files.index) WriteFile(SegmentPath(directory, begin, kIndexSuffix), *files.index);
  }
  for (const auto& [name, bytes] : others_) WriteFile(directory + "/" + name, bytes);
  if (label_text_) {
    WriteFile(directory + (lapsed_ ? "/journal.lapsed" : "/journal"), *label_text_);
  }
}

bool JournalImage::IsIntact(const Published& segment, std::size_t i) const {
  const BlockHeader& block = segment.blocks[i];
  const auto found = segments_.find(segment.begin);
  if (found == segments_.end() || !found->second.log || !found->second.index) return false;
  const std::string& log = *found->second.log;
  const std::string& index = *found->second.index;
  const std::size_t from = block.position - segment.begin;
  return log.size() >= from + block.length && index.size() >= (i + 1) * kHeaderBytes &&
         log.compare(from, block.length, StreamBytes(block.position, block.length)) == 0 &&
         index.compare(i * kHeaderBytes, kHeaderBytes, AsText(EncodeHeader(block))) == 0;
}

std::vector<BlockHeader> JournalImage::IntactBlocks() const {
  std::vector<BlockHeader> intact;
  for (const Published& segment : published_) {
    for (std::size_t i = 0; i < segment.blocks.size(); ++i) {
      if (IsIntact(segment, i)) intact.push_back(segment.blocks[i]);
    }
  }
  return intact;
}

std::vector<BlockHeader> JournalImage::BlocksAfterCrash() const {
  std::vector<BlockHeader> left = IntactBlocks();
  for (auto segment = published_.rbegin(); segment != published_.rend(); ++segment) {
    std::size_t whole = 0;
    while (whole < segment->blocks.size() && IsIntact(*segment, whole)) ++whole;
    const Position end = whole == 0 ? segment->begin : segment->blocks[whole - 1].end();
    std::erase_if(left, [&](const BlockHeader& block) { return block.position >= end; });
    if (whole > 0) break;
  }
  return left;
}

std::vector<Position> JournalImage::Begins() const {
  std::vector<Position> begins;
  for (const auto& [begin, files] : segments_) {
    if (files.log && files.index) begins.push_back(begin);
  }
  return begins;
}

}  // namespace pipedup::fuzz
