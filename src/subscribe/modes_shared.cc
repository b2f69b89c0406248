// What a mode machine does because others read the same stream: see shared_stream.h.
#include <algorithm>

#include "subscribe/modes.h"

namespace pipedup {

ModeCounters& ModeCounters::operator+=(const ModeCounters& other) {
  for (const auto counter :
       {&ModeCounters::blocks, &ModeCounters::bytes, &ModeCounters::duplicate_bytes,
        &ModeCounters::live_gaps, &ModeCounters::catch_ups, &ModeCounters::gaps,
        &ModeCounters::lost_bytes, &ModeCounters::lost_records, &ModeCounters::remakes,
        &ModeCounters::foreign_blocks}) {
    this->*counter += other.*counter;
  }
  return *this;
}

// ---- another session than the one that is read ----

bool ModeMachine::MustStandApart(const control::Welcome& welcome, TimePoint now) const {
  if (!shared_->several() || at_->session == 0 || welcome.session == at_->session) return false;
  // Where it goes on is decided by the one that has it.
  if (at_->resuming) return shared_->OthersMayCome(*this, now);
  return shared_->IsOver(welcome.session) || shared_->HeldElsewhere(*this, now);
}

void ModeMachine::StandApart(const control::Welcome& welcome) {
  LeaveSession();
  if (apart_ == welcome.session) return;
  apart_ = welcome.session;
  if (!at_->resuming && !shared_->IsOver(apart_)) actions_.StandsApart(welcome);
}

void ModeMachine::LeaveSession() {
  LeaveLive();
  asked_.clear();
  stash_.clear();
  stash_bytes_ = 0;
  session_ = 0;
  gone_until_ = 0;
  doubt_.reset();
  shared_->Release(*this);
  Enter(State::kJoining);
}

void ModeMachine::ResolveDoubt(TimePoint now) {
  if (known_head_ >= *doubt_ || session_ != at_->session) {
    doubt_.reset();
    return;
  }
  if (shared_->HeldElsewhere(*this, now) || shared_->OthersMayCome(*this, now)) return;
  // Nobody has the bytes that it has lost, and it publishes others in their place.
  const control::Welcome welcome = welcome_;
  ContinueIn(welcome, welcome.head);
  head_moved_ = now;
  EnterCatchUp();
}

// ---- what others have done ----

void ModeMachine::OnElsewhere(std::uint64_t version, TimePoint now) {
  heard_version_ = version;
  if (state_ == State::kStopped) return;
  const bool left = session_ != 0 && session_ != at_->session;
  if (left || (state_ == State::kEnded && !at_->ended)) {
    LeaveSession();
    actions_.SendHello();  // the welcome says what there is
    last_hello_ = now;
    return;
  }
  if (state_ == State::kJoining || state_ == State::kEnded) return;
  if (at_->ended) {
    LeaveLive();
    asked_.clear();
    stash_.clear();
    stash_bytes_ = 0;
    Enter(State::kEnded);
    return;
  }
  if (!stash_.empty() && stash_.front().header.position <= at_->position) TakeStash();
  if (state_ == State::kStopped) return;
  if (at_->end) ReachEnd(*at_->end);
  Ask(now);
}

// ---- what others want to know ----

bool ModeMachine::HoldsSession() const {
  if (session_ == 0 || session_ != at_->session || doubt_) return false;
  return state_ != State::kStopped && !(state_ == State::kEnded && options_.follow);
}

bool ModeMachine::MayCome() const {
  return session_ == 0 && apart_ == 0 && state_ == State::kJoining;
}

bool ModeMachine::IsStreaming() const {
  return (state_ == State::kLive || state_ == State::kAttached) && known_head_ >= at_->position;
}

bool ModeMachine::IsFetching() const {
  if (state_ != State::kCatchUp && state_ != State::kBridging) return false;
  for (const Asked& asked : asked_) {
    if (!asked.stale) return true;
  }
  return false;
}

std::optional<Position> ModeMachine::ServesFrom(TimePoint since, TimePoint now) const {
  if (MayCome()) return at_->position;
  if (!HoldsSession()) return std::nullopt;
  if (state_ == State::kJoining) return at_->position;  // it is being connected anew
  if (gone_until_ > at_->position) {
    return stash_.empty() ? gone_until_ : std::min(gone_until_, stash_.front().header.position);
  }
  if (known_head_ > at_->position) return at_->position;
  // It has not got there yet. If it stands still, nobody waits for it.
  if (head_said_ < since) return at_->position;
  if (!welcome_.ended && now - head_moved_ <= options_.dead_after) return at_->position;
  return std::nullopt;
}

}  // namespace pipedup
