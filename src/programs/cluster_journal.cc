#include "programs/cluster_journal.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "nats/log_ranges.h"
#include "nats/log_writer.h"
#include "os/waker.h"
#include "programs/cluster_options.h"

namespace pipedup {
namespace {

constexpr auto kOpenPatience = std::chrono::seconds(10);
constexpr auto kConfirmEvery = std::chrono::milliseconds(500);
constexpr auto kSayAwayAfter = std::chrono::seconds(2);
constexpr std::size_t kHeadersBytes = 4096;   // what a message holds beside its block
constexpr const char* kMemberId = "cluster";  // not a number, which those of subscribers are

class KeptInCluster final : public ClusterJournal, private RangeReaderEvents {
  using Link = nats::LogWriter::State::Link;

 public:
  KeptInCluster(ClusterJournalOptions options, SessionId fresh, Reporter& reporter)
      : options_(std::move(options)),
        log_(MakeLogOptions(options_.endpoint, options_.access)),
        reporter_(reporter) {
    log_.replicas = options_.replicas;
    log_.retain_bytes = options_.retain_bytes;
    log_.retain_age = options_.retain_age;
    note_.stream = options_.stream;
    note_.records = options_.records;
    note_.started_ns = WallNow();
    from_ = nats::OpenLog(log_, note_, fresh, kOpenPatience);
    note_.past = from_.past;
    if (!from_.differs.empty()) {
      reporter_.Warn(
          "cluster-differs",
          options_.endpoint.data() + ": it was there, and stays as it is: " + from_.differs);
    }
  }
  ~KeptInCluster() override {
    if (loop_ == nullptr) return;
    loop_->Cancel(fill_);
    loop_->Cancel(confirm_);
    loop_->Remove(watch_);
  }

  SessionId session() const override { return from_.session; }
  const std::vector<PastSession>& past() const override { return from_.past; }
  Position position() const override { return from_.position; }
  std::uint64_t records() const override { return from_.records; }

  void Keep(EventLoop& loop, Journal& journal, PublishedStream& stream) override {
    loop_ = &loop;
    journal_ = &journal;
    stream_ = &stream;
    next_ = from_.position;
    away_since_ = loop.now();
    stream.AddLocal(kMemberId, options_.endpoint.data(), next_);
    writer_ = std::make_unique<nats::LogWriter>(log_, from_, note_, [this] { waker_.Wake(); });
    RangeReaderEvents& events = *this;
    older_ = std::make_unique<nats::LogRanges>(loop, log_, from_.session, events);
    watch_ = loop.OnReadable(waker_.fd(), [this] {
      waker_.Clear();
      Look();
    });
    confirm_ = loop.Every(kConfirmEvery, [this] { Look(); });
    journal.OnBlock([this](const Block&) { FillSoon(); });
  }

  bool fenced() const override { return said_fenced_; }

  Position older_tail() const override { return tail_; }
  bool AskOlder(std::uint64_t ticket, const control::ReadFrom& from,
                std::uint64_t max) override {
    return older_->Ask(ticket, from, max);
  }

  void Finish(std::optional<std::uint32_t> end_status, std::function<void()> on_done) override {
    end_status_ = end_status;
    finishing_ = true;
    on_done_ = std::move(on_done);
    Fill();
    Look();
  }

 private:
  void OnRangeBlock(std::uint64_t ticket, const BlockHeader& header,
                    SharedBytes payload) override {
    stream_->OnOlderBlock(ticket, {header, std::move(payload)});
  }
  void OnRangeDone(std::uint64_t ticket, const control::Done* done) override {
    stream_->OnOlderDone(ticket, done);
  }
  bool MoreIsNeeded() const override { return false; }

  void Done() {
    if (on_done_) std::exchange(on_done_, nullptr)();
  }

  void FillSoon() {
    if (fill_ != 0) return;
    fill_ = loop_->After(Duration(0), [this] {
      fill_ = 0;
      Fill();
    });
  }

  /// As much as may be under way goes to the writer.
  void Fill() {
    while (next_ < journal_->head() && !writer_->full()) {
      std::optional<Block> block = journal_->Read(next_, from_.max_bytes - kHeadersBytes);
      if (!block) {
        const Position goes_on = std::max(journal_->NextSound(next_), journal_->tail());
        if (goes_on == next_) return;  // it passes: the next look is soon
        Lose(next_, goes_on, "it was away for longer than --retain holds them");
        next_ = goes_on;
        continue;
      }
      next_ = block->header.end();
      writer_->Push(std::move(*block));
    }
    if (finishing_ && !finished_ && next_ >= journal_->head()) {
      finished_ = true;
      BlockHeader last;
      last.kind = end_status_ ? BlockKind::kEndOfStream : BlockKind::kHead;
      last.session = from_.session;
      last.position = journal_->head();
      last.records_before = journal_->records();
      last.time_ns = WallNow();
      last.exit_status = end_status_.value_or(0);
      writer_->Finish(last);
    }
  }

  void Lose(Position from, Position to, const std::string& why) {
    const std::uint64_t bytes = to - from;
    lost_ += bytes;
    reporter_.Warn("cluster-gap",
                   "the cluster will not have " + std::to_string(bytes) + " bytes, positions " +
                       std::to_string(from) + " to " + std::to_string(to) + ": " + why,
                   {{"from", from}, {"to", to}, {"bytes", bytes}});
  }

  void Look() {
    const nats::LogWriter::State state = writer_->state();
    Say(state);
    Fill();
    if (state.tail) tail_ = *state.tail;
    for (const auto& lack : writer_->TakeLacks()) {
      Lose(lack.from, lack.to, "somebody else has written to it at that moment");
    }
    if (state.link != Link::kFenced) {
      const bool there = state.link == Link::kThere;
      stream_->ConfirmLocal(kMemberId,
                            {.position = state.confirmed,
                             .lost = lost_,
                             .at_end = state.ended,
                             .mode = there ? control::Mode::kLive : control::Mode::kJoining,
                             .replicas = state.replicas});
    }
    if (state.ended || said_fenced_) Done();
  }

  void Say(const nats::LogWriter::State& state) {
    const std::string name = options_.endpoint.data();
    if (state.link == Link::kFenced && !std::exchange(said_fenced_, true)) {
      reporter_.Error("cluster-fenced", name + ": " + state.text);
      stream_->RemoveLocal(kMemberId);
      stream_->ForgetOlder();
    } else if (state.link == Link::kThere) {
      away_since_ = loop_->now();
      if (std::exchange(said_away_, false)) {
        reporter_.Info("cluster", name + ": it is back, by " + state.text);
      } else if (!std::exchange(said_there_, true)) {
        reporter_.Debug("cluster", name + ": kept there, by " + state.text);
      }
    } else if (state.link == Link::kAway && loop_->now() - away_since_ >= kSayAwayAfter &&
               !std::exchange(said_away_, true)) {
      reporter_.Warn(
          "cluster-away",
          name + ": it does not take anything just now (" + state.text +
              "); what is published meanwhile is kept here, as far as --retain goes");
    }
  }

  const ClusterJournalOptions options_;
  nats::LogOptions log_;
  Reporter& reporter_;
  nats::Note note_;
  nats::Continuation from_;
  EventLoop* loop_ = nullptr;
  Journal* journal_ = nullptr;
  PublishedStream* stream_ = nullptr;
  Waker waker_;
  std::unique_ptr<nats::LogWriter> writer_;
  std::unique_ptr<nats::LogRanges> older_;
  Position tail_ = UINT64_MAX;  // where the log begins, once that is known
  EventLoop::WatchId watch_ = 0;
  EventLoop::TimerId fill_ = 0;
  EventLoop::TimerId confirm_ = 0;
  Position next_ = 0;  // to be given to the writer
  std::uint64_t lost_ = 0;
  std::optional<std::uint32_t> end_status_;
  bool finishing_ = false;
  bool finished_ = false;  // the writer knows
  std::function<void()> on_done_;
  TimePoint away_since_{};
  bool said_away_ = false;
  bool said_there_ = false;
  bool said_fenced_ = false;
};

}  // namespace

std::unique_ptr<ClusterJournal> ClusterJournal::Open(ClusterJournalOptions options,
                                                     SessionId fresh, Reporter& reporter) {
  return std::make_unique<KeptInCluster>(std::move(options), fresh, reporter);
}

}  // namespace pipedup
