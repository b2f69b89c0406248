#include "nats/log_writer.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "os/signals.h"
#include "wire/control.h"

namespace pipedup::nats {
namespace {

constexpr std::uint64_t kWindowBytes = 8 * 1024 * 1024;
constexpr std::size_t kWindowBlocks = 1000;
constexpr auto kHeadEvery = std::chrono::seconds(1);
constexpr std::uint64_t kLetters = 1;
// Answers to what is asked beside the messages that are appended, whose ends are numbers.
constexpr std::string_view kHeadAnswer = "head";
constexpr std::string_view kFirstAnswer = "first";

}  // namespace

namespace {

/// Where a stream goes on whose newest message is `last`.
Continuation ContinueAfter(const Entry& last, SessionId fresh) {
  Continuation from;
  from.position = EndOf(last.header);
  from.records = last.header.records_before + last.header.records;
  from.past = last.note.past;
  if (last.note.left || last.header.kind == BlockKind::kEndOfStream) {
    from.session = last.header.session;
    return from;
  }
  from.session = fresh;
  from.past.push_back({last.header.session, from.position});
  if (from.past.size() > control::kMaxPast) from.past.erase(from.past.begin());
  return from;
}

/// What was asked for and is otherwise.
std::string Differences(const LogOptions& asked, const LogState& is) {
  std::string text;
  const auto add = [&text](const std::string& what) {
    text += (text.empty() ? "" : ", ") + what;
  };
  const auto limit = [](bool any, const std::string& value) {
    return any ? value : "no limit";
  };
  if (is.num_replicas != asked.replicas) {
    add(std::to_string(is.num_replicas) + " replicas, not " + std::to_string(asked.replicas));
  }
  if (asked.retain_bytes != 0 && is.max_bytes != asked.retain_bytes) {
    add("a size of " + limit(is.max_bytes != 0, FormatSize(is.max_bytes)) + ", not " +
        FormatSize(asked.retain_bytes));
  }
  if (asked.retain_age.count() != 0 && is.age != asked.retain_age) {
    add("an age of " + limit(is.age.count() != 0, FormatDuration(is.age)) + ", not " +
        FormatDuration(asked.retain_age));
  }
  return text;
}

}  // namespace

Continuation OpenLog(const LogOptions& options, Note note, SessionId fresh, Duration patience) {
  const TimePoint deadline = Clock::now() + patience;
  std::optional<Continuation> ours;  // what the newest mark of this publisher says
  for (;;) {
    try {
      Connection connection(options.cluster, std::make_shared<Mailbox>());
      Log log(connection, options);
      log.Open();
      const auto state = log.Head();
      if (!state) {
        throw Error("nats: stream " + options.name + ": it is not there", kExitUnreachable);
      }
      const auto last = log.Last(*state);
      const bool is_ours = ours && last && last->header.session == ours->session &&
                           last->note.started_ns == note.started_ns;
      if (!is_ours) {
        ours.emplace();
        ours->session = fresh;
        if (last) ours = ContinueAfter(*last, fresh);
      }
      ours->differs = Differences(options, *state);
      ours->max_bytes = std::min<std::size_t>(connection.max_bytes(), kMaxBlockBytes);
      note.past = ours->past;
      BlockHeader mark;
      mark.kind = BlockKind::kHead;
      mark.session = ours->session;
      mark.position = ours->position;
      mark.records_before = ours->records;
      // Of another publisher that writes at this moment, one message may come behind a mark:
      // one that expected this sequence before itself. Two marks in a row, and it has stopped.
      std::uint64_t sequence = state->last;
      Acknowledgement answer;
      answer.stored = true;
      for (int i = is_ours ? 1 : 0; i < 2 && answer.stored; ++i) {
        mark.time_ns = WallNow();
        answer = log.Append(mark, note, sequence);
        if (answer.stored && answer.sequence != ++sequence) answer.stored = false;
      }
      if (answer.stored) {
        ours->sequence = sequence;
        return *ours;
      }
      if (!answer.misplaced || Clock::now() > deadline) {
        throw Error("nats: stream " + options.name + ": " + answer.error, kExitUnreachable);
      }
      // Somebody writes all the time, and cannot behind a message that they do not know of.
      Note claim = note;
      claim.claim = true;
      (void)log.Append(mark, claim, std::nullopt);
    } catch (const Error& error) {
      if (error.exit_status() != kExitUnreachable || Clock::now() > deadline) throw;
      std::this_thread::sleep_for(kPause);
    }
  }
}

LogWriter::LogWriter(LogOptions options, Continuation from, Note note,
                     std::function<void()> notify)
    : options_(std::move(options)),
      from_(std::move(from)),
      note_(std::move(note)),
      notify_(std::move(notify)) {
  sequence_ = from_.sequence;
  records_ = from_.records;
  acknowledged_ = Clock::now();
  state_.confirmed = from_.position;
  const ScopedNoSignals none;
  thread_ = std::thread([this] { Run(); });
}

LogWriter::~LogWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  mailbox_->Wake();
  thread_.join();
}

bool LogWriter::full() const {
  const std::lock_guard lock(mutex_);
  return bytes_ >= kWindowBytes || items_.size() >= kWindowBlocks;
}

void LogWriter::Push(Block block) {
  {
    const std::lock_guard lock(mutex_);
    bytes_ += block.payload.size();
    items_.push_back({.header = block.header, .bytes = std::move(block.payload)});
  }
  mailbox_->Wake();
}

void LogWriter::Finish(const BlockHeader& last) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(finishing_, true)) return;
    items_.push_back({.header = last, .bytes = {}, .left = last.kind == BlockKind::kHead});
  }
  mailbox_->Wake();
}

LogWriter::State LogWriter::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

bool LogWriter::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

void LogWriter::Announce(State::Link link, const std::string& text) {
  {
    const std::lock_guard lock(mutex_);
    state_.link = link;
    state_.text = text;
    if (link != State::Link::kThere) state_.replicas.clear();
  }
  notify_();
}

void LogWriter::Run() {
  while (!stopped()) {
    try {
      Serve();
    } catch (const Error& error) {
      Announce(State::Link::kAway, error.what());
    }
    if (state().link == State::Link::kFenced || state().ended) return;
    const TimePoint until = Clock::now() + kPause;
    while (!stopped() && Clock::now() < until) (void)mailbox_->Take(until);
  }
}

/// Where what is stored of what is not confirmed begins. Where somebody else's message has
/// taken the place of one that was under way, that one is not there, and the next ones are.
std::set<Position> LogWriter::Stored(Log& log, const LogState& state, const Entry& last) {
  const Position confirmed = this->state().confirmed;
  std::set<Position> there;
  std::optional<Entry> entry = last;
  for (std::uint64_t sequence = last.sequence; sequence >= state.first && sequence > 0;) {
    if (entry && entry->header.session != 0) {
      if (EndOf(entry->header) <= confirmed) break;
      there.insert(entry->header.position);
    }
    if (--sequence >= state.first) entry = log.ReadSurely(sequence);
  }
  return there;
}

std::vector<LogWriter::Range> LogWriter::TakeLacks() {
  const std::lock_guard lock(mutex_);
  return std::exchange(lacks_, {});
}

/// Where the log stands decides what is sent next, whatever was acknowledged before. False if
/// another publisher has been there.
bool LogWriter::ResumeAt(Log& log) {
  const auto state = log.Head();
  if (!state) {
    throw Error("nats: stream " + options_.name + ": it was removed", kExitUnreachable);
  }
  const auto last = log.Last(*state);
  const std::set<Position> there = last ? Stored(log, *state, *last) : std::set<Position>();
  const std::lock_guard lock(mutex_);
  sent_ = 0;
  sequence_ = state->last;
  if (!last) return true;
  if (last->header.session != from_.session) return false;
  if (last->note.started_ns != note_.started_ns) {
    // The session goes on elsewhere, which it does only behind our last word.
    if (!finishing_ || items_.size() > 1) return false;
    items_.clear();
    state_.ended = true;
    return true;
  }
  const bool finished = last->header.kind == BlockKind::kEndOfStream || last->note.left;
  while (!items_.empty()) {
    const Item& item = items_.front();
    const bool is_last = finishing_ && items_.size() == 1;
    const bool stored = is_last ? finished : EndOf(item.header) <= EndOf(last->header);
    if (!stored) break;
    if (item.header.kind == BlockKind::kData && !there.contains(item.header.position)) {
      lacks_.push_back({item.header.position, item.header.end()});
    }
    state_.confirmed = std::max(state_.confirmed, EndOf(item.header));
    records_ = item.header.records_before + item.header.records;
    bytes_ -= item.bytes.size();
    items_.pop_front();
    ++first_;
    if (is_last) state_.ended = true;
  }
  return true;
}

void LogWriter::SendWhatFits(Connection& connection, const std::string& inbox) {
  for (;;) {
    Item item;
    {
      const std::lock_guard lock(mutex_);
      if (sent_ == items_.size()) return;
      items_[sent_].sent = Clock::now();
      item = items_[sent_];
    }
    Note note = note_;
    note.left = item.left;
    connection.Publish(SubjectOf(options_.name), inbox + "." + std::to_string(first_ + sent_),
                       EncodeEntry(item.header, note, sequence_ + sent_), item.bytes.bytes);
    ++sent_;
  }
}

/// True if something is confirmed now that was not.
bool LogWriter::OnLetter(const std::string& inbox, const Message& message) {
  const std::string_view what = message.subject().substr(inbox.size() + 1);
  if (what == kFirstAnswer) {
    OnFirst(message);
    return false;
  }
  if (what == kHeadAnswer) {
    try {
      if (const auto state = ParseHead(options_.name, message)) OnHead(*state);
    } catch (const Error&) {
      // There is no leader just now. What is sent tells when that is a reason to leave.
    }
    return false;
  }
  std::uint64_t number = 0;
  (void)std::from_chars(what.data(), what.data() + what.size(), number);
  return Acknowledge(number, message);
}

bool LogWriter::Acknowledge(std::uint64_t number, const Message& message) {
  const Acknowledgement answer = ParseAcknowledgement(message);
  acknowledged_ = Clock::now();
  const std::lock_guard lock(mutex_);
  if (number < first_ || number - first_ >= sent_) return false;
  const std::uint64_t index = number - first_;
  // One that was refused as it came too late, or twice: where the log stands will tell.
  if (!answer.stored || answer.sequence != sequence_ + index + 1) {
    throw Error("nats: stream " + options_.name + ": " +
                    (answer.stored ? "stored elsewhere than was asked" : answer.error),
                kExitUnreachable);
  }
  items_[index].acknowledged = true;
  bool any = false;
  while (!items_.empty() && items_.front().acknowledged) {
    state_.confirmed = std::max(state_.confirmed, EndOf(items_.front().header));
    records_ = items_.front().header.records_before + items_.front().header.records;
    bytes_ -= items_.front().bytes.size();
    items_.pop_front();
    ++first_;
    ++sequence_;
    --sent_;
    any = true;
  }
  if (items_.empty() && finishing_) state_.ended = true;
  return any;
}

// Who keeps the log, and where it begins: what comes of it is not waited for.
void LogWriter::Look(Connection& connection, const Log& log, const std::string& inbox) {
  connection.Publish(log.HeadSubject(), inbox + "." + std::string(kHeadAnswer), {}, {});
  if (log_first_ <= first_seen_) return;
  connection.Publish(log.ReadSubject(), inbox + "." + std::string(kFirstAnswer), {},
                     AsBytes(log.NextRequest(log_first_)));
}

void LogWriter::OnHead(const LogState& state) {
  log_age_ = state.age;
  if (!state.empty()) log_first_ = std::max(log_first_, state.first);
  {
    const std::lock_guard lock(mutex_);
    state_.replicas = state.replicas;
  }
  notify_();
}

void LogWriter::OnFirst(const Message& message) {
  const auto sequence = Log::SequenceOf(message);
  if (!sequence || *sequence < log_first_) return;  // what it says has changed meanwhile
  const auto entry = Log::ParseRead(message, *sequence);
  if (!entry || entry->header.session == 0) {
    log_first_ = *sequence + 1;  // somebody else's: the next one says it
    return;
  }
  first_seen_ = *sequence;
  {
    const std::lock_guard lock(mutex_);
    state_.tail = entry->header.position;
  }
  notify_();
}

// A log of which everything has expired says no more where it ends.
void LogWriter::StayInLog() {
  if (log_age_.count() == 0 || Clock::now() - acknowledged_ < log_age_ / 2) return;
  const std::lock_guard lock(mutex_);
  if (!items_.empty()) return;
  Item item;
  item.header.kind = BlockKind::kHead;
  item.header.session = from_.session;
  item.header.position = state_.confirmed;
  item.header.records_before = records_;
  item.header.time_ns = WallNow();
  items_.push_back(std::move(item));
}

// Readers hear by it that there is more, and that somebody writes.
void LogWriter::SendHead(Connection& connection) {
  connection.Publish(HeadSubjectOf(options_.name), "", {}, AsBytes(std::to_string(sequence_)));
}

void LogWriter::Serve() {
  Connection connection(options_.cluster, mailbox_);
  Log log(connection, options_);
  if (!ResumeAt(log)) {
    Announce(State::Link::kFenced,
             "another publisher writes to the stream " + options_.name +
                 ": what this one publishes from here on does not come there");
    return;
  }
  const std::string inbox = Connection::NewInbox();
  while (mailbox_->TryTake()) {
  }
  connection.Subscribe(inbox + ".*", kLetters);
  Look(connection, log, inbox);
  // A leader that has lost its quorum goes on saying where the log ends, and takes nothing.
  bool takes = false;
  TimePoint head_due = Clock::now();
  TimePoint look_due = Clock::now() + kHeadEvery;
  while (!stopped() && !state().ended) {
    SendWhatFits(connection, inbox);
    if (!takes && sent_ == 0) {
      takes = true;
      Announce(State::Link::kThere, connection.server());
    }
    const TimePoint now = Clock::now();
    TimePoint deadline = std::min(head_due, look_due);
    {
      const std::lock_guard lock(mutex_);
      if (sent_ > 0) {
        const TimePoint late = std::max(items_.front().sent, acknowledged_) + kSilence;
        if (now > late) {
          throw Error("nats: stream " + options_.name + ": nothing is acknowledged",
                      kExitUnreachable);
        }
        deadline = std::min(deadline, late);
      }
    }
    bool any = false;
    auto letter = mailbox_->Take(deadline + std::chrono::milliseconds(1));
    for (; letter; letter = mailbox_->TryTake()) {
      any = OnLetter(inbox, letter->message) || any;
    }
    if (any && !std::exchange(takes, true)) Announce(State::Link::kThere, connection.server());
    if (any) notify_();
    if (any || Clock::now() >= head_due) {
      SendHead(connection);
      head_due = Clock::now() + kHeadEvery;
    }
    if (Clock::now() >= look_due) {
      if (connection.closed()) {
        throw Error("nats: the connection has ended", kExitUnreachable);
      }
      look_due = Clock::now() + kHeadEvery;
      StayInLog();
      Look(connection, log, inbox);
    }
  }
  if (state().ended) notify_();
}

}  // namespace pipedup::nats
