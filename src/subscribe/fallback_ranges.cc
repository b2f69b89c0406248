#include "subscribe/fallback_ranges.h"

#include <algorithm>
#include <utility>

namespace pipedup {
namespace {

/// Of two who do not have it, the one whose bytes begin first; null: it did not answer.
const control::Done* Better(const control::Done* a, const control::Done* b) {
  if (a == nullptr || b == nullptr) return a == nullptr ? b : a;
  return b->tail < a->tail ? b : a;
}

}  // namespace

FallbackRanges::FallbackRanges(const Make& first, const Make& second, RangeReaderEvents& events)
    : events_(events), first_(first(*this)), second_(second(*this)) {}

bool FallbackRanges::Ask(std::uint64_t ticket, const control::ReadFrom& from,
                         std::uint64_t max) {
  if (!first_->Ask(ticket, from, max)) return false;
  questions_[ticket] = {from, max};
  return true;
}

void FallbackRanges::ExpectEnd() {
  first_->ExpectEnd();
  second_->ExpectEnd();
}

bool FallbackRanges::expects_end() const {
  return first_->expects_end() && second_->expects_end();
}

void FallbackRanges::OnRangeBlock(std::uint64_t ticket, const BlockHeader& header,
                                  SharedBytes payload) {
  const auto found = questions_.find(ticket);
  if (found == questions_.end()) return;
  Question& question = found->second;
  const bool placed = question.from.kind == control::ReadFrom::Kind::kPosition;
  const Position begin = placed ? question.from.value : header.position;
  question.max -= std::min(question.max, header.end() - std::min(begin, header.end()));
  question.from = {control::ReadFrom::Kind::kPosition, header.end()};
  events_.OnRangeBlock(ticket, header, std::move(payload));
}

void FallbackRanges::OnRangeDone(std::uint64_t ticket, const control::Done* done) {
  const auto found = questions_.find(ticket);
  if (found == questions_.end()) return;
  Question& question = found->second;
  const bool has_it = done != nullptr && done->outcome != control::Done::Outcome::kGone;
  if (!has_it && !std::exchange(question.second, true)) {
    if (done != nullptr) question.first_said = *done;
    if (second_->Ask(ticket, question.from, question.max)) return;
  }
  const std::optional<control::Done> first_said = question.first_said;
  questions_.erase(found);
  events_.OnRangeDone(ticket,
                      has_it ? done : Better(done, first_said ? &*first_said : nullptr));
}

}  // namespace pipedup
