#include "nats/log_reader.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/error.h"
#include "base/overloaded.h"
#include "base/records.h"
#include "base/text.h"
#include "os/signals.h"
#include "subscribe/stream_list.h"

namespace pipedup::nats {
namespace {

constexpr std::uint64_t kHeads = 1;
constexpr std::uint64_t kAnswers = 2;
constexpr std::uint64_t kAhead = 8;  // messages that are asked for at a time
constexpr auto kLookEvery = std::chrono::milliseconds(800);
constexpr auto kAnswerMayTake = std::chrono::milliseconds(300);  // then it is asked for again
constexpr auto kAnswerMostTakes = std::chrono::seconds(1);
constexpr auto kLagMayTake = std::chrono::milliseconds(300);  // then the leader is asked
constexpr auto kLagIsTooLong = std::chrono::seconds(10);      // then another server is
constexpr auto kAskAgain =
    std::chrono::milliseconds(5);  // a server that lags behind the leader
constexpr std::size_t kMostReadPoints = 16;
constexpr std::uint64_t kMostResults = 16 * 1024 * 1024;

std::uint64_t ToNumber(std::string_view digits) {
  std::uint64_t number = 0;
  (void)std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

}  // namespace

LogReader::LogReader(LogOptions options, std::function<void()> notify)
    : options_(std::move(options)), notify_(std::move(notify)) {
  const ScopedNoSignals none;
  thread_ = std::thread([this] { Run(); });
}

LogReader::~LogReader() {
  Stop();
  thread_.join();
}

void LogReader::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  mailbox_->Wake();
}

// ---- the owner's ----

void LogReader::Tell(Order order) {
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back(std::move(order));
  }
  mailbox_->Wake();
}

void LogReader::Reset() {
  {
    const std::lock_guard lock(mutex_);
    orders_.clear();
    results_.clear();
    result_bytes_ = 0;
    reset_ = true;
  }
  mailbox_->Wake();
}

std::optional<LogReader::Result> LogReader::Take() {
  std::optional<Result> result;
  bool room = false;
  {
    const std::lock_guard lock(mutex_);
    if (results_.empty()) return std::nullopt;
    result = std::move(results_.front());
    results_.pop_front();
    if (const auto* block = std::get_if<Block>(&*result)) {
      const bool was_full = result_bytes_ >= kMostResults;
      result_bytes_ -= block->bytes.size();
      room = was_full && result_bytes_ < kMostResults;
    }
  }
  if (room) mailbox_->Wake();
  return result;
}

// ---- the thread's ----

void LogReader::Run() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) return;
      if (std::exchange(reset_, false)) live_ = false;
    }
    try {
      Serve();
    } catch (const Interrupted&) {
    } catch (const Error& error) {
      const std::lock_guard lock(mutex_);
      results_.emplace_back(Away{error.what()});
      notify_();
    }
    connection_.reset();
    log_.reset();
    asked_.clear();
    const TimePoint until = Clock::now() + kPause;
    try {
      while (Clock::now() < until) Wait(until);
    } catch (const Interrupted&) {
      continue;
    }
  }
}

void LogReader::Serve() {
  connection_ = std::make_unique<Connection>(options_.cluster, mailbox_);
  log_ = std::make_unique<Log>(*connection_, options_);
  inbox_ = Connection::NewInbox();
  // What is read live goes on where it was.
  read_points_.clear();
  last_.reset();
  refreshed_ = {};
  connection_->Subscribe(inbox_ + ".*", kAnswers);
  connection_->Subscribe(HeadSubjectOf(options_.name), kHeads);
  for (;;) {
    while (const auto order = NextOrder()) Obey(*order);
    if (live_) ReadLive();
    if (HasOrders()) continue;
    Wait(Clock::now() + kLookEvery);
    if (connection_->closed()) throw Error("nats: the connection has ended", kExitUnreachable);
  }
}

bool LogReader::HasOrders() const {
  const std::lock_guard lock(mutex_);
  return !orders_.empty();
}

std::optional<LogReader::Order> LogReader::NextOrder() {
  const std::lock_guard lock(mutex_);
  if (stopped_ || reset_) throw Interrupted();
  if (orders_.empty()) return std::nullopt;
  Order order = std::move(orders_.front());
  orders_.pop_front();
  return order;
}

void LogReader::Obey(const Order& order) {
  std::visit(Overloaded{
                 [this](const Hello& hello) { OnHello(hello); },
                 [this](const control::Read& read) { OnRead(read); },
                 [this](const Live& live) { OnLive(live.on); },
             },
             order);
}

/// Takes what comes until something has, or the deadline.
void LogReader::Wait(TimePoint deadline) {
  auto letter = mailbox_->Take(deadline);
  for (; letter; letter = mailbox_->TryTake()) {
    if (letter->tag == kHeads) {
      state_.last = std::max(state_.last, ToNumber(AsText(letter->message.data())));
      refreshed_ = Clock::now();
    } else if (letter->message.subject().size() > inbox_.size() &&
               letter->message.subject().starts_with(inbox_)) {
      const auto found =
          asked_.find(ToNumber(letter->message.subject().substr(inbox_.size() + 1)));
      if (found != asked_.end()) found->second = std::move(letter->message);
    }
  }
  const std::lock_guard lock(mutex_);
  if (stopped_ || reset_) throw Interrupted();
}

void LogReader::Post(Result result) {
  const std::lock_guard lock(mutex_);
  if (stopped_ || reset_) throw Interrupted();
  if (const auto* block = std::get_if<Block>(&result)) result_bytes_ += block->bytes.size();
  results_.push_back(std::move(result));
  notify_();
}

// ---- messages ----

/// The message, and those up to `behind` are asked for ahead. Nothing if it is not there any
/// more, or damaged.
std::optional<Entry> LogReader::Fetch(std::uint64_t sequence, std::uint64_t behind) {
  const TimePoint began = Clock::now();
  std::erase_if(asked_, [&](const auto& one) {
    return one.first < sequence || one.first >= std::max(behind, sequence + 1);
  });
  const auto ask = [this](std::uint64_t number) {
    asked_[number] = std::nullopt;
    connection_->Publish(log_->ReadSubject(), inbox_ + "." + std::to_string(number), {},
                         AsBytes(Log::ReadRequest(number)));
  };
  TimePoint looked{};
  Duration patience = kAnswerMayTake;
  TimePoint ask_again = began + patience;
  for (;;) {
    for (std::uint64_t number = sequence;
         number < std::max(std::min(sequence + kAhead, behind), sequence + 1); ++number) {
      if (!asked_.contains(number)) ask(number);
    }
    const std::optional<Message>& came = asked_.at(sequence);
    if (!came) {
      const TimePoint now = Clock::now();
      if (now - began > kLagIsTooLong || connection_->closed()) {
        throw Error("nats: stream " + options_.name + ": no answer", kExitUnreachable);
      }
      if (now >= ask_again) {
        // The servers may go on for minutes to pass requests to one of them that is cut off.
        for (const auto& [number, answer] : asked_) {
          if (!answer) ask(number);
        }
        patience = std::min<Duration>(2 * patience, kAnswerMostTakes);
        ask_again = now + patience;
      }
      Wait(ask_again);
      continue;
    }
    auto entry = Log::ParseRead(*came, sequence);
    if (entry) {
      asked_.erase(sequence);
      if (entry->header.session == 0) {
        if (sequence > damage_said_ && !entry->note.claim) {
          damage_said_ = sequence;
          Post(Damage{sequence});
        }
        return std::nullopt;
      }
      return entry;
    }
    // Dropped, or that server does not have it yet.
    if (Clock::now() - looked > std::chrono::milliseconds(100)) {
      Refresh();
      looked = Clock::now();
    }
    const bool late = Clock::now() - began > kLagMayTake;
    if (sequence < state_.first || (late && !log_->Has(sequence))) {
      asked_.erase(sequence);
      return std::nullopt;
    }
    if (Clock::now() - began > kLagIsTooLong) {
      throw Error(
          "nats: stream " + options_.name + ": a server does not have what its leader has",
          kExitUnreachable);
    }
    const TimePoint again = Clock::now() + kAskAgain;
    while (Clock::now() < again) Wait(again);
    ask(sequence);
  }
}

/// The first from there on that can be read.
std::optional<Entry> LogReader::SoundFrom(std::uint64_t sequence) {
  for (sequence = std::max(sequence, state_.first); sequence <= state_.last;
       sequence = std::max(sequence + 1, state_.first)) {
    if (auto entry = Fetch(sequence, sequence + 1)) return entry;
  }
  return std::nullopt;
}

/// The newest block; what others have written behind it is passed over.
void LogReader::FindLast() {
  for (std::uint64_t sequence = state_.last; sequence >= state_.first && sequence > 0;
       --sequence) {
    if (last_ && last_->sequence == sequence) return;
    if (auto entry = Fetch(sequence, sequence + 1)) {
      last_ = std::move(entry);
      return;
    }
  }
}

/// Asks the leader where the log ends.
void LogReader::Refresh() {
  const auto state = log_->Head();
  if (!state) throw Error("nats: there is no stream " + options_.name, kExitUnreachable);
  state_ = *state;
  refreshed_ = Clock::now();
}

Position LogReader::head() const {
  return last_ ? EndOf(last_->header) : 0;
}

bool LogReader::ended() const {
  return last_ && last_->header.kind == BlockKind::kEndOfStream;
}

Position LogReader::tail() {
  const auto first = SoundFrom(state_.first);
  return first ? first->header.position : head();
}

/// As the session has it that is read: it goes on with those before it.
BlockHeader LogReader::HeaderOf(const Entry& entry) const {
  BlockHeader header = entry.header;
  header.session = session_;
  return header;
}

/// Messages for which `is_before` holds come before all others.
template <typename IsBefore>
std::uint64_t LogReader::FirstThatIsNot(IsBefore is_before) {
  std::uint64_t low = state_.first;
  std::uint64_t high = state_.last + 1;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    const auto entry = SoundFrom(middle);
    if (entry && entry->sequence < high && is_before(*entry)) {
      low = entry->sequence + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// ---- orders ----

void LogReader::OnHello(const Hello& hello) {
  const auto state = log_->Head();
  if (!state || state->empty()) {
    // A subscriber may start before its publisher.
    const std::string why = "nats: there is no stream " + options_.name + " yet";
    Post(Away{why});
    return;
  }
  state_ = *state;
  FindLast();
  if (!last_) {
    Post(Away{"nats: there is no block in the stream " + options_.name});
    return;
  }
  if (hello.stream && !MatchesPattern(*hello.stream, last_->note.stream)) {
    Post(control::Refused{"stream", "the stream there is '" + last_->note.stream + "'"});
    return;
  }
  session_ = last_->header.session;
  control::Welcome welcome;
  welcome.stream = last_->note.stream;
  welcome.session = session_;
  welcome.tail = tail();
  welcome.head = welcome.reached = head();
  welcome.records = last_->note.records;
  welcome.started_ns = last_->note.started_ns;
  welcome.now_ns = WallNow();
  welcome.ended = ended();
  for (const PastSession& past : last_->note.past) {
    welcome.past.push_back({past.session, past.end});
  }
  welcome.heartbeat_ms = 1000;
  read_points_.clear();
  Post(welcome);
}

void LogReader::OnRead(control::Read read) {
  if (Clock::now() - refreshed_ >= kLookEvery) Refresh();
  FindLast();
  control::Done done;
  done.request = read.request;
  done.session = session_;
  done.head = head();
  done.ended = ended();
  if (!last_ || last_->header.session != session_ || read.session != session_) {
    done.outcome = control::Done::Outcome::kWrongSession;
    if (last_) done.session = last_->header.session;
    Post(done);
    return;
  }
  if (read.max == 0) {
    Post(done);
    return;
  }
  Position at = read.from.value;
  if (read.from.kind == control::ReadFrom::Kind::kLast) {
    const auto found = FindLastRecords(read.from.value);
    if (!found) {
      Post(control::Error{"no-records", "the stream is raw", read.request});
      return;
    }
    at = *found;
  } else if (read.from.kind == control::ReadFrom::Kind::kSince) {
    at = FindSince(
        static_cast<std::int64_t>(std::min<std::uint64_t>(read.from.value, INT64_MAX)));
  }
  const bool exact = read.from.kind == control::ReadFrom::Kind::kLast;
  at = std::min(at, head());
  std::uint64_t sequence = FindSequence(at);
  std::uint64_t left = read.max;
  done.next = at;
  bool any = false;
  for (; left > 0 && sequence <= state_.last; ++sequence) {
    auto entry = Fetch(sequence, state_.last + 1);
    if (!entry) {
      entry = SoundFrom(sequence + 1);
      if (entry) sequence = entry->sequence;
    }
    if (!entry || entry->header.position > done.next) {
      if (!entry && done.next >= head()) break;
      if (any) break;  // what came so far is an answer; the next one says what is missing
      done.outcome = control::Done::Outcome::kGone;
      done.tail = entry ? entry->header.position : head();
      const auto oldest = SoundFrom(state_.first);
      if (!entry || (oldest && oldest->sequence < entry->sequence)) {
        done.reason = "the cluster never had it, or it is damaged there";
      }
      Post(done);
      return;
    }
    if (entry->header.kind != BlockKind::kData || EndOf(entry->header) <= done.next) continue;
    BlockHeader header = HeaderOf(*entry);
    SharedBytes bytes = entry->bytes;
    if (exact && !any && header.position < done.next) {
      // It begins at a record inside the block.
      const auto skip = static_cast<std::size_t>(done.next - header.position);
      bytes = bytes.Part(skip);
      const std::uint32_t records = CountRecords(last_->note.records, bytes.bytes);
      header.records_before += header.records - records;
      header.records = records;
      header.position = done.next;
      header.length = static_cast<std::uint32_t>(bytes.size());
      header.begins_record = true;
      header.checksummed = false;
      header.checksum = 0;
    }
    left -= std::min<std::uint64_t>(left, bytes.size());
    done.next = header.end();
    any = true;
    Post(Block{header, bytes, false});
  }
  read_points_.push_back({done.next, sequence});
  if (read_points_.size() > kMostReadPoints) read_points_.pop_front();
  done.tail = 0;
  if (done.next >= head() && ended()) Post(Block{HeaderOf(*last_), {}, false});
  Post(done);
}

void LogReader::OnLive(bool on) {
  live_ = on;
  if (!on) return;
  Refresh();
  live_next_ = state_.last + 1;
  FindLast();
  PostHead(true);
}

void LogReader::PostHead(bool live) {
  if (!last_ || last_->header.session != session_) return;
  if (ended()) {
    Post(Block{HeaderOf(*last_), {}, live});
    return;
  }
  BlockHeader head_header;
  head_header.kind = BlockKind::kHead;
  head_header.session = session_;
  head_header.position = head();
  head_header.records_before = last_->header.records_before + last_->header.records;
  head_header.time_ns = last_->header.time_ns;
  Post(Block{head_header, {}, live});
}

void LogReader::ReadLive() {
  if (Clock::now() - refreshed_ >= kLookEvery) {
    Refresh();
    if (!last_) FindLast();
    PostHead(true);
  }
  bool any = false;
  while (live_next_ <= state_.last) {
    {
      const std::lock_guard lock(mutex_);
      if (!orders_.empty() || result_bytes_ >= kMostResults) break;
    }
    auto entry = Fetch(live_next_, state_.last + 1);
    ++live_next_;
    if (!entry) continue;  // a hole, which the next block shows
    any = true;
    if (entry->header.session != session_) {
      last_ = std::move(entry);
      OnHello({});
      continue;
    }
    last_ = std::move(entry);
    if (last_->header.kind == BlockKind::kData) {
      Post(Block{last_->header, last_->bytes, true});
    }
  }
  if (any || Clock::now() - refreshed_ < std::chrono::milliseconds(2)) PostHead(true);
}

// ---- where it begins ----

/// The first message that ends behind `at`: without a search where a read has ended there.
std::uint64_t LogReader::FindSequence(Position at) {
  const auto found = std::ranges::find(read_points_, at, &ReadPoint::position);
  if (found != read_points_.end() && found->sequence >= state_.first) return found->sequence;
  return FirstThatIsNot([at](const Entry& entry) { return EndOf(entry.header) <= at; });
}

std::optional<Position> LogReader::FindLastRecords(std::uint64_t count) {
  const RecordFormat format = last_->note.records;
  if (format == RecordFormat::kRaw) return std::nullopt;
  const std::uint64_t all = last_->header.records_before + last_->header.records;
  const std::uint64_t before = all - std::min(count, all);  // records that end before it
  const auto at = [&](std::uint64_t records) {
    return FirstThatIsNot([records](const Entry& entry) {
      return entry.header.records_before + entry.header.records < records;
    });
  };
  if (before == 0) return tail();
  const auto entry = SoundFrom(at(before));
  if (!entry) return head();
  if (entry->header.kind != BlockKind::kData || entry->header.records_before >= before) {
    return entry->header.position;  // fewer are kept, and this is the oldest
  }
  return entry->header.position +
         LengthOfRecords(format, entry->bytes.bytes, before - entry->header.records_before);
}

Position LogReader::FindSince(std::int64_t time_ns) {
  const auto entry = SoundFrom(
      FirstThatIsNot([time_ns](const Entry& one) { return one.header.time_ns < time_ns; }));
  return entry ? entry->header.position : head();
}

}  // namespace pipedup::nats
