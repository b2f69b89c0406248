// A journal on disk that a process, a machine or a disk has left in any state: it is recovered,
// opened, read from tail to head, appended to, and recovered again.
//
// What must hold, whatever was there: nothing but Error is thrown, and that only for a
// directory of somebody else; no byte is served whose checksum does not hold; positions only
// grow; what is served and what is skipped are together [tail, head), and what is skipped was
// said; no position is used twice in a session; what was not damaged is served; a second
// recovery finds what the first one has left.
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/checksum.h"
#include "base/error.h"
#include "input.h"
#include "journal/journal.h"
#include "journal/recovery.h"
#include "journal_image.h"
#include "os/file.h"
#include "os/io.h"
#include "os/process.h"

namespace {

using namespace pipedup;
using namespace pipedup::fuzz;

constexpr SessionId kNewSession = 0x99;
constexpr std::int64_t kNowNs = 1'800'000'000'000'000'000;

struct Range {
  Position from = 0;
  Position to = 0;
  bool operator==(const Range&) const = default;
};

/// In order; neighbours become one.
class Ranges {
 public:
  void Add(Position from, Position to) {
    if (from == to) return;
    if (!all_.empty() && all_.back().to == from) {
      all_.back().to = to;
    } else {
      all_.push_back({from, to});
    }
  }
  bool Covers(Position from, Position to) const {
    return std::ranges::any_of(
        all_, [&](const Range& range) { return range.from <= from && to <= range.to; });
  }
  bool Meets(Position from, Position to) const {
    return std::ranges::any_of(
        all_, [&](const Range& range) { return range.from < to && from < range.to; });
  }
  const std::vector<Range>& all() const { return all_; }
  bool operator==(const Ranges&) const = default;

 private:
  std::vector<Range> all_;
};

std::string Content(const std::string& path) {
  int error = 0;
  const UniqueFd fd = OpenForReading(path, &error);
  if (!fd) return "";
  std::vector<std::byte> bytes(FileBytes(fd.get()));
  bytes.resize(ReadAt(fd.get(), bytes, 0));
  return std::string(AsText(bytes));
}

/// A directory in memory that is empty for each input.
class Directory {
 public:
  Directory() : path_(RuntimeDirectories().front() + "/pipedup-fuzz-XXXXXX") {
    Require(::mkdtemp(path_.data()) != nullptr);
  }
  ~Directory() { RemoveDirectory(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  void Empty() const {
    for (const std::string& name : ListDirectory(path_)) RemoveFile(path_ + "/" + name);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A segment as anybody could read it who knows the format.
class PlainSegment {
 public:
  PlainSegment(const std::string& directory, Position begin)
      : begin_(begin), log_(Content(SegmentPath(directory, begin, kLogSuffix))) {
    const std::string index = Content(SegmentPath(directory, begin, kIndexSuffix));
    for (std::size_t at = 0; at + kHeaderBytes <= index.size(); at += kHeaderBytes) {
      const auto block = ParseHeader(AsBytes(index).subspan(at, kHeaderBytes)).header;
      if (block && block->kind == BlockKind::kData && block->position >= begin) Add(*block);
    }
  }
  Position begin() const { return begin_; }
  const std::string& log() const { return log_; }
  /// All of it is in blocks whose checksums hold, and these are the bytes.
  bool Holds(Position from, ByteSpan bytes) const {
    const std::size_t at = from - begin_;
    if (at + bytes.size() > log_.size() || log_.compare(at, bytes.size(), AsText(bytes)) != 0) {
      return false;
    }
    return std::ranges::all_of(sound_.begin() + static_cast<long>(at),
                               sound_.begin() + static_cast<long>(at + bytes.size()),
                               [](bool sound) { return sound; });
  }

 private:
  void Add(const BlockHeader& block) {
    sound_.resize(log_.size());
    const std::size_t at = block.position - begin_;
    if (at > log_.size() || block.length > log_.size() - at) return;
    const ByteSpan bytes = AsBytes(log_).subspan(at, block.length);
    if (block.checksummed && Checksum(bytes) != block.checksum) return;
    std::fill_n(sound_.begin() + static_cast<long>(at), block.length, true);
  }

  Position begin_;
  std::string log_;
  std::vector<bool> sound_;
};

std::vector<PlainSegment> PlainSegments(const std::string& directory) {
  std::vector<PlainSegment> segments;
  for (const std::string& name : ListDirectory(directory)) {
    if (const auto begin = SegmentBegin(name, kLogSuffix)) {
      segments.emplace_back(directory, *begin);
    }
  }
  std::ranges::sort(segments, {}, &PlainSegment::begin);
  return segments;
}

/// What a reader gets of a journal.
struct Walk {
  Ranges served;
  Ranges skipped;
  bool operator==(const Walk&) const = default;
};

/// One process after the other on the same directory.
class Lives {
 public:
  Lives(const JournalImage& image, std::string directory, std::string boot, SyncMode sync,
        std::size_t read_bytes)
      : image_(image),
        directory_(std::move(directory)),
        boot_(std::move(boot)),
        sync_(sync),
        read_bytes_(read_bytes) {}

  std::optional<Recovered> RecoverOnly() {
    RecoveryOptions options;
    options.directory = directory_;
    options.new_session = kNewSession;
    options.boot = boot_;
    options.records = image_.records();
    options.stream = "s";
    options.now_ns = kNowNs;
    options.warn = [](const std::string& text) { Require(!text.empty()); };
    return Recover(options);
  }

  void Start(SessionId new_session, const std::string& boot) {
    JournalOptions options;
    options.directory = directory_;
    options.session = new_session;
    options.records = image_.records();
    options.retain_bytes = 1024 * 1024;
    options.durable = JournalOptions::Durable{"s", sync_, std::chrono::hours(1), boot};
    options.wall_clock = [] { return kNowNs; };
    options.warn = [this](const std::string& text) { Note(text); };
    said_.clear();
    journal_ = std::make_unique<Journal>(std::move(options));
  }
  void End() { journal_.reset(); }
  /// As with kill -9: what an end would have noted is not there.
  void Kill() {
    const std::string label = Content(directory_ + "/journal");
    const std::string lapsed = Content(directory_ + "/journal.lapsed");
    journal_.reset();
    RemoveFile(directory_ + "/journal");
    Put("/journal", label);
    Put("/journal.lapsed", lapsed);
  }

  /// Everything from tail to head. `found`: where bytes end that an earlier process has
  /// written.
  Walk ReadAll(Position found) {
    Walk walk;
    const std::vector<PlainSegment> segments = PlainSegments(directory_);
    for (Position at = journal_->tail(); at < journal_->head();) {
      if (const auto block = journal_->Read(at, read_bytes_)) {
        CheckBlock(*block, at, segments);
        walk.served.Add(at, block->header.end());
        at = block->header.end();
        continue;
      }
      const Position next = journal_->NextSound(at);
      Require(next > at && next <= journal_->head());
      walk.skipped.Add(at, next);
      at = next;
    }
    CheckSaid(walk, found);
    return walk;
  }

  /// A block of this process's own.
  void Append(std::string_view text) {
    const Position at = journal_->head();
    journal_->Append(AsBytes(text));
    journal_->PublishAll();
    journal_->Settle();
    Require(journal_->head() == at + text.size());
    const auto block = journal_->Read(at, SIZE_MAX);
    Require(block.has_value() && AsText(block->payload.bytes) == text);
    Require(block->header.session == journal_->session());
    Require(Content(SegmentPath(directory_, at, kLogSuffix)) == text);
  }

  const Journal& journal() const { return *journal_; }

 private:
  void Note(const std::string& text) {
    unsigned long long from = 0;
    unsigned long long to = 0;
    if (std::sscanf(text.c_str(), "journal: positions %llu to %llu are missing", &from, &to) ==
        2) {
      said_.push_back({from, to});
    }
  }

  void Put(const char* name, const std::string& text) {
    if (!text.empty())
      Require(ReplaceFile(directory_ + name, text, Readers::kNobody, false) == 0);
  }

  void CheckBlock(const Block& block, Position at,
                  const std::vector<PlainSegment>& segments) const {
    Require(block.header.session == journal_->session());
    Require(block.header.position == at && block.header.length == block.payload.size());
    Require(block.header.length > 0 && block.header.end() <= journal_->head());
    Require(!block.header.checksummed ||
            block.header.checksum == Checksum(block.payload.bytes));
    const auto behind = std::ranges::upper_bound(segments, at, {}, &PlainSegment::begin);
    Require(behind != segments.begin());
    Require(std::prev(behind)->Holds(at, block.payload.bytes));
  }

  /// What is skipped was said, once, and nothing else was.
  void CheckSaid(const Walk& walk, Position found) const {
    std::uint64_t said_bytes = 0;
    Ranges said;
    std::vector<Range> sorted = said_;
    std::ranges::sort(sorted, {}, &Range::from);
    for (const Range& range : sorted) {
      Require(range.from < range.to && !said.Meets(range.from, range.to));
      Require(!walk.served.Meets(range.from, range.to));
      said.Add(range.from, range.to);
      said_bytes += range.to - range.from;
    }
    for (const Range& range : walk.skipped.all()) {
      // Behind `found` begin the positions that were used for what was in memory only.
      const Position to = std::min(range.to, std::max(range.from, found));
      Require(range.from == to || said.Covers(range.from, to));
    }
    Require(journal_->counters().damaged_bytes == said_bytes);
  }

  const JournalImage& image_;
  const std::string directory_;
  const std::string boot_;
  const SyncMode sync_;
  const std::size_t read_bytes_;
  std::unique_ptr<Journal> journal_;
  std::vector<Range> said_;
};

/// Where the next byte belongs.
Position HeadOf(const Recovered& found) {
  return found.began_session ? found.head : std::max(found.head, found.label.used);
}

/// A session that nobody was told of may begin elsewhere the next time.
bool Same(const Recovered& a, const Recovered& b) {
  const auto same_segment = [](const StoredSegment::Found& x, const StoredSegment::Found& y) {
    return x.begin == y.begin && x.end == y.end && x.log_bytes == y.log_bytes &&
           x.index_bytes == y.index_bytes;
  };
  return (b.began_session || HeadOf(a) == HeadOf(b)) && a.last == b.last &&
         std::ranges::equal(a.segments, b.segments, same_segment);
}

/// What was found, to show beside a failure.
void Show(const Recovered& found) {
  std::fprintf(stderr, "head %llu, used %llu, session %llx%s\n",
               static_cast<unsigned long long>(found.head),
               static_cast<unsigned long long>(found.label.used),
               static_cast<unsigned long long>(found.label.session),
               found.began_session ? ", begun" : "");
  for (const StoredSegment::Found& segment : found.segments) {
    std::fprintf(stderr, "  [%llu, %llu) log %llu index %llu\n",
                 static_cast<unsigned long long>(segment.begin),
                 static_cast<unsigned long long>(segment.end),
                 static_cast<unsigned long long>(segment.log_bytes),
                 static_cast<unsigned long long>(segment.index_bytes));
  }
}

void RequireSame(const Recovered& a, const Recovered& b) {
  const bool same = Same(a, b);
  if (!same) Show(a), Show(b);
  Require(same);
}

/// The session that goes on has used none of the positions that it will use next.
void CheckHead(const JournalImage& image, const JournalLabel& label, bool same_boot,
               const Journal& journal) {
  if (journal.session() != label.session) return;
  Require(journal.head() >= label.used);
  if (!same_boot) return;
  for (const Position begin : image.Begins()) Require(journal.head() >= begin);
  if (!image.only_damaged()) return;  // a segment of strangers may begin in the middle
  for (const BlockHeader& block : image.IntactBlocks()) Require(journal.head() >= block.end());
}

/// Positions of another session go on in a new one, and it is said from where.
void CheckBegun(const Recovered& found) {
  if (!found.began_session) return;
  Require(found.label.session == kNewSession && !found.label.past.empty());
  Require(found.label.past.back().end == found.head);
  for (const PastSession& past : found.label.past) Require(past.end <= found.head);
}

void CheckServed(const JournalImage& image, bool same_boot, const Walk& walk) {
  if (!image.only_damaged()) return;
  for (const BlockHeader& block : same_boot ? image.IntactBlocks() : image.BlocksAfterCrash()) {
    Require(walk.served.Covers(block.position, block.end()));
  }
}

/// Refused, for a reason that is one, and nothing was touched.
void CheckRefusal(const Error& error) {
  const std::string_view what = error.what();
  Require(what.find("holds other things") != what.npos ||
          what.find("is of stream") != what.npos ||
          what.find("its records are others") != what.npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Directory directory;
  directory.Empty();

  Input input(data, size);
  const std::uint64_t how = input.Byte();
  const std::string boot = how % 4 == 0 ? "" : how % 4 == 1 ? kOtherBoot : kThisBoot;
  const auto sync = static_cast<SyncMode>(how / 4 % 3);
  const std::uint64_t most = input.Byte();
  const bool killed = how / 16 % 2 == 1;
  JournalImage image(input);
  for (int edits = 0; !input.empty() && edits < 64; ++edits) image.Edit(input);
  image.Write(directory.path());

  std::string why;
  const auto label = ReadJournalLabel(directory.path(), &why);
  Require(label.has_value() == why.empty());
  Lives lives(image, directory.path(), boot, sync, most == 0 ? SIZE_MAX : most);
  try {
    const auto first = lives.RecoverOnly();
    const auto second = lives.RecoverOnly();
    Require(first.has_value() == second.has_value());
    if (first) {
      RequireSame(*first, *second);
      CheckBegun(*first);
    }
    lives.Start(kNewSession, boot);
    if (!first) Require(lives.journal().session() == kNewSession);
  } catch (const Error& error) {
    CheckRefusal(error);
    return 0;
  }

  const Journal& journal = lives.journal();
  const SessionId session = journal.session();
  const std::vector<PlainSegment> segments = PlainSegments(directory.path());
  const Position found =
      segments.empty() ? 0 : segments.back().begin() + segments.back().log().size();
  const Walk walk = lives.ReadAll(found);
  const bool same_boot = label && label->durable && !boot.empty() && label->boot == boot;
  if (label && label->durable) CheckHead(image, *label, same_boot, journal);
  CheckServed(image, same_boot, walk);
  lives.Append("appended\n");

  const Position head = journal.head();
  Walk whole = walk;
  whole.served.Add(head - 9, head);
  if (killed) {
    lives.Kill();
  } else {
    lives.End();
  }
  lives.Start(kNewSession + 1, kThisBoot);
  Require(lives.journal().head() == head);
  if (!killed || boot == kThisBoot) Require(lives.journal().session() == session);
  Require(lives.ReadAll(found) == whole);

  if (walk.skipped.all().empty() && !image.logs_edited() && image.only_damaged()) {
    std::string all;
    for (const PlainSegment& segment : PlainSegments(directory.path())) all += segment.log();
    Require(all.size() == head - lives.journal().tail());
    for (std::size_t i = 0; i + 9 < all.size(); ++i) {
      Require(all[i] == ByteAt(lives.journal().tail() + i));
    }
    Require(all.ends_with("appended\n"));
  }
  lives.End();
  return 0;
}
