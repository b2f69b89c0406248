// Over 500 lines: one run, whose parts only meet here.
// pipedup-sub, wired: network → stdout, or consumers. Behind it stands the call of
// <pipedup/subscribe.h>.
#include <algorithm>
#include <csignal>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/records.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/progress.h"
#include "consume/consumers.h"
#include "consume/merger.h"
#include "consume/output.h"
#include "net/loop.h"
#include "net/socket.h"
#include "os/child.h"
#include "os/io.h"
#include "os/process.h"
#include "os/signals.h"
#include "pipedup/subscribe.h"
#include "programs/key_files.h"
#include "programs/sub_cursor.h"
#include "programs/sub_output.h"
#include "programs/sub_receiver.h"
#include "programs/sub_reports.h"
#include "programs/sub_stream.h"
#include "subscribe/streams.h"
#include "wire/block_header.h"

namespace pipedup {
namespace {

constexpr auto kTickEvery = std::chrono::milliseconds(100);

/// One run of a subscriber.
class SubscribeRun final : private SubStreamOwner, private ConsumersEvents {
 public:
  SubscribeRun(const SubscribeOptions& options, Reporter& reporter)
      : options_(options),
        reporter_(reporter),
        signals_(MakeSubSignals(options)),
        context_(LoadSubscriberKeys(options.server_key, options.curve_secret)),
        cursor_(SubCursor::Open(options, reporter)),
        output_(MakeSubOutput(loop_, options, cursor_.get(), *this)),
        merger_([this](MergePart part) { Emit(std::move(part)); }),
        readers_(MakeReaders()) {
    started_ = loop_.now();
    loop_.OnReadable(signals_.fd(), [this] { OnSignal(); });
    loop_.Every(kTickEvery, [this] { Tick(); });
    if (options.timeout)
      loop_.After(*options.timeout, [this] { Stop(kExitTimeout, "timeout"); });
    if (options.progress || options.force_progress) {
      progress_.emplace(reporter, options.force_progress, loop_.now());
      loop_.Every(cli::Progress::kEvery, [this] { progress_->Show(loop_.now(), Numbers()); });
    }
    if (options.count && *options.count == 0) Finish(kExitOk);
  }

  int Run() {
    if (!stopped_) loop_.Run();
    if (progress_) progress_->Finish(loop_.now(), Numbers());
    Leave();
    output_->Abort();
    SettleCursor();
    if (options_.stats && several()) {
      ForEach([this](SubStream& stream, StreamReader& reader) {
        ReportStreamStats(reporter_, stream.name(), stream.begin(),
                          WrittenPosition(stream, reader), reader);
      });
    }
    if (options_.stats) SayStats();
    return ExitStatus();
  }

 private:
  /// The only stream there is, or the first one.
  SubStream& first() { return streams_.front(); }
  const Progress& at() { return readers_.readers().front().progress(); }
  bool several() const { return streams_.size() > 1; }

  /// Streams of all that match, or of what there is.
  Streams MakeReaders() {
    const auto made = MakeReceiverOptions(options_, cursor_.get());
    const auto on_stream = [this](const control::Welcome& welcome) {
      return OnOtherStream(welcome);
    };
    if (!HasPattern(options_)) return Streams(context_, loop_, made, AddStream(), on_stream);
    return Streams(
        context_, loop_, made, AddStream(), on_stream, *options_.stream,
        [this](const Endpoint& at, const std::string& why) { OnNotListed(at, why); });
  }

  void OnNotListed(const Endpoint& endpoint, const std::string& why) {
    if (!std::exchange(said_not_listed_, true))
      reporter_.Warn("not-listed", "the publisher at " + endpoint.data() + ": " + why);
  }

  StreamEvents& AddStream() {
    SubStreamOwner& owner = *this;
    streams_.emplace_back(options_, reporter_, loop_, cursor_.get(), owner, merger_.Add());
    return streams_.back();
  }

  /// An endpoint has another stream than those that are read.
  StreamEvents* OnOtherStream(const control::Welcome& welcome) {
    if (cursor_ && welcome.stream == first().name()) return nullptr;  // the cursor's counts
    if (cursor_) {
      reporter_.Error("cursor", "--cursor: the endpoints have several streams ('" +
                                    first().name() + "', '" + welcome.stream +
                                    "'), and a cursor is of one: run one for each");
      Finish(kExitUsage);
      return nullptr;
    }
    reporter_.Info("stream",
                   "stream '" + welcome.stream + "', session " + Hex(welcome.session) +
                       ", is read as well",
                   {{"stream", welcome.stream}, {"session", Hex(welcome.session)}});
    return &AddStream();
  }

  // ---- what the streams tell ----

  void OnStreamBegin(SubStream& stream, RecordFormat format) override {
    merger_.SetFormat(stream.number(), format);
  }

  void OnStreamBytes(SubStream& stream, const BlockHeader& header, Position from,
                     SharedBytes bytes) override {
    if (finishing_) return;
    received_ += bytes.size();
    merger_.Push(stream.number(), header, from, std::move(bytes));
  }

  void OnStreamCut(SubStream& stream) override { merger_.EndRecord(stream.number()); }

  /// What is to be written next.
  void Emit(MergePart part) {
    if (finishing_) return;
    SubStream& stream = *std::next(streams_.begin(), static_cast<long>(part.stream));
    bool last = false;
    SharedBytes& bytes = part.bytes;
    if (options_.count) {
      const std::uint64_t wanted = *options_.count - records_;
      const std::size_t length = LengthOfRecords(stream.format(), bytes.bytes, wanted);
      if (length > 0) {
        bytes = bytes.Part(0, length);
        last = true;
      }
    }
    const bool whole = bytes.size() == part.header.length;
    records_ += whole ? part.header.records : CountRecords(stream.format(), bytes.bytes);
    const Position end = part.from + bytes.size();
    Write(stream, part);
    if (!last) return;
    stream.EndAt(end);
    Finish(kExitOk);
  }

  void Write(SubStream& stream, const MergePart& part) {
    const SessionId session = part.header.session;
    const Position end = part.from + part.bytes.size();
    if (options_.endpoints.size() > 1 || HasPattern(options_))
      parts_.Add(part.stream, session, part.from, end);
    if (!options_.prefix && !options_.timestamps && part.before.empty()) {
      output_->Push(part.bytes, session, part.from, end);
      return;
    }
    // A piece with labels is noted as a whole, and repeated as a whole.
    const std::size_t most = cursor_ ? kMostNotedBytes : part.bytes.size();
    SharedBytes bytes = part.bytes;
    std::string before = part.before;
    for (Position from = part.from; bytes.size() > 0;) {
      const SharedBytes some = bytes.Part(0, most);
      SharedBytes labelled = some;
      if (options_.prefix || options_.timestamps)
        labelled = stream.Label(part.header, from, some);
      output_->Push(Prepend(std::exchange(before, ""), std::move(labelled)), session, from,
                    from + some.size());
      from += some.size();
      bytes = bytes.Part(some.size());
    }
  }

  void OnStreamOver() override { FinishIfOver(); }

  void OnRunFailed(int exit_status) override { Finish(exit_status); }

  bool finishing() const override { return finishing_; }

  /// When all streams have ended, with the status of the first one that did not end well.
  void FinishIfOver() {
    const bool over = std::ranges::all_of(streams_, &SubStream::over);
    if (finishing_ || !over || readers_.MayGrow()) return;
    int status = kExitOk;
    for (const SubStream& stream : streams_) {
      if (status == kExitOk) status = stream.over_status();
    }
    Finish(status);
  }

  void OnStreamReceived() override {
    ForEach([this](SubStream& stream, StreamReader& reader) {
      if (finishing_ || (stream.over() && !stream.ended())) reader.Stop();
    });
    if (!output_->open()) {
      OnReaderLeft();
      return;
    }
    if (!stopped_ && !left_) {
      ForEach([this](SubStream& stream, StreamReader& reader) {
        // What is held back for another stream's sake is no reason for that one to wait.
        reader.SetProgress(output_->queued() + merger_.held(stream.number()),
                           WrittenPosition(stream, reader));
      });
    }
    if (finishing_ && output_->done()) {
      StopLoop();
    } else if (finishing_ && output_->runs_programs() && output_->drained() && !left_) {
      // They have all of it and may need long to end: the publisher need not wait for that.
      loop_.After(Duration(0), [this] { Leave(); });
    }
  }

  // ---- what happens here ----

  void OnSignal() {
    for (auto signal = signals_.Next(); signal.number != 0; signal = signals_.Next()) {
      if (signal.number == SIGCHLD) {
        for (Ended ended = ReapOne(); ended.pid != -1; ended = ReapOne())
          output_->OnEnded(ended);
        continue;
      }
      if (!signal.from_terminal) output_->Signal(signal.number);
      if (signalled_) StopLoop();  // asked a second time: whoever still runs is not waited for
      signalled_ = true;
      Stop(kExitSignalBase + signal.number, "signal");
    }
  }

  void OnReaderLeft() {
    if (const std::string why = output_->error(); !why.empty() && !stopped_) {
      reporter_.Error("output", "write to the output: " + why);
    }
    // Of consumers the status is known when all of them have ended.
    Stop(output_->runs_programs() ? status_ : output_->exit_status(), "output");
  }

  void OnOutput() override { OnStreamReceived(); }

  void OnConsumerPassed(const std::string& consumer, std::uint64_t behind) override {
    ReportConsumerPassed(reporter_, consumer, behind);
    if (!options_.strict || finishing_ || strict_stop_) return;
    strict_stop_ = true;
    reporter_.Error("strict", "--strict: stopped at the first gap");
    loop_.After(Duration(0), [this] { Finish(kExitLoss); });  // not while something is pushed
  }

  void OnConsumerGap(const std::string& consumer, const Gap& gap) override {
    ReportConsumerGap(reporter_, NameOf(gap.session), consumer, gap);
  }

  void OnConsumerEnded(const std::string& consumer, int exit_status,
                       std::optional<Duration> again) override {
    const std::string text =
        "consumer '" + consumer + "' has ended with status " + std::to_string(exit_status);
    const Fields fields = {{"consumer", consumer}, {"status", std::int64_t{exit_status}}};
    if (again) {
      reporter_.Warn("restart", text + "; it is started again in " + FormatDuration(*again),
                     fields);
    } else {
      reporter_.Debug("consumer", text, fields);
    }
  }

  void OnConsumerNotStarted(const std::string& why) override {
    reporter_.Warn("consumer", why);
  }

  void OnJournalWarning(const std::string& text) override { reporter_.Warn("journal", text); }

  void Tick() {
    OnStreamReceived();
    if (first().ended()) SettleCursor();
    ForEach([this](SubStream& stream, StreamReader& reader) {
      if (reader.endpoints() == 0) return LookForStreams();
      stream.Look(reader, started_, context_.connects_encrypted());
    });
    FinishIfOver();
  }

  /// None matches so far.
  void LookForStreams() {
    const TimePoint last = readers_.last_listed();
    if (loop_.now() - started_ >= kSayWaitingAfter && !std::exchange(said_waiting_, true)) {
      reporter_.Info("waiting", "waiting for a stream that matches '" + *options_.stream +
                                    "' at " + Endpoints(options_));
    }
    if (options_.give_up.count() == 0 || finishing_) return;
    if (loop_.now() - last <= options_.give_up) return;
    reporter_.Error("unreachable", GiveUpText(options_, false, context_.connects_encrypted()));
    Finish(kExitUnreachable);
  }

  /// Nothing more is taken; what was taken is still written, however long its reader needs.
  void Finish(int status) {
    if (finishing_) return;
    finishing_ = true;
    status_ = status;
    output_->Finish();
    if (output_->done()) StopLoop();
  }

  /// Nothing more is written either. Consumers are waited for, as they have something to end.
  void Stop(int status, const std::string& why) {
    if (stopped_) return;
    if (!aborted_) {
      reporter_.Debug("stop", "stopped: " + why);
      finishing_ = true;
      aborted_ = true;
      status_ = status;
      if (output_->runs_programs()) output_->Abort();
    }
    if (!output_->runs_programs() || output_->done()) {
      StopLoop();
    } else if (!left_) {
      // It may be one of the receiver's own calls that led here.
      loop_.After(Duration(0), [this] { Leave(); });
    }
  }

  /// Tells the publisher that this subscriber leaves, and where it stands.
  void Leave() {
    if (left_) return;
    left_ = true;
    readers_.StopGrowing();
    ForEach([this](SubStream& stream, StreamReader& reader) {
      reader.Flush();
      reader.SayGoodbye(WrittenPosition(stream, reader), reader.progress().ended);
      reader.Close();
    });
  }

  void StopLoop() {
    stopped_ = true;
    loop_.Stop();
  }

  template <typename Do>
  void ForEach(Do what) {
    auto stream = streams_.begin();
    for (StreamReader& reader : readers_.readers()) what(*stream++, reader);
  }

  /// Every byte of the stream's session before it was written, or reported lost.
  Position WrittenPosition(SubStream& stream, StreamReader& reader) {
    if (output_->drained()) {
      parts_.AdvanceAll();
      const auto held = merger_.first_held(stream.number());
      return held ? *held : stream.WrittenPosition(reader, std::nullopt);
    }
    Output::Mark mark = output_->mark();
    parts_.Advance(mark);
    if (several()) mark = parts_.Of(stream.number()).value_or(Output::Mark{});
    return stream.WrittenPosition(reader, mark);
  }
  Position WrittenPosition() { return WrittenPosition(first(), readers_.readers().front()); }

  ModeCounters Counters() {
    ModeCounters sum;
    for (const StreamReader& reader : readers_.readers()) sum += reader.counters();
    return sum;
  }

  std::string NameOf(SessionId session) {
    std::string name = first().name();
    ForEach([&](SubStream& stream, StreamReader& reader) {
      if (reader.progress().session == session) name = stream.name();
    });
    return name;
  }

  /// Notes what moves a position and is no write: gaps, the end, and a reader that left bytes.
  void SettleCursor() {
    if (!cursor_ || !readers_.readers().front().welcomed() || !at().begun) return;
    if (!output_->drained()) {
      if (stopped_) cursor_->GoBack(output_->abandoned());
      return;
    }
    cursor_->Settle(at().session, WrittenPosition(), at().ended && !first().end_override());
  }

  int ExitStatus() {
    const bool lost = Counters().lost_bytes + output_->lost_bytes() > 0 ||
                      std::ranges::any_of(streams_, &SubStream::vanished);
    // A signal was theirs as well: how they took it is what counts, if they failed.
    if (output_->runs_programs() && (status_ == kExitOk || signalled_) &&
        output_->exit_status() != kExitOk) {
      return output_->exit_status();
    }
    return status_ == kExitOk && lost ? static_cast<int>(kExitLoss) : status_;
  }

  void SayStats() {
    const ModeCounters modes = Counters();
    std::uint64_t damaged = 0;
    std::uint64_t wire = 0;
    for (const StreamReader& reader : readers_.readers()) {
      damaged += reader.receiver_counters().damaged_blocks;
      wire += reader.receiver_counters().wire_bytes;
    }
    const Position position = WrittenPosition();
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(loop_.now() - started_).count();
    reporter_.Info("stats",
                   std::to_string(output_->written()) + " bytes written, " +
                       std::to_string(records_) + " records, " +
                       std::to_string(modes.lost_bytes) + " bytes lost in " +
                       std::to_string(modes.gaps) + " gaps, " +
                       FormatDuration(std::chrono::milliseconds(ms)),
                   {{"stream", first().name()},
                    {"session", Hex(at().session)},
                    {"begin", first().begin()},
                    {"position", position},
                    {"ended", at().ended},
                    {"received_bytes", received_},
                    {"wire_bytes", wire},
                    {"written_bytes", output_->written()},
                    {"records", records_},
                    {"blocks", modes.blocks},
                    {"lost_bytes", modes.lost_bytes},
                    {"lost_records", modes.lost_records},
                    {"gaps", modes.gaps},
                    {"duplicate_bytes", modes.duplicate_bytes},
                    {"live_gaps", modes.live_gaps},
                    {"catch_ups", modes.catch_ups},
                    {"consumers_lost_bytes", output_->lost_bytes()},
                    {"cursor_failures", cursor_ ? cursor_->failures() : 0},
                    {"damaged_blocks", damaged},
                    {"reconnects", modes.remakes},
                    {"seconds", static_cast<double>(ms) / 1000},
                    {"exit", std::int64_t{ExitStatus()}}});
  }

  cli::ProgressNumbers Numbers() {
    cli::ProgressNumbers numbers;
    numbers.bytes = received_;
    numbers.records = records_;
    std::uint64_t lag = 0;
    ForEach([&](SubStream& stream, StreamReader& reader) {
      const Position head = reader.progress().known_head;
      lag += head - std::min(head, WrittenPosition(stream, reader));
    });
    numbers.lag = lag;
    numbers.lost = Counters().lost_bytes + output_->lost_bytes();
    return numbers;
  }

  const SubscribeOptions& options_;
  Reporter& reporter_;
  SignalQueue signals_;  // first: blocks them before a thread is made
  Context context_;
  EventLoop loop_;
  std::unique_ptr<SubCursor> cursor_;
  std::uint64_t received_ = 0;
  std::uint64_t records_ = 0;
  TimePoint started_{};
  std::optional<cli::Progress> progress_;
  bool said_waiting_ = false;  // for a stream
  bool said_not_listed_ = false;
  bool finishing_ = false;
  bool aborted_ = false;
  bool left_ = false;  // the publisher
  bool stopped_ = false;
  bool signalled_ = false;
  bool strict_stop_ = false;
  int status_ = kExitOk;
  // Before the output and the readers: one tells of things while it is made, the other of gaps
  // while it is destroyed.
  std::list<SubStream> streams_;
  std::unique_ptr<Output> output_;
  Merger merger_;
  WrittenParts parts_;
  Streams readers_;
};

}  // namespace

int Subscribe(const SubscribeOptions& options, Reporter& reporter) {
  if (!IsOpen(options.output)) throw Error("the output is closed");
  OpenMissingStandardDescriptors();
  IgnoreBrokenPipe();
  RaiseDescriptorLimit();
  KeepFreedBlocksInHeap();
  SubscribeRun run(options, reporter);
  return run.Run();
}

}  // namespace pipedup
