#include "subscribe/shared_stream.h"

#include <algorithm>

#include "subscribe/modes.h"

namespace pipedup {
namespace {

constexpr Duration kPatienceMin = std::chrono::milliseconds(50);
constexpr Duration kPatienceMax = std::chrono::seconds(2);
constexpr int kPiecesLate = 4;  // so many times the usual time between two is a stall

}  // namespace

void SharedStream::Add(ModeMachine* machine) {
  machines_.push_back(machine);
}

void SharedStream::Remove(const ModeMachine* machine) {
  std::erase(machines_, machine);
  Release(*machine);
  if (progress.end_from == machine) progress.end_from = nullptr;
  if (progress.went_on_from == machine) progress.went_on_from = nullptr;
}

void SharedStream::Moved() {
  ++version_;
  waiting_since_.reset();
}

void SharedStream::Settle(TimePoint now) {
  if (!several()) return;
  for (bool again = true; again;) {
    again = false;
    for (ModeMachine* machine : machines_) {
      if (machine->heard_version() == version_) continue;
      machine->OnElsewhere(version_, now);
      again = true;
    }
  }
}

/// Somebody else brings it forward, or is believed to.
bool SharedStream::IsServed(const ModeMachine& machine) const {
  return std::ranges::any_of(machines_, [&](const ModeMachine* other) {
    return other != &machine &&
           (other->IsStreaming() || (other == asker_ && other->IsFetching()));
  });
}

bool SharedStream::MayAsk(const ModeMachine& machine, TimePoint now) {
  if (!several()) return true;
  if (IsServed(machine)) {
    if (!waiting_since_) waiting_since_ = now;
    if (now - *waiting_since_ < patience_) return false;
    waiting_since_.reset();  // the next one that wants to ask lets this one try first
  }
  asker_ = &machine;
  return true;
}

void SharedStream::Release(const ModeMachine& machine) {
  if (asker_ == &machine) asker_ = nullptr;
}

void SharedStream::NoteAnswer(Duration took) {
  patience_ = std::clamp<Duration>(std::max<Duration>(kPiecesLate * took, patience_ * 7 / 8),
                                   kPatienceMin, kPatienceMax);
}

Position SharedStream::LostUpTo(const ModeMachine& machine, Position to, TimePoint now) {
  if (losing_at_ != progress.position) losing_since_ = now;
  losing_at_ = progress.position;
  for (const ModeMachine* other : machines_) {
    if (other == &machine || !other->IsHeard(now)) continue;
    const std::optional<Position> from = other->ServesFrom(losing_since_, now);
    if (from) to = std::min(to, std::max(*from, progress.position));
  }
  return to;
}

bool SharedStream::HeldElsewhere(const ModeMachine& machine, TimePoint now) const {
  return std::ranges::any_of(machines_, [&](const ModeMachine* other) {
    return other != &machine && other->IsHeard(now) && other->HoldsSession();
  });
}

bool SharedStream::OthersMayCome(const ModeMachine& machine, TimePoint now) const {
  return std::ranges::any_of(machines_, [&](const ModeMachine* other) {
    return other != &machine && other->IsHeard(now) && other->MayCome();
  });
}

void SharedStream::Leave(SessionId session) {
  if (several() && session != 0) over_.insert(session);
}

}  // namespace pipedup
