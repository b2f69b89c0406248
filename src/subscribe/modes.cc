// Over 500 lines: one machine, whose states only make sense beside each other. What it does
// about others that read the same stream stands in modes_shared.cc.
#include "subscribe/modes.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/records.h"
#include "base/text.h"
#include "wire/compression.h"

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
constexpr auto kStandbyEvery = std::chrono::milliseconds(500);
constexpr auto kAskAgain = std::chrono::seconds(2);
constexpr auto kPingEvery = std::chrono::milliseconds(1800);  // with the status of every 2 s
constexpr auto kAskAgainMax = std::chrono::seconds(30);
constexpr auto kAttachPause = std::chrono::seconds(1);
constexpr auto kAttachPauseMax = std::chrono::seconds(60);

}  // namespace

ModeMachine::ModeMachine(ModeOptions options, ModeActions& actions)
    : options_(options),
      actions_(actions),
      shared_(std::make_shared<SharedStream>()),
      at_(&shared_->progress),
      attach_pause_(kAttachPause),
      ask_again_(kAskAgain) {
  shared_->Add(this);
  if (!options_.resume) return;
  // As one that was cut off: what it has is known, and every byte behind that counts.
  at_->resuming = at_->begun = at_->aligned = true;
  at_->session = options_.resume->session;
  at_->position = options_.resume->position;
}

ModeMachine::~ModeMachine() {
  shared_->Remove(this);
}

void ModeMachine::Share(std::shared_ptr<SharedStream> shared) {
  shared_->Remove(this);
  shared_ = std::move(shared);
  shared_->Add(this);
  at_ = &shared_->progress;
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
  shared_->Release(*this);
  asked_.clear();
  stash_.clear();
  stash_bytes_ = 0;
  if (state_ != State::kEnded && state_ != State::kStopped) Enter(State::kJoining);
  if (state_ != State::kStopped) actions_.SendHello();
}

void ModeMachine::OnWelcome(const control::Welcome& welcome, TimePoint now) {
  last_heard_ = last_control_ = now;
  if (state_ == State::kStopped) return;
  if (MustStandApart(welcome, now)) {
    StandApart(welcome);
    return;
  }
  apart_ = 0;
  if (at_->resuming && !Resume(welcome)) return;
  if (welcome.session == at_->session) {
    JoinSession(welcome, now);
  } else {
    TakeOver(welcome, now);
  }
}

// Its publisher has the session that is read.
void ModeMachine::JoinSession(const control::Welcome& welcome, TimePoint now) {
  const bool met = session_ == welcome.session || !shared_->several();
  const bool restarted = met && welcome.started_ns != welcome_.started_ns;
  if (at_->ended && StaysEnded(welcome, restarted)) {
    // It lingers, or that is an old answer of it; what comes next is waited for.
    if (!met) welcome_ = welcome;
    session_ = welcome.session;
    Enter(State::kEnded);
    return;
  }
  if (!welcome.ended && options_.follow &&
      (at_->end_from == nullptr || at_->end_from == this)) {
    at_->end.reset();
  }
  // Another publisher that has lost what it had published: the same positions will be other
  // bytes. Unless others have them: then they are the same, and it will get there again.
  const Position reached = std::max(welcome.head, welcome.reached);
  if (at_->begun && reached < at_->position && restarted) {
    if (shared_->HeldElsewhere(*this, now) || shared_->OthersMayCome(*this, now)) {
      doubt_ = at_->position;
      known_head_ = 0;  // what it had said before is not so any more
    } else {
      ContinueIn(welcome, reached);
    }
  }
  if (session_ != welcome.session) known_head_ = known_tail_ = 0;
  session_ = welcome.session;
  HeadIs(welcome.head, now);
  known_tail_ = std::max(known_tail_, welcome.tail);
  welcome_ = welcome;
  if (state_ == State::kJoining) EnterCatchUp();
  Ask(now);
}

/// At the end of a session that has ended: whether that is still so.
bool ModeMachine::StaysEnded(const control::Welcome& welcome, bool restarted) {
  const bool goes_on = restarted || (shared_->several() && welcome.head > at_->position);
  if (!options_.follow || welcome.ended || !goes_on) return true;
  at_->ended = false;
  at_->end.reset();
  at_->went_on = at_->position;
  at_->went_on_from = this;
  shared_->Moved();
  Enter(State::kJoining);
  actions_.SessionContinues(welcome, at_->session, at_->position);
  return false;
}

// Its publisher has another session than the one that is read, or the first one that is met.
void ModeMachine::TakeOver(const control::Welcome& welcome, TimePoint now) {
  if (at_->ended && !options_.follow) return;  // all that was wanted has been read
  if (!IsReadable(welcome)) return;
  const SessionId old = at_->session;
  const auto past = std::ranges::find(welcome.past, old, &control::Past::session);
  if (old != 0 && past != welcome.past.end() && !at_->unresolved) {
    ContinueIn(welcome, past->end);
  } else if (old != 0 && (at_->begun || at_->ended)) {
    if (!options_.follow) {
      GiveUp("the publisher vanished");
      state_ = State::kStopped;
      actions_.Fail(kExitUnreachable,
                    "the publisher vanished before the end of the stream: session " +
                        Hex(welcome.session) + " has taken the place of " + Hex(old));
      return;
    }
    if (!at_->ended) GiveUp("the publisher vanished");
    LeaveLive();
    StartSession(welcome);
    // Nothing of a session that began meanwhile was seen: it is read from its first byte.
    at_->aligned = true;
    at_->records_known = true;
    actions_.SessionChanged(welcome, old);
    BeginAt(0);
  } else {
    LeaveLive();
    StartSession(welcome);
    ChooseBeginning(welcome);
    if (state_ == State::kStopped) return;
  }
  head_moved_ = now;
  EnterCatchUp();
  Ask(now);
}

bool ModeMachine::IsReadable(const control::Welcome& welcome) {
  if (welcome.codec == "none" || welcome.codec == kZstdName) return true;
  state_ = State::kStopped;
  actions_.Fail(kExitRefused, "the stream is compressed (" + Escape(welcome.codec) +
                                  "), which this version cannot read");
  return false;
}

/// The first welcome of one that goes on where it stopped. False: it has failed.
bool ModeMachine::Resume(const control::Welcome& welcome) {
  if (!IsReadable(welcome)) return false;
  at_->resuming = false;
  const auto past = std::ranges::find(welcome.past, at_->session, &control::Past::session);
  if (welcome.session == at_->session) {
    actions_.Begin(welcome, at_->position);
  } else if (past != welcome.past.end()) {
    actions_.Begin(welcome,
                   std::min(at_->position, past->end));  // and ContinueIn says the rest
  } else {
    actions_.SessionChanged(welcome, at_->session);
    shared_->Leave(at_->session);
    at_->session = 0;
    at_->begun = at_->aligned = false;
    at_->position = 0;
  }
  return true;
}

// The publisher has lost what was in memory only, or not yet safe when its machine crashed: the
// old session up to `end` is the beginning of this one. Whoever has read further has read what
// nobody else will.
void ModeMachine::ContinueIn(const control::Welcome& welcome, Position end) {
  const SessionId old = at_->session;
  const Position stood = at_->position;
  const bool begun = at_->begun;
  const bool aligned = at_->aligned;
  const bool known = at_->records_known && stood <= end;
  const std::uint64_t records = at_->records;
  ClosePendingGap(nullptr);
  if (at_->begun && !at_->ended && at_->known_head > std::max(stood, end)) {
    at_->position = std::max(stood, end);
    Lose(at_->known_head, "lost by the publisher");
    ClosePendingGap(nullptr);
  }
  LeaveLive();
  StartSession(welcome);
  at_->position = std::min(stood, end);
  at_->begun = begun;
  at_->aligned = aligned;
  at_->records_known = known;
  if (known) at_->records = records;
  actions_.SessionContinues(welcome, old, at_->position);
}

void ModeMachine::StartSession(const control::Welcome& welcome) {
  if (at_->session != welcome.session) shared_->Leave(at_->session);
  *at_ = Progress{};
  at_->session = welcome.session;
  at_->known_head = welcome.head;
  shared_->Moved();
  welcome_ = welcome;
  session_ = welcome.session;
  known_head_ = welcome.head;
  known_tail_ = welcome.tail;
  gone_until_ = 0;
  doubt_.reset();
  asked_.clear();
  stash_.clear();
  stash_bytes_ = 0;
  state_ = State::kJoining;
}

// Where this reader begins in the first session that it meets.
void ModeMachine::ChooseBeginning(const control::Welcome& welcome) {
  const bool raw = welcome.records == RecordFormat::kRaw;
  switch (options_.from.kind) {
    case Beginning::Kind::kNow:
      if (raw) {
        at_->position = welcome.head;
      } else {
        at_->unresolved = ReadFrom{ReadFrom::Kind::kLast, 0};
      }
      break;
    case Beginning::Kind::kStart:
      at_->position = welcome.tail;
      break;
    case Beginning::Kind::kPosition:
      at_->position = options_.from.value;
      break;
    case Beginning::Kind::kBehind:
      at_->position = welcome.head - std::min(options_.from.value, welcome.head - welcome.tail);
      break;
    case Beginning::Kind::kAgo: {
      const auto now_ns = static_cast<std::uint64_t>(std::max<std::int64_t>(welcome.now_ns, 0));
      at_->unresolved =
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
      at_->unresolved = ReadFrom{ReadFrom::Kind::kLast, options_.from.value};
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
  shared_->Release(*this);
  ForgetAsked();
}

/// Tries it where it may work: with a position, and not right after it failed.
bool ModeMachine::EnterAttached(TimePoint now) {
  const bool possible =
      state_ == State::kCatchUp || state_ == State::kBridging || state_ == State::kLive;
  if (!options_.attach || welcome_.journal.empty() || !possible || at_->unresolved ||
      now < attach_after_) {
    return false;
  }
  attach_after_ = now + attach_pause_;
  attach_pause_ = std::min<Duration>(2 * attach_pause_, kAttachPauseMax);
  if (!actions_.Attach(welcome_, at_->position)) return false;
  LeaveLive();
  stash_.clear();
  stash_bytes_ = 0;
  ForgetAsked();
  last_live_ = now;
  Enter(State::kAttached);
  // At the head nobody has to be asked any more: from here on every byte counts.
  if (!at_->begun && !at_->aligned && at_->position == known_head_) BeginAt(at_->position);
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
    const Position from = std::max(asked.begin, at_->position);
    if (!asked.stale && from < asked.end) bytes += asked.end - from;
  }
  return bytes;
}

std::uint64_t ModeMachine::Room() const {
  const std::uint64_t held = queued_ + stash_bytes_ + AskedBytes();
  return options_.hold_bytes - std::min(options_.hold_bytes, held);
}

bool ModeMachine::IsNearHead() const {
  return known_head_ - std::min(known_head_, at_->position) <= kNearHead;
}

void ModeMachine::HeadIs(Position head, TimePoint now) {
  head_said_ = now;
  if (head > known_head_) head_moved_ = now;
  known_head_ = std::max(known_head_, head);
  at_->known_head = std::max(at_->known_head, known_head_);
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

void ModeMachine::Ping(TimePoint now) {
  if (first_ping_ <= last_control_) first_ping_ = now;
  last_ping_ = now;
  control::Read ping;
  ping.request = 0;  // no range is waited for
  ping.session = session_;
  ping.from = {ReadFrom::Kind::kPosition, at_->position};
  actions_.SendRead(ping);
}

// At most two ranges of 4 MiB are under way, and only as much as the consumer leaves room for.
void ModeMachine::Ask(TimePoint now) {
  if (EnterAttached(now)) return;
  if (state_ != State::kCatchUp && state_ != State::kBridging) return;
  if (at_->position < gone_until_) {
    LoseWhatIsGone(now);
    if (at_->position < gone_until_) return;  // others have it
    if (state_ != State::kCatchUp && state_ != State::kBridging) return;
  }
  if (at_->unresolved) {
    if (!asked_.empty() || Room() < kMaxReadBytes || !shared_->MayAsk(*this, now)) return;
    last_replay_ = now;
    SendRead(*at_->unresolved, kMaxReadBytes, at_->position);
    return;
  }
  while (asked_.size() < control::kMaxReadsOutstanding) {
    Position next = at_->position;
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
    if (!shared_->MayAsk(*this, now)) {
      if (state_ == State::kCatchUp && IsNearHead() && RoomToSubscribe()) EnterBridging(now);
      return;
    }
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
  HeadIs(done.head, now);
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
    const bool all_came = at_->unresolved || done.next <= at_->position;
    if (!all_came && at_->position < known_head_) {
      ForgetAsked();  // a part of the answer did not arrive: it is asked for first
    } else if (done.outcome == control::Done::Outcome::kGone) {
      OnGone(done, now);
    } else if (at_->unresolved) {
      // Nothing is there yet to be read from where it begins. Should that turn out to be inside
      // a record, the beginning moves to the next one.
      at_->unresolved.reset();
      shared_->Moved();
      BeginAt(done.next);
    } else if (!at_->begun && at_->aligned == false && done.next == at_->position) {
      BeginAt(at_->position);
    }
    if (at_->end) ReachEnd(*at_->end);
    if (state_ == State::kCatchUp && IsNearHead() && RoomToSubscribe()) EnterBridging(now);
  }
  Ask(now);
}

// What was asked for is no longer kept, or damaged: it goes on at `tail`.
void ModeMachine::OnGone(const control::Done& done, TimePoint now) {
  const Position tail = done.tail;
  ForgetAsked();
  if (at_->unresolved) {
    at_->unresolved.reset();
    at_->position = tail;
    shared_->Moved();
    return;
  }
  if (tail <= at_->position) return;
  const bool by_position =
      options_.from.kind == Beginning::Kind::kPosition && at_->position == options_.from.value;
  const bool damaged = !done.reason.empty() && options_.from.kind == Beginning::Kind::kStart;
  if (!at_->begun && (by_position || damaged)) {
    BeginAt(at_->position);  // it was asked for, so it counts as lost
  }
  gone_until_ = tail;
  gone_reason_ = done.reason.empty() ? kRetentionPassed : Escape(done.reason);
  shared_->Release(*this);
  shared_->Nudge();
  LoseWhatIsGone(now);
}

// Only as far as nobody else may still have it.
void ModeMachine::LoseWhatIsGone(TimePoint now) {
  const bool have = !stash_.empty() && stash_.front().header.position <= gone_until_;
  const Position gone = have ? stash_.front().header.position : gone_until_;
  const Position to = at_->begun ? shared_->LostUpTo(*this, gone, now) : gone;
  if (to > at_->position) Lose(to, gone_reason_);
  if (!shared_->several()) gone_until_ = 0;
  if (have && stash_.front().header.position <= at_->position) TakeStash();
}

void ModeMachine::BeginAt(Position position) {
  at_->begun = true;
  at_->position = position;
  shared_->Moved();
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
  if (!asked_.empty()) shared_->NoteAnswer(now - last_replay_);
  last_heard_ = last_control_ = last_replay_ = now;
  ask_again_ = kAskAgain;
  if (state_ != State::kCatchUp && state_ != State::kBridging) return;
  if (header.session != session_) {
    ++counters_.foreign_blocks;
    return;
  }
  if (header.kind == BlockKind::kEndOfStream) {
    NoteEnd(header, now);
    if (at_->end && !at_->unresolved) ReachEnd(*at_->end);
    return;
  }
  if (header.kind != BlockKind::kData) return;
  if (at_->unresolved) {
    at_->position = header.position;
    at_->unresolved.reset();
    shared_->Moved();
    if (!asked_.empty()) {
      asked_.front().begin = at_->position;
      asked_.front().end = at_->position + kMaxReadBytes;
    }
  }
  if (header.position > at_->position)
    return;  // the range before it was lost on the way: asked again
  Take(header, payload);
  if (!stash_.empty() && stash_.front().header.position <= at_->position) TakeStash();
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
    OnHead(header, now);
    return;
  }
  if (!Subscribed()) return;  // still on its way when CATCH-UP began
  if (at_->unresolved) return;
  const Position reached = header.kind == BlockKind::kData ? header.end() : header.position;
  HeadIs(reached, now);
  if (header.kind == BlockKind::kEndOfStream) NoteEnd(header, now);
  if (header.kind == BlockKind::kHead && header.position == at_->position) {
    ClosePendingGap(&header);
    at_->records = header.records_before;
    at_->records_known = true;
  }

  if (header.position <= at_->position) {
    // Also the first live message after a subscription, or the range before it has been
    // fetched.
    if (header.kind == BlockKind::kData) Take(header, payload);
    if (state_ == State::kStopped) return;
    if (!stash_.empty() && stash_.front().header.position <= at_->position) TakeStash();
    if (state_ == State::kStopped) return;
    if (stash_.empty() && Subscribed()) {
      EnterLive();
    }
    if (at_->end) ReachEnd(*at_->end);
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
void ModeMachine::OnHead(const BlockHeader& header, TimePoint now) {
  if (header.kind == BlockKind::kData) return;  // still on its way when ATTACHED began
  HeadIs(header.position, now);
  if (header.kind == BlockKind::kEndOfStream) NoteEnd(header, now);
  if (header.position == at_->position) {
    ClosePendingGap(&header);
    at_->records = header.records_before;
    at_->records_known = true;
  }
  if (at_->end) ReachEnd(*at_->end);
}

void ModeMachine::OnLocal(const BlockHeader& header, const SharedBytes& payload,
                          TimePoint now) {
  if (state_ != State::kAttached || header.session != session_ ||
      header.position > at_->position) {
    return;
  }
  attach_pause_ = kAttachPause;
  attach_after_ = now + attach_pause_;
  HeadIs(header.end(), now);
  Take(header, payload);
  if (state_ == State::kAttached && at_->end) ReachEnd(*at_->end);
}

void ModeMachine::OnLocalMissing(TimePoint now) {
  if (state_ != State::kAttached) return;
  attach_after_ = now + attach_pause_;
  EnterCatchUp();
  Ask(now);
}

// An end before what has been delivered is a lie, or damage that a checksum did not show.
void ModeMachine::NoteEnd(const BlockHeader& end, TimePoint now) {
  if (at_->begun && end.position < at_->position) return;
  // Of one that has not heard yet that the stream has gone on from there.
  if (at_->went_on == end.position && at_->went_on_from != this) return;
  if (!at_->end || at_->end->position != end.position) shared_->Moved();
  at_->end = end;
  at_->end_from = this;
  HeadIs(end.position, now);
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
  if (at_->end) ReachEnd(*at_->end);
}

void ModeMachine::OnDamaged(TimePoint now) {
  last_heard_ = last_live_ = now;
  if (state_ != State::kLive) return;  // elsewhere the next block shows the hole
  ++counters_.live_gaps;
  EnterBridging(now);
  Ask(now);
}

void ModeMachine::Take(const BlockHeader& header, const SharedBytes& payload) {
  if (header.end() <= at_->position) {
    counters_.duplicate_bytes += header.length;
    return;
  }
  auto skip = static_cast<std::size_t>(at_->position - header.position);
  counters_.duplicate_bytes += skip;
  if (!at_->aligned) {
    // A new reader begins where a record does.
    const bool at_boundary =
        welcome_.records == RecordFormat::kRaw ||
        (skip == 0 ? header.begins_record
                   : payload.bytes[skip - 1] == Delimiter(welcome_.records));
    if (!at_boundary) {
      const std::size_t partial =
          LengthOfRecords(welcome_.records, payload.bytes.subspan(skip), 1);
      shared_->Moved();
      if (partial == 0) {
        at_->begun = false;  // what was taken for the beginning is inside a record
        at_->position = header.end();
        at_->records = header.records_before + header.records;
        at_->records_known = true;
        return;
      }
      skip += partial;
    }
    at_->aligned = true;
    at_->begun = at_->begun && header.position + skip == at_->position;
  }
  if (!at_->begun) BeginAt(header.position + skip);
  ClosePendingGap(&header);
  shared_->Moved();
  at_->position = header.end();
  at_->records = header.records_before + header.records;
  at_->records_known = true;
  at_->last_time_ns = header.time_ns;
  if (skip == header.length) return;
  ++counters_.blocks;
  counters_.bytes += header.length - skip;
  actions_.Deliver(header, header.position + skip, payload.Part(skip));
}

// ---- loss ----

void ModeMachine::Lose(Position to, std::string reason) {
  shared_->Moved();
  if (!at_->begun) {  // still on the way to where it begins: nothing of this was promised
    at_->position = to;
    return;
  }
  at_->aligned = true;  // every byte behind the gap counts, also the rest of a record
  if (!at_->pending_gap) {
    at_->pending_gap = Gap{};
    at_->pending_gap->session = at_->session;
    at_->pending_gap->from = at_->position;
    at_->pending_gap->records_known = at_->records_known;
    at_->pending_gap->first_record = at_->records_known ? at_->records : 0;
    at_->pending_gap->after = WallTime(std::chrono::nanoseconds(at_->last_time_ns));
    at_->pending_gap->reason = std::move(reason);
  }
  at_->pending_gap->to = to;
  at_->position = to;
}

void ModeMachine::ClosePendingGap(const BlockHeader* next) {
  if (!at_->pending_gap) return;
  Gap gap = *std::exchange(at_->pending_gap, std::nullopt);
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
  shared_->lost_bytes += gap.bytes();
  counters_.lost_records += gap.records;
  actions_.ReportGap(gap);
}

void ModeMachine::Flush() {
  ClosePendingGap(nullptr);
}

void ModeMachine::GiveUp(const std::string& reason) {
  if (at_->begun && !at_->ended && at_->known_head > at_->position)
    Lose(at_->known_head, reason);
  Flush();
}

void ModeMachine::Stop() {
  if (state_ == State::kEnded || state_ == State::kStopped) return;
  Retire();
  at_->pending_gap.reset();
}

void ModeMachine::Retire() {
  LeaveLive();
  asked_.clear();
  stash_.clear();
  stash_bytes_ = 0;
  shared_->Release(*this);
  Enter(State::kStopped);
}

void ModeMachine::ReachEnd(const BlockHeader& end) {
  if (state_ == State::kEnded || at_->unresolved || at_->position < end.position) return;
  if (at_->begun && at_->position > end.position) {
    at_->end.reset();  // it was noted before the beginning was known, and is no end
    return;
  }
  ClosePendingGap(&end);
  if (!at_->begun) BeginAt(end.position);
  LeaveLive();
  asked_.clear();
  at_->ended = true;
  shared_->Moved();
  shared_->Release(*this);
  Enter(State::kEnded);
  actions_.EndOfStream(end.position, end.exit_status);
}

// ---- time and pace ----

/// Two heartbeats: less than that is no silence.
Duration ModeMachine::HeadsMayTake() const {
  return std::chrono::milliseconds(2 * std::uint64_t{welcome_.heartbeat_ms});
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
  // What is asked for while nothing comes is answered at once: then only an answer that does
  // not come is a sign of death, and asking seldom is enough.
  const bool asks = state_ != State::kJoining && state_ != State::kEnded;
  const TimePoint owed = asks ? first_ping_ : last_control_;
  const bool control_silent = owed >= last_control_ && now - owed > options_.dead_after;
  if (control_silent || live_silent) {
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
  const Duration ping_every = std::min<Duration>(options_.dead_after * 2 / 3, kPingEvery);
  if (now - last_control_ >= ping_every && now - last_ping_ >= ping_every) {
    Ping(now);
  }
  if (doubt_) ResolveDoubt(now);
  if (!asked_.empty() && now - last_replay_ >= ask_again_) {
    // The answer was lost, or many others are served before: then asking ever again would only
    // make the publisher send everything twice.
    asked_.clear();
    last_replay_ = now;
    ask_again_ = std::min<Duration>(2 * ask_again_, kAskAgainMax);
  }
  if (state_ == State::kBridging && stash_.empty() && at_->position >= known_head_ &&
      now - last_ping_ >= kBridgeEvery) {
    // Subscribed, and at the head as far as it is known: look again until the first live
    // message.
    Ping(now);
  }
  if (state_ == State::kCatchUp && shared_->several() &&
      (asked_.empty() || known_head_ <= at_->position) && now - last_ping_ >= kStandbyEvery) {
    // Others ask for what is missing; this one looks whether it is near the head again.
    Ping(now);
  }
  Ask(now);
}

}  // namespace pipedup
