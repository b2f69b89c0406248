#include "programs/buffered_copy.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "os/io.h"
#include "os/process.h"

namespace pipedup {
BufferedCopy::BufferedCopy(EventLoop& loop, Reporter& reporter, const Options& options,
                           std::vector<Output> outputs, Lockstep::OnOutputEnd on_output_end,
                           Lockstep::OnInputFailed on_input_failed)
    : loop_(loop),
      reporter_(reporter),
      options_(options),
      on_output_end_(std::move(on_output_end)),
      on_input_failed_(std::move(on_input_failed)),
      journal_(MakeJournalOptions(options)) {
  readers_.reserve(outputs.size());
  for (Output& output : outputs) AddReader(std::move(output));
  journal_.OnBlock([this](const Block&) { PumpAll(); });
  // Bytes are passed on as they come: where records begin concerns nobody here.
  source_.emplace(loop_, journal_, options.input, Duration(0), [this](int error) {
    if (error != 0) on_input_failed_(error);
    for (Reader& reader : readers_) {
      if (reader.feed) reader.feed->Finish();
    }
  });
  PauseOrNot();
}

BufferedCopy::~BufferedCopy() {
  for (Reader& reader : readers_) reader.feed.reset();  // each may have a gap to tell
}

JournalOptions BufferedCopy::MakeJournalOptions(const Options& options) {
  JournalOptions made;
  made.session = RandomId();
  made.records = RecordFormat::kRaw;
  made.retain_bytes = options.buffer_bytes;
  made.checksum = false;
  made.splice_out = true;
  made.wall_clock = WallNow;
  made.warn = [this](const std::string& text) { reporter_.Warn("journal", text); };
  if (auto directory = JournalDirectory::Create(RuntimeDirectories(),
                                                "tee-" + Hex(made.session), made.warn)) {
    directory_.emplace(std::move(*directory));
    made.directory = directory_->path();
  } else {
    reporter_.Warn("journal", "journal: no directory can hold it; it stays in private memory");
  }
  return made;
}

void BufferedCopy::AddReader(Output output) {
  const std::size_t index = readers_.size();
  readers_.push_back({.label = std::move(output.label)});
  Reader& reader = readers_.back();
  FeedEvents events;
  events.on_progress = [this] { PauseOrNot(); };
  events.on_passed = [this, index](Position at) { OnPassed(readers_[index], at); };
  events.on_gap = [this, index](Position from, Position to) {
    OnGap(readers_[index], from, to);
  };
  UniqueFd pipe = std::move(output.pipe);
  if (pipe) {
    events.on_drained = [this, index] { EndReader(index, IoStatus::kEnd, 0); };
    events.on_closed = [this, index] { EndReader(index, IoStatus::kClosed, EPIPE); };
    events.on_failed = [this, index](int error) { EndReader(index, IoStatus::kFailed, error); };
  } else {
    auto [read_end, write_end] = MakePipe();
    GrowPipe(write_end.get());
    reader.staging = std::move(read_end);
    pipe = std::move(write_end);
    reader.mover = std::make_unique<Lockstep>(
        loop_, reader.staging.get(), std::vector<int>{output.fd},
        [this, index](std::size_t, IoStatus why, int error) { EndReader(index, why, error); },
        [](int) {});
  }
  reader.feed = std::make_unique<Feed>(loop_, journal_, std::move(pipe), 0, std::move(events));
}

void BufferedCopy::PumpAll() {
  for (Reader& reader : readers_) {
    if (reader.feed) reader.feed->Pump();
  }
  PauseOrNot();
}

std::uint64_t BufferedCopy::worst_lag() const {
  Position slowest = journal_.head();
  for (const Reader& reader : readers_) {
    if (reader.feed) slowest = std::min(slowest, reader.feed->position());
  }
  return journal_.head() - slowest;
}

// With --slow wait nothing that an output still needs is dropped, and the input waits while the
// slowest one has all of the buffer before it.
void BufferedCopy::PauseOrNot() {
  if (options_.drop || !source_) return;
  Position slowest = journal_.head();
  for (const Reader& reader : readers_) {
    if (reader.feed && reader.feed->open())
      slowest = std::min(slowest, reader.feed->position());
  }
  journal_.KeepFrom(slowest);
  if (journal_.CostSince(slowest) >= options_.buffer_bytes) {
    source_->Pause();
  } else {
    source_->Resume();
  }
}

void BufferedCopy::OnPassed(const Reader& reader, Position at) {
  const std::uint64_t behind = journal_.head() - at;
  reporter_.Warn("losing",
                 reader.label + " is " + FormatSize(behind) + " behind and is losing data",
                 {{"output", reader.label}, {"behind_bytes", behind}});
}

void BufferedCopy::OnGap(const Reader& reader, Position from, Position to) {
  const std::uint64_t bytes = to - from;
  lost_bytes_ += bytes;
  reporter_.Warn("gap",
                 "gap: " + reader.label + " lost " + std::to_string(bytes) +
                     " bytes, positions " + std::to_string(from) + " to " + std::to_string(to) +
                     ": it was more than the buffer (" + FormatSize(options_.buffer_bytes) +
                     ") behind",
                 {{"output", reader.label}, {"from", from}, {"to", to}, {"bytes", bytes}});
}

void BufferedCopy::EndReader(std::size_t index, IoStatus why, int error) {
  Reader& reader = readers_[index];
  if (!reader.open) return;
  reader.open = false;
  reader.feed.reset();
  on_output_end_(index, why, error);
  if (std::ranges::none_of(readers_, &Reader::open)) {
    if (source_) source_->Pause();
  } else {
    PauseOrNot();
  }
}

void BufferedCopy::Stop() {
  if (source_) source_->Pause();
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    const Reader& reader = readers_[i];
    if (reader.mover && reader.open) reader.mover->Stop();
    EndReader(i, IoStatus::kOk, 0);
  }
}

}  // namespace pipedup
