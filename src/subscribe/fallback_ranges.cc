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
    : events_(events), readers_{first(*this), second(*this)} {}

bool FallbackRanges::Ask(std::uint64_t ticket, const control::ReadFrom& from,
                         std::uint64_t max) {
  if (!readers_[preferred_]->Ask(ticket, from, max)) return false;
  questions_[ticket] = {from, max, preferred_};
  return true;
}

void FallbackRanges::ExpectEnd() {
  for (const auto& reader : readers_) reader->ExpectEnd();
}

bool FallbackRanges::expects_end() const {
  return readers_[0]->expects_end() && readers_[1]->expects_end();
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
  if (!has_it && !std::exchange(question.last, true)) {
    if (done != nullptr) question.said = *done;
    question.asked = 1 - question.asked;
    if (readers_[question.asked]->Ask(ticket, question.from, question.max)) return;
  } else if (has_it && question.last && !question.said) {
    preferred_ = question.asked;  // the other one did not answer
  }
  const std::optional<control::Done> said = question.said;
  questions_.erase(found);
  events_.OnRangeDone(ticket, has_it ? done : Better(done, said ? &*said : nullptr));
}

}  // namespace pipedup
