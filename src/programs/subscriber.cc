// The class of <pipedup/subscriber.h>, wired: network → items that wait to be taken.
#include "pipedup/subscriber.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "base/error.h"
#include "net/loop_thread.h"
#include "net/socket.h"
#include "os/signals.h"
#include "programs/key_files.h"
#include "programs/sub_receiver.h"
#include "subscribe/stream_reader.h"

namespace pipedup {
namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(50);
constexpr auto kForEver =
    std::chrono::hours(24 * 365);          // further than a clock should be asked for
constexpr std::uint64_t kItemBytes = 256;  // what an item takes beside its bytes
// Taken, before the loop is woken for it: while more waits, and when nothing does. A publisher
// that waits for this one hears of it that way.
constexpr std::uint64_t kTellAfter = 1024 * 1024;
constexpr std::uint64_t kTellWhenEmpty = 32 * 1024;
constexpr std::uint64_t kHoldMin = 4 * 1024 * 1024;  // what is asked for at once
constexpr std::uint64_t kHoldMax = 1024ULL * 1024 * 1024;

std::vector<ReceiverOptions> MakeReceivers(const SubscriberOptions& options) {
  if (options.hold_bytes < kHoldMin || options.hold_bytes > kHoldMax)
    throw Error("hold_bytes: 4 MiB to 1 GiB are possible", kExitUsage);
  if (options.give_up.count() < 0) throw Error("give_up: not negative", kExitUsage);
  SubscribeOptions made;
  made.endpoints = options.endpoints;
  made.stream = options.stream;
  made.from = options.from;
  made.follow = options.follow;
  made.tap = options.tap;
  made.attach = options.attach;
  made.name = options.name;
  made.dead_after = options.dead_after;
  const bool resumes = options.resume && options.resume->session != 0;
  if (!made.stream && resumes) made.stream = options.resume->stream;
  if (HasPattern(made)) throw Error("stream: a pattern may be several streams", kExitUsage);
  std::vector<ReceiverOptions> all = MakeReceiverOptions(made, nullptr);
  for (ReceiverOptions& one : all) {
    one.modes.hold_bytes = options.hold_bytes;
    if (resumes) one.modes.resume = {options.resume->session, options.resume->position};
  }
  return all;
}

}  // namespace

class Subscriber::Run final : private StreamEvents {
 public:
  explicit Run(SubscriberOptions options)
      : options_(std::move(options)),
        context_(ReadSubscriberKeys(options_.server_key, options_.curve_secret)) {
    if (options_.resume) resume_point_ = *options_.resume;
    resuming_ = options_.resume && options_.resume->session != 0;
    const std::vector<ReceiverOptions> receivers = MakeReceivers(options_);
    thread_.Do([&] {
      StreamEvents& events = *this;
      reader_.emplace(context_, thread_.loop(), receivers, events);
      tick_ = thread_.loop().Every(kLookEvery, [this] { Tick(); });
    });
  }

  ~Run() override {
    try {
      thread_.Do([this] {
        Leave();
        reader_.reset();
      });
    } catch (const std::exception&) {
      // It has failed once already, and there is nobody left to tell.
    }
  }

  std::optional<Item> Next(std::chrono::nanoseconds patience) {
    std::unique_lock lock(mutex_);
    DealtWith();
    const auto there = [this] { return !items_.empty() || over_; };
    if (patience > kForEver) {
      changed_.wait(lock, there);
    } else if (!changed_.wait_for(lock, patience, there)) {
      return std::nullopt;
    }
    if (over_ || items_.empty()) return std::nullopt;
    Item item = std::move(items_.front());
    items_.pop_front();
    Take(item);
    return item;
  }

  bool over() const {
    const std::lock_guard lock(mutex_);
    return over_;
  }
  const ResumePoint& resume_point() const { return resume_point_; }

  void Stop() {
    const std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }

 private:
  /// Where the reader of a session stands.
  struct Place {
    SessionId session = 0;
    Position position = 0;
  };

  // ---- in the thread of whoever takes; the lock is held ----

  void Take(const Item& item) {
    if (const auto* const begin = std::get_if<Begin>(&item)) {
      resume_point_ = {begin->stream, begin->session, begin->position, false};
    } else if (const auto* const block = std::get_if<Block>(&item)) {
      taken_ = {block->session, block->end()};
      taken_bytes_ = block->bytes.size() + kItemBytes;
    } else if (const auto* const gap = std::get_if<Gap>(&item)) {
      taken_ = {gap->session, gap->to};
    } else if (const auto* const end = std::get_if<End>(&item)) {
      taken_ = {end->session, end->position};
      resume_point_.ended = resume_point_.session == end->session;
      DealtWith();  // there is nothing to do about it
      dealt_with_end_ = true;
      over_ = !options_.follow;
      TellSoon();
    } else {
      over_ = true;
    }
    if (taken_ && taken_->session == resume_point_.session)
      resume_point_.position = taken_->position;
  }

  /// The caller has come back for more.
  void DealtWith() {
    if (!taken_) return;
    dealt_with_ = *std::exchange(taken_, std::nullopt);
    const std::uint64_t bytes = std::exchange(taken_bytes_, 0);
    queued_ -= bytes;
    untold_ += bytes;
    if (untold_ >= (items_.empty() ? kTellWhenEmpty : kTellAfter)) TellSoon();
  }

  void TellSoon() {
    untold_ = 0;
    if (std::exchange(telling_, true)) return;
    thread_.Post([this] {
      {
        const std::lock_guard lock(mutex_);
        telling_ = false;
      }
      if (!left_) OnReceived();
    });
  }

  // ---- in the loop ----

  void OnBegin(const control::Welcome& session, Position position) override {
    resuming_ = false;
    const bool continues = options_.resume && options_.resume->session == session.session &&
                           options_.resume->position == position;
    begin_ = Begin{session.stream, session.session, position, session.records, continues};
    begin_position_ = position;
  }

  void OnBytes(const BlockHeader& header, Position from, SharedBytes bytes) override {
    if (bytes.size() == 0) return;
    Block block;
    block.session = header.session;
    block.position = from;
    block.bytes = bytes.bytes;
    block.owner = std::move(bytes.owner);
    block.time = WallTime(std::chrono::nanoseconds(header.time_ns));
    block.ends_record = header.ends_record;
    Push(std::move(block));
  }

  void OnGap(const Gap& gap) override { Push(gap); }

  void OnSessionChanged(const control::Welcome&, SessionId) override {
    begin_.reset();
    renamed_.clear();
    if (!std::exchange(resuming_, false) || options_.resume->ended) return;
    Gap gap;
    gap.session = options_.resume->session;
    gap.from = gap.to = options_.resume->position;
    gap.reason = "the session that was read is gone";
    Push(gap);
  }

  void OnSessionContinues(const control::Welcome& now, SessionId old,
                          Position position) override {
    begin_ = Begin{now.stream, now.session, position, now.records, true};
    if (now.session == old) return;
    renamed_.push_back({old, position});
    begin_position_ =
        std::exchange(resuming_, false) ? position : std::min(begin_position_, position);
  }

  void OnEndOfStream(Position position, std::uint32_t exit_status) override {
    End end;
    end.session = reader_->progress().session;
    end.position = position;
    if (exit_status != kUnknownExitStatus) end.exit_status = exit_status;
    Push(end);
  }

  void OnReceived() override {
    if (failed_) return;
    std::uint64_t queued = 0;
    Position taken = 0;
    {
      const std::lock_guard lock(mutex_);
      queued = queued_;
      taken = TakenPosition();
    }
    reader_->SetProgress(queued, taken);
  }

  void OnFail(int exit_status, const std::string& text) override {
    Fail(exit_status == kExitUnreachable ? Failure::Kind::kVanished : Failure::Kind::kRefused,
         text);
  }

  void OnMode(const std::string&, control::Mode) override {}
  void OnLetGo(const std::string&, const std::string&) override {}
  void OnDamaged(const std::string&, const std::string&) override {}
  void OnNotAttached(const std::string&, const std::string&) override {}
  void OnSilence(const std::string&) override {}
  void OnStandsApart(const std::string&, const control::Welcome&) override {}
  void OnEndpointFailed(const std::string&, const std::string&) override {}

  /// A begin may turn out to be inside a record, and move: it is settled when something follows
  /// it.
  void Push(Item item) {
    const std::lock_guard lock(mutex_);
    if (failed_) return;
    if (begin_ && SessionOf(item) == begin_->session) {
      items_.emplace_back(*std::exchange(begin_, std::nullopt));
    }
    if (const auto* const block = std::get_if<Block>(&item))
      queued_ += block->bytes.size() + kItemBytes;
    items_.push_back(std::move(item));
    changed_.notify_all();
  }

  static SessionId SessionOf(const Item& item) {
    if (const auto* const block = std::get_if<Block>(&item)) return block->session;
    if (const auto* const gap = std::get_if<Gap>(&item)) return gap->session;
    if (const auto* const end = std::get_if<End>(&item)) return end->session;
    return 0;
  }

  // What comes after it would be taken for dealt with. It may be one of the reader's own calls
  // that led here.
  void Fail(Failure::Kind kind, const std::string& text) {
    Push(Failure{kind, text});
    failed_ = true;
    thread_.Post([this] { Leave(); });
  }

  /// Tells the publisher how far it has read, and that it leaves.
  void Leave() {
    if (!reader_ || std::exchange(left_, true)) return;
    thread_.loop().Cancel(tick_);
    Position position = 0;
    bool ended = false;
    {
      const std::lock_guard lock(mutex_);
      position = TakenPosition();
      ended = dealt_with_end_ && reader_->progress().ended;
    }
    reader_->Stop();
    reader_->SayGoodbye(position, ended);
    reader_->Close();
  }

  /// Every byte of the present session before it was dealt with, or reported lost: at least.
  /// The lock is held.
  Position TakenPosition() const {
    const Progress& at = reader_->progress();
    if (!at.begun) return reader_->located() ? at.position : 0;
    if (items_.empty() && !taken_ && !failed_) return at.position;
    if (dealt_with_.session == at.session)
      return std::max(dealt_with_.position, begin_position_);
    // An earlier session, of which this one has the bytes at the same positions up to where it
    // took over.
    const auto old = std::ranges::find(renamed_, dealt_with_.session, &Place::session);
    if (old == renamed_.end()) return begin_position_;
    return std::min(
        dealt_with_.position,
        std::ranges::min_element(old, renamed_.end(), {}, &Place::position)->position);
  }

  void Tick() {
    if (failed_) return;
    OnReceived();
    const Duration silence = thread_.loop().now() - reader_->last_heard();
    const bool waits = !reader_->progress().ended || options_.follow;
    if (options_.give_up.count() == 0 || silence <= options_.give_up || failed_ || !waits)
      return;
    reader_->GiveUp("the publisher vanished");
    if (reader_->welcomed()) {
      Fail(Failure::Kind::kVanished, "the publisher vanished before the end of the stream");
    } else {
      Fail(Failure::Kind::kUnreachable, "no publisher was found");
    }
  }

  const SubscriberOptions options_;
  Context context_;

  // Of the loop.
  std::optional<StreamReader> reader_;
  EventLoop::TimerId tick_ = 0;
  std::optional<Begin> begin_;
  Position begin_position_ = 0;
  std::vector<Place> renamed_;  // sessions that became this one, oldest first, and where
  bool resuming_ = false;       // at a point whose session may be gone
  bool left_ = false;
  bool failed_ = false;

  // Of whoever takes.
  ResumePoint resume_point_;

  mutable std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  std::deque<Item> items_;
  std::uint64_t queued_ = 0;       // bytes in items_, and of the one that is taken
  std::optional<Place> taken_;     // returned, and not dealt with
  std::uint64_t taken_bytes_ = 0;  // of that
  Place dealt_with_;
  bool dealt_with_end_ = false;
  std::uint64_t untold_ = 0;  // bytes dealt with, which the loop does not know of
  bool telling_ = false;
  bool over_ = false;

  LoopThread thread_{[this](const std::string& what) {
    Fail(Failure::Kind::kVanished, "the subscriber had to stop: " + what);
  }};
};

Subscriber::Subscriber(SubscriberOptions options)
    : run_(std::make_unique<Run>(std::move(options))) {}
Subscriber::~Subscriber() = default;

std::optional<Subscriber::Item> Subscriber::Next(std::chrono::nanoseconds patience) {
  return run_->Next(patience);
}
bool Subscriber::over() const {
  return run_->over();
}
const ResumePoint& Subscriber::resume_point() const {
  return run_->resume_point();
}
void Subscriber::Stop() {
  run_->Stop();
}

}  // namespace pipedup
