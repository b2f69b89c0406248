// Over 500 lines: one machine, whose states only make sense beside each other.
#include "subscribe/modes.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/records.h"
#include "base/text.h"

namespace pipedup {
namespace {

using control::kMaxReadBytes;
using control::ReadFrom;

constexpr std::uint64_t kNearHead = kMaxReadBytes;   // close enough to subscribe again
constexpr std::uint64_t kFewestAsked = 1024 * 1024;  // less room is not worth a request
constexpr std::uint64_t kPieceOverhead = 256;        // memory of a message beside its bytes
constexpr const char* kRetentionPassed = "retention passed";
constexpr auto kHelloEvery = std::chrono::seconds(1);
constexpr auto kBridgeEvery = std::chrono::milliseconds(50);
constexpr auto kAskAgain = std::chrono::seconds(2);
constexpr auto kAskAgainMax = std::chrono::seconds(30);
constexpr auto kAttachPause = std::chrono::seconds(1);
constexpr auto kAttachPauseMax = std::chrono::seconds(60);

}  // namespace

ModeMachine::ModeMachine(ModeOptions options, ModeActions& actions)
    : options_(options), actions_(actions), attach_pause_(kAttachPause), ask_again_(kAskAgain) {
  if (!options_.resume) return;
  // As one that was cut off: what it has is known, and every byte behind that counts.
  resuming_ = begun_ = aligned_ = true;
  session_ = options_.resume->session;
  position_ = options_.resume->position;
}

control::Mode ModeMachine::mode() const {
  switch (state_) {
    case State::kJoining:
      return control::Mode::kJoining;
    case State::kCatchUp:
    case State::kBridging:
      return control::Mode::kCatchUp;
    case State::kLive:
      return control::Mode::kLive;
    case State::kAttached:
      return control::Mode::kAttached;
    case State::kEnded:
    case State::kStopped:
      break;
  }
  return control::Mode::kEnded;
}

void ModeMachine::Enter(State state) {
  if (state_ == state) return;
  const control::Mode before = mode();
  state_ = state;
  if (mode() != before) actions_.ModeChanged(mode());
}

// ---- joining ----

void ModeMachine::OnConnect(TimePoint now) {
  if (last_heard_ == TimePoint{}) last_heard_ = now;
  last_control_ = last_live_ = last_hello_ = last_ping_ = last_replay_ = now;
  ask_again_ = kAskAgain;
  attach_after_ = TimePoint{};
  attach_pause_ = kAttachPause;
  if (state_ == State::kAttached) actions_.Detach();
  asked_.clear();
  stash_.clear();
  stash_bytes_ = 0;
  if (state_ != State::kEnded && state_ != State::kStopped) Enter(State::kJoining);
  if (state_ != State::kStopped) actions_.SendHello();
}

void ModeMachine::OnWelcome(const control::Welcome& welcome, TimePoint now) {
  last_heard_ = last_control_ = now;
  if (state_ == State::kStopped) return;
  if (resuming_ && !Resume(welcome)) return;
  if (welcome.session == session_) {
    if (state_ == State::kEnded) {
      // It lingers, or that is an old answer of it; what comes next is waited for.
      if (!options_.follow || welcome.ended || welcome.started_ns == welcome_.started_ns)
        return;
      Enter(State::kJoining);
      actions_.SessionContinues(welcome, session_, position_);
    }
    if (!welcome.ended && options_.follow) end_.reset();
    // Another publisher that has lost what it had published: the same positions will be other
    // bytes.
    const Position reached = std::max(welcome.head, welcome.reached);
    if (begun_ && reached < position_ && welcome.started_ns != welcome_.started_ns) {
      ContinueIn(welcome, reached);
    }
    known_head_ = std::max(known_head_, welcome.head);
    known_tail_ = std::max(known_tail_, welcome.tail);
    welcome_ = welcome;
    if (state_ == State::kJoining) EnterCatchUp();
    Ask(now);
    return;
  }
  if (state_ == State::kEnded && !options_.follow) return;  // all that was wanted has been read
  if (!IsReadable(welcome)) return;
  const auto past = std::ranges::find(welcome.past, session_, &control::Past::session);
  if (session_ != 0 && past != welcome.past.end() && !unresolved_) {
    ContinueIn(welcome, past->end);
  } else if (session_ != 0 && (begun_ || state_ == State::kEnded)) {
    if (!options_.follow) {
      GiveUp("the publisher vanished");
      state_ = State::kStopped;
      actions_.Fail(kExitUnreachable,
                    "the publisher vanished before the end of the stream: session " +
                        Hex(welcome.session) + " has taken the place of " + Hex(session_));
      return;
    }
    const SessionId old = session_;
    if (state_ != State::kEnded) GiveUp("the publisher vanished");
    LeaveLive();
    StartSession(welcome);
    // Nothing of a session that began meanwhile was seen: it is read from its first byte.
    aligned_ = true;
    records_known_ = true;
    actions_.SessionChanged(welcome, old);
    BeginAt(0);
  } else {
    LeaveLive();
    StartSession(welcome);
    ChooseBeginning(welcome);
    if (state_ == State::kStopped) return;
  }
  EnterCatchUp();
  Ask(now);
}

bool ModeMachine::IsReadable(const control::Welcome& welcome) {
  if (welcome.codec == "none") return true;
  state_ = State::kStopped;
  actions_.Fail(kExitRefused, "the stream is compressed (" + Escape(welcome.codec) +
                                  "), which this version cannot read");
  return false;
}

/// The first welcome of one that goes on where it stopped. False: it has failed.
bool ModeMachine::Resume(const control::Welcome& welcome) {
  if (!IsReadable(welcome)) return false;
  resuming_ = false;
  const auto past = std::ranges::find(welcome.past, session_, &control::Past::session);
  if (welcome.session == session_) {
    actions_.Begin(welcome, position_);
  } else if (past != welcome.past.end()) {
    actions_.Begin(welcome, std::min(position_, past->end));  // and ContinueIn says the rest
  } else {
    actions_.SessionChanged(welcome, session_);
    session_ = 0;
    begun_ = aligned_ = false;
    position_ = 0;
  }
  return true;
}

// The publisher has lost what was in memory only, or not yet safe when its machine crashed: the
// old session up to `end` is the beginning of this one. Whoever has read further has read what
// nobody else will.
void ModeMachine::ContinueIn(const control::Welcome& welcome, Position end) {
  const SessionId old = session_;
  const Position stood = position_;
  const bool begun = begun_;
  const bool aligned = aligned_;
  const bool known = records_known_ && stood <= end;
  const std::uint64_t records = records_;
  ClosePendingGap(nullptr);
  if (begun_ && state_ != State::kEnded && known_head_ > std::max(stood, end)) {
    position_ = std::max(stood, end);
    Lose(known_head_, "lost by the publisher");
    ClosePendingGap(nullptr);
  }
  LeaveLive();
  StartSession(welcome);
  position_ = std::min(stood, end);
  begun_ = begun;
  aligned_ = aligned;
  records_known_ = known;
  if (known) records_ = records;
  actions_.SessionContinues(welcome, old, position_);
}

void ModeMachine::StartSession(const control::Welcome& welcome) {
  welcome_ = welcome;
  session_ = welcome.session;
  known_head_ = welcome.head;
  known_tail_ = welcome.tail;
  records_ = 0;
  records_known_ = false;
  last_time_ns_ = 0;
  end_.reset();
  unresolved_.reset();
  asked_.clear();
  stash_.clear();
  stash_bytes_ = 0;
  pending_gap_.reset();
  begun_ = aligned_ = false;
  position_ = 0;
  state_ = State::kJoining;
}

// Where this reader begins in the first session that it meets.
void ModeMachine::ChooseBeginning(const control::Welcome& welcome) {
  const bool raw = welcome.records == RecordFormat::kRaw;
  switch (options_.from.kind) {
    case Beginning::Kind::kNow:
      if (raw) {
        position_ = welcome.head;
      } else {
        unresolved_ = ReadFrom{ReadFrom::Kind::kLast, 0};
      }
      break;
    case Beginning::Kind::kStart:
      position_ = welcome.tail;
      break;
    case Beginning::Kind::kPosition:
      position_ = options_.from.value;
      break;
    case Beginning::Kind::kBehind:
      position_ = welcome.head - std::min(options_.from.value, welcome.head - welcome.tail);
      break;
    case Beginning::Kind::kAgo: {
      const auto now_ns = static_cast<std::uint64_t>(std::max<std::int64_t>(welcome.now_ns, 0));
      unresolved_ =
          ReadFrom{ReadFrom::Kind::kSince, now_ns - std::min(now_ns, options_.from.value)};
      break;
    }
    case Beginning::Kind::kLast:
      if (raw) {
        state_ = State::kStopped;
        actions_.Fail(kExitFailure, "--last: stream '" + welcome.stream +
                                        "' is raw, it has no records; use --from");
        return;
      }
      unresolved_ = ReadFrom{ReadFrom::Kind::kLast, options_.from.value};
      break;
  }
}

// ---- changes of state ----

void ModeMachine::EnterCatchUp() {
  LeaveLive();
  stash_.clear();
  stash_bytes_ = 0;
  ++counters_.catch_ups;
  Enter(State::kCatchUp);
}

void ModeMachine::EnterBridging(TimePoint now) {
  if (!Subscribed()) {
    actions_.Subscribe(welcome_.stream);
    last_live_ = now;
  }
  Enter(State::kBridging);
}

void ModeMachine::EnterLive() {
  Enter(State::kLive);
  ForgetAsked();
}

/// Tries it where it may work: with a position, and not right after it failed.
bool ModeMachine::EnterAttached(TimePoint now) {
  const bool possible =
      state_ == State::kCatchUp || state_ == State::kBridging || state_ == State::kLive;
  if (!options_.attach || welcome_.journal.empty() || !possible || unresolved_ ||
      now < attach_after_) {
    return false;
  }
  attach_after_ = now + attach_pause_;
  attach_pause_ = std::min<Duration>(2 * attach_pause_, kAttachPauseMax);
  if (!actions_.Attach(welcome_, position_)) return false;
  LeaveLive();
  stash_.clear();
  stash_bytes_ = 0;
  ForgetAsked();
  last_live_ = now;
  Enter(State::kAttached);
  // At the head nobody has to be asked any more: from here on every byte counts.
  if (!begun_ && !aligned_ && position_ == known_head_) BeginAt(position_);
  return true;
}

/// Ends whatever brings bytes unasked.
void ModeMachine::LeaveLive() {
  if (state_ == State::kAttached) {
    actions_.Detach();
  } else if (Subscribed()) {
    actions_.Unsubscribe(welcome_.stream);
  }
}

// ---- asking ----

/// What is still to come of the ranges that were asked for.
std::uint64_t ModeMachine::AskedBytes() const {
  std::uint64_t bytes = 0;
  for (const Asked& asked : asked_) {
    const Position from = std::max(asked.begin, position_);
    if (!asked.stale && from < asked.end) bytes += asked.end - from;
  }
  return bytes;
}

std::uint64_t ModeMachine::Room() const {
  const std::uint64_t held = queued_ + stash_bytes_ + AskedBytes();
  return options_.hold_bytes - std::min(options_.hold_bytes, held);
}

bool ModeMachine::RoomToSubscribe() const {
  return queued_ <= options_.hold_bytes / 2;
}

void ModeMachine::SendRead(ReadFrom from, std::uint64_t max, Position begin) {
  control::Read read;
  read.request = next_request_++;
  read.session = session_;
  read.from = from;
  read.max = max;
  asked_.push_back({read.request, begin, begin + max, false});
  actions_.SendRead(read);
}

/// The answers will come all the same; what they bring is taken if it fits, and not waited for.
void ModeMachine::ForgetAsked() {
  for (Asked& asked : asked_) asked.stale = true;
}

void ModeMachine::Ping() {
  control::Read ping;
  ping.request = 0;  // no range is waited for
  ping.session = session_;
  ping.from = {ReadFrom::Kind::kPosition, position_};
  actions_.SendRead(ping);
}

// At most two ranges of 4 MiB are under way, and only as much as the consumer leaves room for.
void ModeMachine::Ask(TimePoint now) {
  if (EnterAttached(now)) return;
  if (state_ != State::kCatchUp && state_ != State::kBridging) return;
  if (unresolved_) {
    if (!asked_.empty() || Room() < kMaxReadBytes) return;
    last_replay_ = now;
    SendRead(*unresolved_, kMaxReadBytes, position_);
    return;
  }
  while (asked_.size() < control::kMaxReadsOutstanding) {
    Position next = position_;
    bool waiting = false;
    for (const Asked& asked : asked_) {
      if (asked.stale) continue;
      next = std::max(next, asked.end);
      waiting = true;
    }
    const Position target = stash_.empty() ? known_head_ : stash_.front().header.position;
    // At the head there is nothing to ask for, but once: the answer leads to BRIDGING, or says
    // that this is the end.
    const bool look = !waiting && state_ == State::kCatchUp && RoomToSubscribe();
    if (next >= target && !look) return;
    const std::uint64_t wanted =
        next < target ? std::min<std::uint64_t>(kMaxReadBytes, target - next) : kFewestAsked;
    const std::uint64_t room = Room();
    if (room < std::min(wanted, kFewestAsked)) return;
    if (asked_.empty()) last_replay_ = now;
    SendRead({ReadFrom::Kind::kPosition, next}, std::min(wanted, room), next);
  }
}

void ModeMachine::OnDone(const control::Done& done, TimePoint now) {
  last_heard_ = last_control_ = now;
  if (state_ == State::kStopped || state_ == State::kJoining) return;
  if (done.outcome == control::Done::Outcome::kWrongSession) {
    actions_.SendHello();  // the welcome decides
    return;
  }
  if (done.session != session_) return;
  known_head_ = std::max(known_head_, done.head);
  if (done.outcome == control::Done::Outcome::kOk) {
    known_tail_ = std::max(known_tail_, done.tail);
  }
  const auto found = std::find_if(asked_.begin(), asked_.end(), [&](const Asked& asked) {
    return asked.request == done.request;
  });
  const bool expected = found != asked_.end() && !found->stale;
  // Answers come in order: earlier ones were lost.
  if (found != asked_.end()) asked_.erase(asked_.begin(), found + 1);
  if (state_ != State::kCatchUp && state_ != State::kBridging) return;
  if (expected) {
    if (done.outcome == control::Done::Outcome::kGone) {
      OnGone(done);
    } else if (unresolved_) {
      // Nothing is there yet to be read from where it begins. Should that turn out to be inside
      // a record, the beginning moves to the next one.
      unresolved_.reset();
      BeginAt(done.next);
    } else if (done.next > position_ && position_ < known_head_) {
      ForgetAsked();  // a part of the answer did not arrive: it is asked for first
    } else if (!begun_ && aligned_ == false && done.next == position_) {
      BeginAt(position_);
    }
    if (end_) ReachEnd(*end_);
    const bool near = known_head_ - std::min(known_head_, position_) <= kNearHead;
    if (state_ == State::kCatchUp && near && RoomToSubscribe()) EnterBridging(now);
  }
  Ask(now);
}

// What was asked for is no longer kept, or damaged: it goes on at `tail`.
void ModeMachine::OnGone(const control::Done& done) {
  const Position tail = done.tail;
  ForgetAsked();
  if (unresolved_) {
    unresolved_.reset();
    position_ = tail;
    return;
  }
  if (tail <= position_) return;
  const bool by_position =
      options_.from.kind == Beginning::Kind::kPosition && position_ == options_.from.value;
  const bool damaged = !done.reason.empty() && options_.from.kind == Beginning::Kind::kStart;
  if (!begun_ && (by_position || damaged)) {
    BeginAt(position_);  // it was asked for, so it counts as lost
  }
  const bool have = !stash_.empty() && stash_.front().header.position <= tail;
  const Position to = have ? stash_.front().header.position : tail;
  const std::string reason = done.reason.empty() ? kRetentionPassed : Escape(done.reason);
  if (to > position_) Lose(to, reason);
  if (have) TakeStash();
}

void ModeMachine::BeginAt(Position position) {
  begun_ = true;
  position_ = position;
  actions_.Begin(welcome_, position);
}

void ModeMachine::OnError(const std::string& code, const std::string& reason, TimePoint now) {
  last_heard_ = last_control_ = now;
  if (state_ == State::kStopped) return;
  if (code == "unknown-member") {
    asked_.clear();  // whatever was asked of a publisher that does not know us is not answered
    actions_.SendHello();
    last_hello_ = now;
  } else if (code == "no-records") {
    state_ = State::kStopped;
    actions_.Fail(kExitFailure, "the publisher has no records to begin at: " + Escape(reason));
  } else if (code == "bad-request" && state_ == State::kJoining) {
    state_ = State::kStopped;
    actions_.Fail(kExitFailure,
                  "the publisher does not understand this program: " + Escape(reason));
  }
  // too-many-reads and the rest: what was asked is asked again by OnTick.
}

// ---- blocks ----

void ModeMachine::OnReplay(const BlockHeader& header, const SharedBytes& payload,
                           TimePoint now) {
  last_heard_ = last_control_ = last_replay_ = now;
  ask_again_ = kAskAgain;
  if (state_ != State::kCatchUp && state_ != State::kBridging) return;
  if (header.session != session_) {
    ++counters_.foreign_blocks;
    return;
  }
  if (header.kind == BlockKind::kEndOfStream) {
    NoteEnd(header);
    if (end_ && !unresolved_) ReachEnd(*end_);
    return;
  }
  if (header.kind != BlockKind::kData) return;
  if (unresolved_) {
    position_ = header.position;
    unresolved_.reset();
    if (!asked_.empty()) {
      asked_.front().begin = position_;
      asked_.front().end = position_ + kMaxReadBytes;
    }
  }
  if (header.position > position_)
    return;  // the range before it was lost on the way: asked again
  Take(header, payload);
  if (!stash_.empty() && stash_.front().header.position <= position_) TakeStash();
  Ask(now);
}

void ModeMachine::OnLive(const BlockHeader& header, SharedBytes payload, TimePoint now) {
  last_heard_ = last_live_ = now;
  if (state_ == State::kStopped || state_ == State::kEnded || state_ == State::kJoining) return;
  if (header.session != session_) {
    ++counters_.foreign_blocks;
    if (now - last_hello_ >= kBridgeEvery) {
      last_hello_ = now;
      actions_.SendHello();  // the welcome decides which session there is
    }
    return;
  }
  if (state_ == State::kAttached) {
    OnHead(header);
    return;
  }
  if (!Subscribed()) return;  // still on its way when CATCH-UP began
  if (unresolved_) return;
  const Position reached = header.kind == BlockKind::kData ? header.end() : header.position;
  known_head_ = std::max(known_head_, reached);
  if (header.kind == BlockKind::kEndOfStream) NoteEnd(header);
  if (header.kind == BlockKind::kHead && header.position == position_) {
    ClosePendingGap(&header);
    records_ = header.records_before;
    records_known_ = true;
  }

  if (header.position <= position_) {
    // Also the first live message after a subscription, or the range before it has been
    // fetched.
    if (header.kind == BlockKind::kData) Take(header, payload);
    if (state_ == State::kStopped) return;
    if (!stash_.empty() && stash_.front().header.position <= position_) TakeStash();
    if (state_ == State::kStopped) return;
    if (stash_.empty() && Subscribed()) {
      EnterLive();
    }
    if (end_) ReachEnd(*end_);
    return;
  }
  if (state_ == State::kLive) {
    ++counters_.live_gaps;
    EnterBridging(now);
  }
  if (header.kind == BlockKind::kData) Stash(header, std::move(payload));
  Ask(now);
}

// While ATTACHED: what is there to be read, and where it ends.
void ModeMachine::OnHead(const BlockHeader& header) {
  if (header.kind == BlockKind::kData) return;  // still on its way when ATTACHED began
  known_head_ = std::max(known_head_, header.position);
  if (header.kind == BlockKind::kEndOfStream) NoteEnd(header);
  if (header.position == position_) {
    ClosePendingGap(&header);
    records_ = header.records_before;
    records_known_ = true;
  }
  if (end_) ReachEnd(*end_);
}

void ModeMachine::OnLocal(const BlockHeader& header, const SharedBytes& payload,
                          TimePoint now) {
  if (state_ != State::kAttached || header.session != session_ || header.position > position_) {
    return;
  }
  attach_pause_ = kAttachPause;
  attach_after_ = now + attach_pause_;
  known_head_ = std::max(known_head_, header.end());
  Take(header, payload);
  if (state_ == State::kAttached && end_) ReachEnd(*end_);
}

void ModeMachine::OnLocalMissing(TimePoint now) {
  if (state_ != State::kAttached) return;
  attach_after_ = now + attach_pause_;
  EnterCatchUp();
  Ask(now);
}

// An end before what has been delivered is a lie, or damage that a checksum did not show.
void ModeMachine::NoteEnd(const BlockHeader& end) {
  if (begun_ && end.position < position_) return;
  end_ = end;
  known_head_ = std::max(known_head_, end.position);
}

void ModeMachine::Stash(const BlockHeader& header, SharedBytes payload) {
  const bool follows = !stash_.empty() && stash_.back().header.end() == header.position;
  if (!stash_.empty() && !follows) {
    stash_.clear();  // a hole: everything before this block is fetched
    stash_bytes_ = 0;
  }
  // Room for at least a part of the range before it must stay, or nobody ever fetches that.
  const std::uint64_t held = header.length + kPieceOverhead;
  if (Room() < held + kFewestAsked) {
    EnterCatchUp();
    return;
  }
  stash_bytes_ += held;
  stash_.push_back({header, std::move(payload)});
}

void ModeMachine::TakeStash() {
  std::deque<Stashed> stash = std::exchange(stash_, {});
  stash_bytes_ = 0;
  EnterLive();
  for (Stashed& block : stash) {
    if (state_ != State::kLive) return;  // what was not taken is fetched
    Take(block.header, block.payload);
  }
  if (end_) ReachEnd(*end_);
}

void ModeMachine::OnDamaged(TimePoint now) {
  last_heard_ = last_live_ = now;
  if (state_ != State::kLive) return;  // elsewhere the next block shows the hole
  ++counters_.live_gaps;
  EnterBridging(now);
  Ask(now);
}

void ModeMachine::Take(const BlockHeader& header, const SharedBytes& payload) {
  if (header.end() <= position_) {
    counters_.duplicate_bytes += header.length;
    return;
  }
  auto skip = static_cast<std::size_t>(position_ - header.position);
  counters_.duplicate_bytes += skip;
  if (!aligned_) {
    // A new reader begins where a record does.
    const bool at_boundary =
        welcome_.records == RecordFormat::kRaw ||
        (skip == 0 ? header.begins_record
                   : payload.bytes[skip - 1] == Delimiter(welcome_.records));
    if (!at_boundary) {
      const std::size_t partial =
          LengthOfRecords(welcome_.records, payload.bytes.subspan(skip), 1);
      if (partial == 0) {
        begun_ = false;  // what was taken for the beginning is inside a record
        position_ = header.end();
        records_ = header.records_before + header.records;
        records_known_ = true;
        return;
      }
      skip += partial;
    }
    aligned_ = true;
    begun_ = begun_ && header.position + skip == position_;
  }
  if (!begun_) BeginAt(header.position + skip);
  ClosePendingGap(&header);
  position_ = header.end();
  records_ = header.records_before + header.records;
  records_known_ = true;
  last_time_ns_ = header.time_ns;
  if (skip == header.length) return;
  ++counters_.blocks;
  counters_.bytes += header.length - skip;
  actions_.Deliver(header, header.position + skip, payload.Part(skip));
}

// ---- loss ----

void ModeMachine::Lose(Position to, std::string reason) {
  if (!begun_) {  // still on the way to where it begins: nothing of this was promised
    position_ = to;
    return;
  }
  aligned_ = true;  // every byte behind the gap counts, also the rest of a record
  if (!pending_gap_) {
    pending_gap_ = Gap{};
    pending_gap_->session = session_;
    pending_gap_->from = position_;
    pending_gap_->records_known = records_known_;
    pending_gap_->first_record = records_known_ ? records_ : 0;
    pending_gap_->after = WallTime(std::chrono::nanoseconds(last_time_ns_));
    pending_gap_->reason = std::move(reason);
  }
  pending_gap_->to = to;
  position_ = to;
}

void ModeMachine::ClosePendingGap(const BlockHeader* next) {
  if (!pending_gap_) return;
  Gap gap = *std::exchange(pending_gap_, std::nullopt);
  if (next == nullptr) {
    gap.records_known = false;
  } else {
    if (gap.records_known) {
      gap.records = next->records_before - std::min(next->records_before, gap.first_record);
    }
    gap.before = WallTime(std::chrono::nanoseconds(next->time_ns));
  }
  ++counters_.gaps;
  counters_.lost_bytes += gap.bytes();
  counters_.lost_records += gap.records;
  actions_.ReportGap(gap);
}

void ModeMachine::Flush() {
  ClosePendingGap(nullptr);
}

void ModeMachine::GiveUp(const std::string& reason) {
  if (begun_ && state_ != State::kEnded && known_head_ > position_) Lose(known_head_, reason);
  Flush();
}

void ModeMachine::Stop() {
  if (state_ == State::kEnded || state_ == State::kStopped) return;
  LeaveLive();
  asked_.clear();
  stash_.clear();
  stash_bytes_ = 0;
  pending_gap_.reset();
  Enter(State::kStopped);
}

void ModeMachine::ReachEnd(const BlockHeader& end) {
  if (state_ == State::kEnded || unresolved_ || position_ < end.position) return;
  if (begun_ && position_ > end.position) {
    end_.reset();  // it was noted before the beginning was known, and is no end
    return;
  }
  ClosePendingGap(&end);
  if (!begun_) BeginAt(end.position);
  LeaveLive();
  asked_.clear();
  Enter(State::kEnded);
  actions_.EndOfStream(end.position, end.exit_status);
}

// ---- time and pace ----

/// Four heartbeats: less than that is no silence.
Duration ModeMachine::HeadsMayTake() const {
  return std::chrono::milliseconds(4 * std::uint64_t{welcome_.heartbeat_ms});
}

void ModeMachine::OnQueued(std::uint64_t bytes, TimePoint now) {
  queued_ = bytes;
  // A full queue means CATCH-UP, never a full ZeroMQ pipe.
  if (Subscribed() && queued_ + stash_bytes_ + kMaxBlockBytes > options_.hold_bytes)
    EnterCatchUp();
  Ask(now);
}

void ModeMachine::OnTick(TimePoint now) {
  if (state_ == State::kStopped) return;
  if (state_ == State::kEnded && !options_.follow) return;
  const bool live_silent =
      (Subscribed() || state_ == State::kAttached) &&
      now - last_live_ > std::max<Duration>(options_.dead_after, HeadsMayTake());
  if (now - last_control_ > options_.dead_after || live_silent) {
    ++counters_.remakes;
    actions_.Remake();
    return;
  }
  if (state_ == State::kJoining || state_ == State::kEnded) {
    if (now - last_hello_ >= kHelloEvery) {
      last_hello_ = now;
      actions_.SendHello();
    }
    return;
  }
  if (now - last_control_ >= options_.dead_after / 3 &&
      now - last_ping_ >= options_.dead_after / 3) {
    last_ping_ = now;
    Ping();
  }
  if (!asked_.empty() && now - last_replay_ >= ask_again_) {
    // The answer was lost, or many others are served before: then asking ever again would only
    // make the publisher send everything twice.
    asked_.clear();
    last_replay_ = now;
    ask_again_ = std::min<Duration>(2 * ask_again_, kAskAgainMax);
  }
  if (state_ == State::kBridging && stash_.empty() && position_ >= known_head_ &&
      now - last_ping_ >= kBridgeEvery) {
    // Subscribed, and at the head as far as it is known: look again until the first live
    // message.
    last_ping_ = now;
    Ping();
  }
  Ask(now);
}

}  // namespace pipedup
