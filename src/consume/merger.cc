#include "consume/merger.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/records.h"

namespace pipedup {
namespace {

/// Length of what has ended in `bytes`; 0 if no record has.
std::size_t LengthOfEnded(RecordFormat format, ByteSpan bytes) {
  if (format == RecordFormat::kRaw) return bytes.size();
  const auto last = AsText(bytes).rfind(static_cast<char>(Delimiter(format)));
  return last == std::string_view::npos ? 0 : last + 1;
}

}  // namespace

SharedBytes Prepend(const std::string& before, SharedBytes bytes) {
  if (before.empty()) return bytes;
  auto both = std::make_shared<std::string>(before);
  both->append(AsText(bytes.bytes));
  const ByteSpan view = AsBytes(*both);
  return {std::move(both), view};
}

std::size_t Merger::Add() {
  streams_.emplace_back();
  return streams_.size() - 1;
}

void Merger::SetFormat(std::size_t stream, RecordFormat format) {
  streams_[stream].format = format;
}

std::optional<Position> Merger::first_held(std::size_t stream) const {
  const Stream& of = streams_[stream];
  if (of.held.empty()) return std::nullopt;
  return of.held.front().from;
}

void Merger::Push(std::size_t stream, const BlockHeader& header, Position from,
                  SharedBytes bytes) {
  if (bytes.size() == 0) return;
  Stream& to = streams_[stream];
  const std::size_t ended = LengthOfEnded(to.format, bytes.bytes);
  if (ended > 0) {
    to.complete = to.held_bytes + ended;
    to.cut = false;
  }
  to.held_bytes += bytes.size();
  to.held.push_back({header, from, std::move(bytes)});
  Drain(stream);
  if (!owner_) DrainAll();
}

void Merger::EndRecord(std::size_t stream) {
  Stream& of = streams_[stream];
  if (alone()) return;
  if (of.held_bytes > of.complete) {
    of.complete = of.held_bytes;
    of.cut = true;
    Drain(stream);
  } else if (owner_ == stream) {
    before_ = static_cast<char>(Delimiter(of.format));
    owner_.reset();
  }
  if (!owner_) DrainAll();
}

void Merger::DrainAll() {
  for (std::size_t i = 0; i < streams_.size() && !owner_; ++i) Drain(i);
}

void Merger::Drain(std::size_t number) {
  if (owner_ && *owner_ != number) return;
  Stream& stream = streams_[number];
  if (stream.complete > 0) {
    EmitBytes(number, std::exchange(stream.complete, 0));
    owner_.reset();
    if (std::exchange(stream.cut, false) && stream.format != RecordFormat::kRaw) {
      before_ = static_cast<char>(Delimiter(stream.format));
    }
  }
  if (stream.held_bytes == 0) return;
  if (alone() || owner_ == number || stream.held_bytes > hold_bytes_) {
    EmitBytes(number, stream.held_bytes);
    owner_ = number;
  }
}

void Merger::EmitBytes(std::size_t number, std::uint64_t bytes) {
  Stream& stream = streams_[number];
  while (bytes > 0) {
    Piece piece = std::move(stream.held.front());
    stream.held.pop_front();
    const auto length =
        static_cast<std::size_t>(std::min<std::uint64_t>(bytes, piece.bytes.size()));
    MergePart part{number, piece.header, piece.from, piece.bytes.Part(0, length),
                   std::exchange(before_, "")};
    if (length < piece.bytes.size()) {
      piece.from += length;
      piece.bytes = piece.bytes.Part(length);
      stream.held.push_front(std::move(piece));
    }
    bytes -= length;
    stream.held_bytes -= length;
    emit_(std::move(part));
  }
}

}  // namespace pipedup
