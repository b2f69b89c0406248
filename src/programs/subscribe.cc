// pipedup-sub, wired: network → stdout, or consumers. Behind it stands the call of
// <pipedup/subscriber.h>.
#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/records.h"
#include "base/text.h"
#include "base/units.h"
#include "consume/consumers.h"
#include "consume/labeler.h"
#include "consume/output.h"
#include "net/loop.h"
#include "net/socket.h"
#include "os/child.h"
#include "os/io.h"
#include "os/process.h"
#include "os/signals.h"
#include "pipedup/subscriber.h"
#include "programs/key_files.h"
#include "programs/sub_cursor.h"
#include "programs/sub_output.h"
#include "programs/sub_receiver.h"
#include "programs/sub_reports.h"
#include "subscribe/receiver.h"
#include "wire/block_header.h"

namespace pipedup {
namespace {

constexpr auto kTickEvery = std::chrono::milliseconds(100);
constexpr auto kProgressEvery = std::chrono::milliseconds(500);
constexpr auto kSayWaitingAfter = std::chrono::seconds(2);

/// One run of a subscriber.
class SubscribeRun final : private ReceiverEvents, private ConsumersEvents {
 public:
  SubscribeRun(const SubscriberOptions& options, Reporter& reporter)
      : options_(options),
        reporter_(reporter),
        signals_(MakeSubSignals(options)),
        context_(LoadSubscriberKeys(options.server_key, options.curve_secret)),
        cursor_(SubCursor::Open(options, reporter)),
        begin_(resuming() ? cursor_->resumption()->position : 0),
        resuming_(resuming()),
        output_(MakeSubOutput(loop_, options, cursor_.get(), *this)),
        labeler_({options.prefix, options.timestamps}, RecordFormat::kLines),
        receiver_(context_, loop_, MakeReceiverOptions(options, cursor_.get()), *this) {
    started_ = loop_.now();
    loop_.OnReadable(signals_.fd(), [this] { OnSignal(); });
    loop_.Every(kTickEvery, [this] { Tick(); });
    if (options.timeout)
      loop_.After(*options.timeout, [this] { Stop(kExitTimeout, "timeout"); });
    if (options.progress) loop_.Every(kProgressEvery, [this] { ShowProgress(); });
    if (options.count && *options.count == 0) Finish(kExitOk);
  }

  int Run() {
    if (!stopped_) loop_.Run();
    if (options_.progress) reporter_.Progress("");
    Leave();
    output_->Abort();
    SettleCursor();
    if (options_.stats) SayStats();
    return ExitStatus();
  }

 private:
  ModeMachine& machine() { return receiver_.modes(); }
  bool resuming() const { return cursor_ && cursor_->resumption(); }

  // ---- what the receiver tells ----

  void OnBegin(const control::Welcome& session, Position position) override {
    first_ = resuming_;
    begin_ = position;
    format_ = session.records;
    stream_ = session.stream;
    if (format_ == RecordFormat::kRaw && options_.count) {
      OnFail(kExitFailure, "--count: stream '" + stream_ + "' is raw, it has no records");
      return;
    }
    labeler_.Restart(session.stream, session.records);
    resuming_ = false;
    if (cursor_) cursor_->OnBegin(session, position);
    reporter_.Debug("begin",
                    "stream '" + session.stream + "', session " + Hex(session.session) +
                        ", from position " + std::to_string(position),
                    {{"stream", session.stream},
                     {"session", Hex(session.session)},
                     {"position", position}});
  }

  void OnBytes(const BlockHeader& header, Position from, SharedBytes bytes) override {
    if (finishing_) return;
    bool last = false;
    if (options_.count) {
      const std::uint64_t wanted = *options_.count - records_;
      const std::size_t length = LengthOfRecords(format_, bytes.bytes, wanted);
      if (length > 0) {
        bytes = bytes.Part(0, length);
        last = true;
      }
      records_ += CountRecords(format_, bytes.bytes);
    } else {
      records_ += from == header.position ? header.records : CountRecords(format_, bytes.bytes);
    }
    received_ += bytes.size();
    const Position end = from + bytes.size();
    if (options_.prefix || options_.timestamps) {
      PushLabelled(header, from, bytes);
    } else {
      output_->Push(std::move(bytes), header.session, from, end);
    }
    if (last) {
      end_override_ = end;
      Finish(kExitOk);
    }
  }

  void OnReceived() override {
    if (finishing_) machine().Stop();
    if (!output_->open()) {
      OnReaderLeft();
      return;
    }
    if (!stopped_ && !left_) receiver_.SetProgress(output_->queued(), WrittenPosition());
    if (finishing_ && output_->done()) {
      StopLoop();
    } else if (finishing_ && output_->runs_programs() && output_->drained() && !left_) {
      // They have all of it and may need long to end: the publisher need not wait for that.
      loop_.After(Duration(0), [this] { Leave(); });
    }
  }

  void OnGap(const Gap& gap) override {
    if (end_override_) return;  // behind the end that was asked for
    ReportGap(reporter_, stream_, gap);
    if (options_.strict) {
      reporter_.Error("strict", "--strict: stopped at the first gap");
      end_override_ = gap.from;
      Finish(kExitLoss);
    }
  }

  void OnSessionChanged(const control::Welcome& now, SessionId old) override {
    if (resuming_) {
      resuming_ = false;
      vanished_ = !cursor_->OnGone(now);
      return;
    }
    const bool after_end = ended_;
    ended_ = false;
    const std::string text =
        "following session " + Hex(now.session) + " of stream '" + now.stream + "' after " +
        Hex(old) + (after_end ? ", which has ended" : ", which vanished before its end");
    const Fields fields = {{"stream", now.stream},
                           {"session", Hex(now.session)},
                           {"old_session", Hex(old)},
                           {"old_ended", after_end}};
    if (after_end) {
      reporter_.Info("session", text, fields);
    } else {
      vanished_ = true;
      reporter_.Warn("session", text + "; what it published last may be missing", fields);
    }
  }

  void OnSessionContinues(const control::Welcome& now, SessionId old,
                          Position position) override {
    if (std::exchange(ended_, false) && old == now.session) {
      reporter_.Info("continues", "the stream goes on at position " + std::to_string(position),
                     {{"session", Hex(old)}, {"position", position}});
      return;
    }
    continued_ = {old, position};
    vanished_ = true;
    if (cursor_) cursor_->OnBegin(now, position);
    reporter_.Warn(
        "continues",
        "the publisher has lost what it published last: session " + Hex(old) + " goes on as " +
            Hex(now.session) + " at position " + std::to_string(position) +
            "; bytes that were published behind it, and not heard of here, are missing",
        {{"old_session", Hex(old)}, {"session", Hex(now.session)}, {"position", position}});
  }

  void OnMode(control::Mode mode) override {
    reporter_.Debug("mode", "mode: " + std::string(control::ToText(mode)));
  }

  void OnEndOfStream(Position position, std::uint32_t exit_status) override {
    ended_ = true;
    const std::string status = exit_status == kUnknownExitStatus
                                   ? ""
                                   : ", producer's status " + std::to_string(exit_status);
    const std::string text = "end of stream at position " + std::to_string(position) + status;
    const Fields fields = {{"position", position}, {"status", std::uint64_t{exit_status}}};
    if (options_.follow) {
      reporter_.Info("end", text + "; waiting for the next session", fields);
      return;
    }
    reporter_.Debug("end", text, fields);
    Finish(kExitOk);
  }

  void OnLetGo(const std::string& reason) override {
    reporter_.Warn("let-go", "the publisher no longer waits for this subscriber: " + reason);
  }

  void OnDamaged(const std::string& what) override {
    reporter_.Warn("damaged", "a block arrived damaged (" + what + ") and is fetched again");
  }

  void OnNotAttached(const std::string& why) override {
    reporter_.Debug("not-attached", "the network is used: " + why);
  }

  void OnSilence() override {
    reporter_.Debug("silence", "nothing was heard: connecting anew");
  }

  void OnFail(int exit_status, const std::string& text) override {
    reporter_.Error(exit_status == kExitRefused ? "refused" : "failed", text);
    Finish(exit_status);
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

  void OnOutput() override { OnReceived(); }

  void OnConsumerPassed(const std::string& consumer, std::uint64_t behind) override {
    ReportConsumerPassed(reporter_, consumer, behind);
    if (!options_.strict || finishing_ || strict_stop_) return;
    strict_stop_ = true;
    reporter_.Error("strict", "--strict: stopped at the first gap");
    loop_.After(Duration(0), [this] { Finish(kExitLoss); });  // not while something is pushed
  }

  void OnConsumerGap(const std::string& consumer, const Gap& gap) override {
    ReportConsumerGap(reporter_, stream_, consumer, gap);
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

  void PushLabelled(const BlockHeader& header, Position from, SharedBytes bytes) {
    if (std::exchange(first_, false)) {
      // It goes on where it stopped, which may be in a record. The bytes are the last ones of
      // the block, so if there are any before them they are there to be looked at.
      const bool begins = from == header.position
                              ? header.begins_record
                              : format_ != RecordFormat::kRaw &&
                                    *(bytes.bytes.data() - 1) == Delimiter(format_);
      if (!begins) labeler_.ContinueRecord();
    }
    // A piece with labels is noted as a whole, and repeated as a whole.
    const std::size_t most = cursor_ ? kMostNotedBytes : bytes.size();
    while (bytes.size() > 0) {
      const SharedBytes part = bytes.Part(0, most);
      output_->Push(labeler_.Label(part.bytes, header.time_ns), header.session, from,
                    from + part.size());
      from += part.size();
      bytes = bytes.Part(part.size());
    }
  }

  void Tick() {
    OnReceived();
    if (ended_) SettleCursor();
    const Duration silence = loop_.now() - machine().last_heard();
    const bool heard = machine().last_heard() > started_;
    if (silence < kSayWaitingAfter) {
      if (said_waiting_) reporter_.Info("connected", "the publisher answers");
      said_waiting_ = false;
    } else if (!said_waiting_ && !finishing_ && !ended_) {
      said_waiting_ = true;
      reporter_.Info("waiting", "waiting for a publisher at " + options_.endpoint +
                                    (heard ? ", which has fallen silent" : ""));
    }
    if (options_.give_up.count() > 0 && silence > options_.give_up && !finishing_) {
      machine().GiveUp("the publisher vanished");
      reporter_.Error("unreachable",
                      GiveUpText(options_, machine().welcomed(), context_.encrypts()));
      Finish(kExitUnreachable);
    }
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
    machine().Flush();
    receiver_.SayGoodbye(WrittenPosition(), machine().state() == ModeMachine::State::kEnded);
    receiver_.Close();
  }

  void StopLoop() {
    stopped_ = true;
    loop_.Stop();
  }

  /// Every byte of the session before it was written, or reported lost.
  Position WrittenPosition() {
    if (!machine().began()) return machine().located() ? machine().position() : 0;
    if (output_->drained()) return end_override_.value_or(machine().position());
    const Output::Mark mark = output_->mark();
    if (mark.session == continued_.session && mark.session != machine().session()) {
      return std::min(mark.position, continued_.position);
    }
    return mark.session != machine().session() ? begin_ : std::max(mark.position, begin_);
  }

  /// Notes what moves a position and is no write: gaps, the end, and a reader that left bytes.
  void SettleCursor() {
    if (!cursor_ || !machine().welcomed() || !machine().began()) return;
    if (!output_->drained()) {
      if (stopped_) cursor_->GoBack(output_->abandoned());
      return;
    }
    cursor_->Settle(machine().session(), WrittenPosition(),
                    machine().state() == ModeMachine::State::kEnded && !end_override_);
  }

  int ExitStatus() {
    const bool lost = machine().counters().lost_bytes + output_->lost_bytes() > 0 || vanished_;
    // A signal was theirs as well: how they took it is what counts, if they failed.
    if (output_->runs_programs() && (status_ == kExitOk || signalled_) &&
        output_->exit_status() != kExitOk) {
      return output_->exit_status();
    }
    return status_ == kExitOk && lost ? static_cast<int>(kExitLoss) : status_;
  }

  void SayStats() {
    const ModeCounters& modes = machine().counters();
    const Position position = WrittenPosition();
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(loop_.now() - started_).count();
    reporter_.Info("stats",
                   std::to_string(output_->written()) + " bytes written, " +
                       std::to_string(records_) + " records, " +
                       std::to_string(modes.lost_bytes) + " bytes lost in " +
                       std::to_string(modes.gaps) + " gaps, " +
                       FormatDuration(std::chrono::milliseconds(ms)),
                   {{"stream", stream_},
                    {"session", Hex(machine().session())},
                    {"begin", begin_},
                    {"position", position},
                    {"ended", machine().state() == ModeMachine::State::kEnded},
                    {"received_bytes", received_},
                    {"wire_bytes", receiver_.counters().wire_bytes},
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
                    {"damaged_blocks", receiver_.counters().damaged_blocks},
                    {"reconnects", modes.remakes},
                    {"seconds", static_cast<double>(ms) / 1000},
                    {"exit", std::int64_t{ExitStatus()}}});
  }

  void ShowProgress() {
    const std::uint64_t rate = (received_ - shown_) * 2;
    shown_ = received_;
    const Position head = machine().known_head();
    const auto elapsed =
        std::chrono::duration_cast<std::chrono::seconds>(loop_.now() - started_);
    reporter_.Progress(FormatSize(received_) + "  " + std::to_string(records_) + " records  " +
                       FormatDuration(elapsed) + "  " + FormatSize(rate) + "/s  lag " +
                       FormatSize(head - std::min(head, WrittenPosition())) + "  lost " +
                       FormatSize(machine().counters().lost_bytes));
  }

  const SubscriberOptions& options_;
  Reporter& reporter_;
  SignalQueue signals_;  // first: blocks them before a thread is made
  Context context_;
  EventLoop loop_;
  std::unique_ptr<SubCursor> cursor_;
  // Before the output and the receiver: one tells of things while it is made, the other of gaps
  // while it is destroyed.
  RecordFormat format_ = RecordFormat::kLines;
  std::string stream_;
  Position begin_;
  bool resuming_;                         // at a cursor whose session may be gone
  bool first_ = false;                    // the next bytes are the first behind a cursor
  Output::Mark continued_;                // where the session before this one became this one
  std::optional<Position> end_override_;  // it ended before what had been received
  std::uint64_t received_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t shown_ = 0;
  TimePoint started_{};
  bool said_waiting_ = false;
  bool ended_ = false;
  bool vanished_ = false;  // a session that was followed did not come to its end
  bool finishing_ = false;
  bool aborted_ = false;
  bool left_ = false;  // the publisher
  bool stopped_ = false;
  bool signalled_ = false;
  bool strict_stop_ = false;
  int status_ = kExitOk;
  std::unique_ptr<Output> output_;
  Labeler labeler_;
  Receiver receiver_;
};

}  // namespace

int Subscribe(const SubscriberOptions& options, Reporter& reporter) {
  if (!IsOpen(options.output)) throw Error("the output is closed");
  OpenMissingStandardDescriptors();
  IgnoreBrokenPipe();
  RaiseDescriptorLimit();
  KeepFreedBlocksInHeap();
  SubscribeRun run(options, reporter);
  return run.Run();
}

}  // namespace pipedup
