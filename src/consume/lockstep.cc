#include "consume/lockstep.h"

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <optional>
#include <span>

namespace pipedup {
namespace {

constexpr std::size_t kRoundBytes = 1024 * 1024;
constexpr std::size_t kReadBytes = 256 * 1024;
constexpr int kRoundsPerWake = 16;  // then signals are looked at

/// An empty staging pipe of the input's size has room for all that the input can hold. Nothing
/// if there is no splice here.
std::pair<UniqueFd, UniqueFd> MakeStaging() {
  auto ends = MakePipe();
  GrowPipe(ends.second.get(), kRoundBytes);
  if (PipeSize(ends.second.get()) == 0) return {};
  return ends;
}

}  // namespace

Lockstep::Lockstep(EventLoop& loop, int input, const std::vector<int>& outputs,
                   OnOutputEnd on_output_end, OnInputFailed on_input_failed)
    : loop_(loop),
      input_(input),
      input_is_pipe_(IsPipe(input)),
      on_output_end_(std::move(on_output_end)),
      on_input_failed_(std::move(on_input_failed)),
      buffer_(kRoundBytes) {
  GrowPipe(input_, kRoundBytes);
  for (const int fd : outputs) {
    outputs_.push_back({.fd = fd});
    if (!IsTerminal(fd) && !IsSocket(fd)) outputs_.back().staging = MakeStaging();
    GrowPipe(fd, kRoundBytes);
  }
  if (!input_is_pipe_) feeder_ = MakeStaging();
  by_room_.resize(outputs_.size());
  std::iota(by_room_.begin(), by_room_.end(), std::size_t{0});
  std::ranges::stable_sort(by_room_, {}, [this](std::size_t index) {
    return outputs_[index].splices() ? PipeSize(outputs_[index].staging.first.get()) : 0;
  });
  readable_ = loop_.OnReadable(input_, [this] { Pump(); });
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    Output& output = outputs_[i];
    output.writable = loop_.OnWritable(output.fd, [this, i] {
      Drain(i);
      Pump();
    });
    loop_.SetEnabled(output.writable, false);
    if (IsPipe(output.fd) || IsSocket(output.fd)) {
      output.hang_up = loop_.OnHangUp(output.fd, [this, i] {
        EndOutput(i, IoStatus::kClosed, EPIPE);
        Pump();
      });
    }
  }
}

Lockstep::~Lockstep() {
  ended_ = true;
  loop_.Remove(readable_);
  for (const Output& output : outputs_) {
    if (!output.open) continue;
    loop_.Remove(output.writable);
    loop_.Remove(output.hang_up);
  }
}

void Lockstep::Stop() {
  if (ended_) return;
  for (std::size_t i = 0; i < outputs_.size(); ++i) Drain(i);
  EndAll(IoStatus::kOk);
}

void Lockstep::Pump() {
  for (int round = 0; round < kRoundsPerWake || fed_ > 0; ++round) {
    if (ended_ || pending() || !Take()) break;
    for (std::size_t i = 0; i < outputs_.size(); ++i) Drain(i);
  }
  if (!ended_) SetWatches();
}

bool Lockstep::pending() const {
  return std::ranges::any_of(outputs_, [](const Output& output) { return output.pending(); });
}

void Lockstep::SetWatches() {
  loop_.SetEnabled(readable_, !pending());
  for (const Output& output : outputs_) {
    if (output.open) loop_.SetEnabled(output.writable, output.pending());
  }
}

// ---- input ----

// One round; false if there is nothing to take now, or never again.
bool Lockstep::Take() {
  const bool splices = std::ranges::any_of(
      outputs_, [](const Output& output) { return output.open && output.splices(); });
  if (fed_ == 0 && !splices) return TakeByReading();
  if (input_is_pipe_) return TakeFromPipe(input_);
  if (fed_ == 0 && !FillFeeder()) return false;
  return TakeFromPipe(feeder_.first.get());
}

bool Lockstep::NothingTaken(const IoResult& result) {
  if (result.status == IoStatus::kOk) return false;
  if (result.status == IoStatus::kWouldBlock) return true;
  if (result.status != IoStatus::kEnd) on_input_failed_(result.error);
  EndAll(IoStatus::kEnd);
  return true;
}

bool Lockstep::TakeByReading() {
  if (!IsReadable(input_)) return false;
  const IoResult result = ReadSome(input_, std::span(buffer_).first(kReadBytes));
  if (NothingTaken(result)) return false;
  for (Output& output : outputs_) {
    if (output.open) output.rest = ByteSpan(buffer_).first(result.count);
  }
  taken_ += result.count;
  return true;
}

// What is read is written to a pipe once, and goes from there to all outputs without a copy.
// Not spliced from the input: if somebody changed the file meanwhile, outputs would differ.
bool Lockstep::FillFeeder() {
  if (!IsReadable(input_)) return false;
  const std::size_t room = std::min(PipeSize(feeder_.first.get()), kReadBytes);
  const IoResult result = ReadSome(input_, std::span(buffer_).first(room));
  if (NothingTaken(result)) return false;
  fed_ = WriteAll(feeder_.second.get(), ByteSpan(buffer_).first(result.count)).count;
  return true;
}

bool Lockstep::TakeFromPipe(int from) {
  Output* last = nullptr;  // of those that splice: it need not be teed, unless somebody reads
  bool read = false;
  for (const std::size_t i : by_room_) {
    Output& output = outputs_[i];
    if (output.open && output.splices()) last = &output;
    if (output.open && !output.splices()) read = true;
  }
  // The first output says how long the round is: it has the least room.
  std::optional<std::size_t> length;
  std::size_t moved = 0;
  for (const std::size_t i : by_room_) {
    Output& output = outputs_[i];
    if (!output.open || !output.splices()) continue;
    const bool move = &output == last && !read;
    const int to = output.staging.second.get();
    const std::size_t wanted = length.value_or(kRoundBytes);
    const IoResult result = move ? SplicePipe(from, to, wanted) : TeePipe(from, to, wanted);
    if (!length) {
      if (result.status == IoStatus::kFailed) return TakeWithoutSplicing();
      if (NothingTaken(result)) return false;
      length = result.count;
    }
    output.staged = result.count;
    if (move) moved = result.count;
    read = read || result.count < *length;
  }
  if (!length) length = fed_;
  if (moved < *length && !ReadRest(from, moved, *length)) return false;
  if (from != input_) fed_ -= *length;
  taken_ += *length;
  return true;
}

// Takes [moved, length) of the round out of `from`, for all that have less than `length`.
bool Lockstep::ReadRest(int from, std::size_t moved, std::size_t length) {
  for (std::size_t at = moved; at < length;) {
    const IoResult result = ReadSome(from, std::span(buffer_).subspan(at, length - at));
    if (result.status != IoStatus::kOk) {  // somebody else reads from the same pipe
      on_input_failed_(result.error == 0 ? EIO : result.error);
      EndAll(IoStatus::kEnd);
      return false;
    }
    at += result.count;
  }
  for (Output& output : outputs_) {
    if (output.open) output.rest = ByteSpan(buffer_).first(length).subspan(output.staged);
  }
  return true;
}

bool Lockstep::TakeWithoutSplicing() {
  for (Output& output : outputs_) StopSplicing(output);
  return Take();
}

// ---- outputs ----

void Lockstep::Drain(std::size_t index) {
  Output& output = outputs_[index];
  while (output.staged > 0) {
    const IoResult result = SplicePipe(output.staging.first.get(), output.fd, output.staged);
    if (result.status == IoStatus::kWouldBlock) return;
    if (result.status == IoStatus::kFailed && result.error == EINVAL) {
      StopSplicing(output);
    } else if (result.status != IoStatus::kOk) {
      return EndOutput(index, result.status, result.error);
    } else {
      output.staged -= result.count;
    }
  }
  if (output.rest.empty()) return;
  const IoResult result = WriteReady(output.fd, output.rest);
  output.rest = output.rest.subspan(result.count);
  if (result.status != IoStatus::kOk && result.status != IoStatus::kWouldBlock) {
    EndOutput(index, result.status, result.error);
  }
}

// From here on the output is written to. What is staged comes first.
void Lockstep::StopSplicing(Output& output) {
  if (output.staged > 0) {
    std::vector<std::byte> kept(output.staged);
    std::size_t used = 0;
    while (used < kept.size()) {
      used += ReadSome(output.staging.first.get(), std::span(kept).subspan(used)).count;
    }
    kept.insert(kept.end(), output.rest.begin(), output.rest.end());
    output.kept = std::move(kept);
    output.rest = output.kept;
    output.staged = 0;
  }
  output.staging = {};
}

void Lockstep::EndOutput(std::size_t index, IoStatus why, int error) {
  Output& output = outputs_[index];
  if (!output.open) return;
  output.open = false;
  loop_.Remove(output.writable);
  loop_.Remove(output.hang_up);
  output.staging = {};
  output.staged = 0;
  output.rest = {};
  if (std::ranges::none_of(outputs_, &Output::open)) {
    ended_ = true;
    loop_.Remove(readable_);
  }
  on_output_end_(index, why, error);
}

void Lockstep::EndAll(IoStatus why) {
  for (std::size_t i = 0; i < outputs_.size(); ++i) EndOutput(i, why, 0);
}

}  // namespace pipedup
