#include "programs/publish.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "os/io.h"
#include "os/process.h"
#include "programs/key_files.h"

namespace pipedup {
namespace {

constexpr std::size_t kTeeFull = 8 * 1024 * 1024;
constexpr std::size_t kTeeWake = 1024 * 1024;

/// Each connection by itself is held to limits.
ServerOptions Guarded(ServerOptions options, Connections& connections) {
  options.connections = &connections;
  return options;
}

PublishedStreamOptions WithOlder(PublishedStreamOptions options, OlderBlocks* older) {
  options.older = older;
  options.older_stays = older != nullptr;
  return options;
}

}  // namespace

PublishRun::PublishRun(const PubOptions& options, Reporter& reporter, Connections& connections)
    : options_(options),
      reporter_(reporter),
      signals_({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD}),
      context_(LoadPublisherKeys(options.curve_secret)),
      kept_(MakePubJournal(options, reporter)),
      journal_(kept_.options),
      server_reports_(reporter),
      server_(context_, loop_, Guarded(MakeServerOptions(options), connections),
              server_reports_),
      publisher_(server_, BeginIn(journal_, kept_),
                 WithOlder(MakeStreamOptions(options), kept_.cluster.get()), *this),
      cluster_(std::move(kept_.cluster)),
      hold_(loop_, reporter),
      http_(loop_, connections, options, reporter),
      http_tap_(http_, options.stream, journal_, publisher_) {
  loop_.OnReadable(signals_.fd(), [this] { OnSignals(); });
  if (journal_.sync_fd() >= 0) {
    loop_.OnReadable(journal_.sync_fd(), [this] {
      journal_.Synced();
      ReadOrNot();
    });
  }
  SayStart();
  if (cluster_) cluster_->Keep(loop_, journal_, publisher_);
  if (options_.tee) OpenTee();
  OpenInput();
}

PublishRun::~PublishRun() = default;

void PublishRun::SayStart() {
  ReportListening(reporter_, "'" + options_.stream + "'",
                  {{"stream", options_.stream}, {"session", Hex(journal_.session())}},
                  options_.bind, server_.endpoints(), context_.listens_encrypted());
  if (ReadsFilesAgain(options_) && !signals_.Takes(SIGHUP)) ReportReadOnce(reporter_);
  reporter_.Debug(
      "journal",
      "journal in " +
          (kept_.directory ? "'" + kept_.directory->path() + "'" : "private memory") +
          ", at least the last " + FormatSize(options_.retain_bytes) + " are kept");
}

void PublishRun::OpenInput() {
  int input = 0;
  if (!options_.producer.empty()) {
    auto [read_end, write_end] = MakePipe();
    producer_ = StartChild(options_.producer, 0, write_end.get());
    producer_output_ = std::move(read_end);
    input = producer_output_.get();
  } else if (IsTerminal(0)) {
    reporter_.Info("terminal",
                   "reading from the terminal: what is typed is published, ^D ends it");
  }
  began_at_ = journal_.head();
  records_before_ = journal_.records();
  source_.emplace(loop_, journal_, input, options_.max_delay,
                  [this](int error) { OnInputEnd(error); });
  if (options_.wait_subs > 0) {
    waiting_for_subs_ = true;
    if (options_.wait_timeout.count() > 0) {
      loop_.After(options_.wait_timeout, [this] {
        if (!waiting_for_subs_) return;
        reporter_.Warn("wait-timeout",
                       "--wait-timeout: after " + FormatDuration(options_.wait_timeout) +
                           " only " + std::to_string(publisher_.ready()) + " of " +
                           std::to_string(options_.wait_subs) +
                           " subscribers have joined; publishing without the rest");
        waiting_for_subs_ = false;
        ReadOrNot();
      });
    }
  }
  ReadOrNot();
  if (options_.progress || options_.force_progress) {
    progress_.emplace(reporter_, options_.force_progress, loop_.now());
    loop_.Every(cli::Progress::kEvery, [this] { progress_->Show(loop_.now(), Numbers()); });
  }
}

int PublishRun::Run() {
  loop_.Run();
  if (progress_) progress_->Finish(loop_.now(), Numbers());
  if (status_ == kExitFailure) return status_;
  if (cluster_ && (cluster_->fenced() || cluster_lacks_)) return kExitLoss;
  if (producer_status_ != 0) return producer_status_;
  if (signal_ != 0 && !producer_) return kExitSignalBase + signal_;
  return status_;
}

// ---- input ----

// Every reason not to read is a flag; the producer waits while one of them is set.
void PublishRun::ReadOrNot() {
  if (!source_) return;
  if (waiting_for_subs_ || hold_.held() || tee_full_ || journal_.congested()) {
    source_->Pause();
  } else {
    source_->Resume();
  }
}

void PublishRun::OnInputEnd(int error) {
  input_ended_ = true;
  if (error != 0) {
    // Not an end of stream: subscribers are not told that this was all there is.
    reporter_.Error("input", "read " +
                                 std::string(producer_ ? "the producer's output" : "stdin") +
                                 ": " + ErrnoText(error));
    status_ = kExitFailure;
    loop_.Stop();
    return;
  }
  EndWhenInputIsOver();
}

void PublishRun::EndWhenInputIsOver() {
  if (!input_ended_ || (producer_ && !producer_ended_)) return;
  journal_.Settle();
  const std::string kept = options_.cluster ? options_.cluster->data() : options_.journal;
  if ((signal_ != 0 || told_to_stop_) && !kept.empty()) {
    // The publisher is stopped, the stream is not: it goes on when the next one is started.
    reporter_.Info("stopped", "stopped by a signal; the stream goes on from '" + kept +
                                  "' when a publisher is started again");
    if (cluster_) {
      LeaveInCluster();
      return;
    }
    publisher_.Leave();
    finished_ = true;
    StopWhenDone();
    return;
  }
  std::uint32_t status = kUnknownExitStatus;
  if (producer_) {
    status = static_cast<std::uint32_t>(producer_status_);
  } else if (signal_ != 0) {
    status = static_cast<std::uint32_t>(kExitSignalBase + signal_);
  }
  if (cluster_) cluster_->Finish(status, [] {});
  http_tap_.End(status, options_.linger, [this] { StopWhenDone(); });
  publisher_.End(status);
}

// Only what the cluster has goes on elsewhere.
void PublishRun::LeaveInCluster() {
  const auto leave = [this] {
    if (std::exchange(finished_, true)) return;
    publisher_.Leave();
    StopWhenDone();
  };
  cluster_->Finish(std::nullopt, leave);
  loop_.After(options_.linger, [this, leave] {
    if (finished_) return;
    reporter_.Warn(
        "cluster-unconfirmed",
        options_.cluster->data() + " did not confirm the last bytes within --linger");
    cluster_lacks_ = true;
    leave();
  });
}

void PublishRun::OnChild() {
  for (Ended ended = ReapOne(); ended.pid != -1; ended = ReapOne()) {
    if (!producer_ || ended.pid != producer_->pid)
      continue;  // as PID 1: somebody else's orphan
    producer_ended_ = true;
    producer_status_ = ended.exit_status;
    reporter_.Debug("producer",
                    "the producer has ended with status " + std::to_string(ended.exit_status));
    EndWhenInputIsOver();
  }
}

void PublishRun::OnSignals() {
  for (auto signal = signals_.Next(); signal.number != 0; signal = signals_.Next()) {
    if (signal.number == SIGCHLD) {
      OnChild();
      continue;
    }
    if (signal.number == SIGHUP && ReadsFilesAgain(options_)) {
      if (!options_.allow_keys.empty()) {
        ReadKeysAgain(reporter_, options_.allow_keys, server_);
      }
      http_.ReadTokenAgain();
      continue;
    }
    if (producer_ && !producer_ended_) {
      if (!signal.from_terminal) SendSignal(*producer_, signal.number);
      told_to_stop_ = told_to_stop_ || signal.number == SIGTERM || signal.number == SIGINT ||
                      signal.number == SIGQUIT;
      continue;  // it decides when it ends, and so does the stream
    }
    if (signal.number == SIGUSR1 || signal.number == SIGUSR2) continue;
    if (signal_ != 0 || input_ended_) {
      signal_ = signal.number;
      http_tap_.Cut();
      publisher_.FinishNow();  // asked a second time, or at the end already
      StopWhenDone();          // it may have been HTTP that was waited for
      continue;
    }
    signal_ = signal.number;
    waiting_for_subs_ = tee_full_ = false;
    hold_.Forget();
    source_->Finish();
  }
}

// ---- stdout ----

void PublishRun::OpenTee() {
  tee_.emplace(1, kTeeWake);
  loop_.OnReadable(tee_->waker().fd(), [this] {
    tee_->waker().Clear();
    OnTeeProgress();
  });
  journal_.OnBlock([this](const Block& block) {
    tee_->Push(block.payload, block.header.session, block.header.end());
    OnTeeProgress();
  });
}

// As with tee, whoever reads stdout may slow the producer down; one that leaves is left out.
void PublishRun::OnTeeProgress() {
  if (tee_->state() != Writer::State::kOpen && !tee_closed_said_) {
    tee_closed_said_ = true;
    const bool closed = tee_->state() == Writer::State::kClosed;
    reporter_.Warn("tee",
                   "stdout: " + (closed ? "its reader has left" : ErrnoText(tee_->error())) +
                       "; publishing goes on without it");
    if (!closed) status_ = kExitFailure;
  }
  const bool open = tee_->state() == Writer::State::kOpen;
  tee_full_ = open && tee_->queued() > kTeeFull;
  ReadOrNot();
  StopWhenDone();
}

// ---- subscribers ----

void PublishRun::OnJoined(const Member& member) {
  ReportJoined(reporter_, member);
}

void PublishRun::OnLeft(const Member& member, Leaving how) {
  ReportLeft(reporter_, member, how);
}

void PublishRun::OnReady(std::size_t count) {
  if (!waiting_for_subs_ || count < options_.wait_subs) return;
  waiting_for_subs_ = false;
  ReadOrNot();
}

void PublishRun::OnHold(const Member* waits_for) {
  hold_.OnHold(waits_for, journal_.head());
  ReadOrNot();
}

void PublishRun::OnLetGo(const Member& member) {
  ReportLetGo(reporter_, member, options_.stall_limit);
}

// ---- the end ----

void PublishRun::OnFinished(const std::vector<std::string>& unconfirmed) {
  ReportUnconfirmed(reporter_, unconfirmed);
  if (!unconfirmed.empty() && status_ == 0) status_ = kExitLoss;
  finished_ = true;
  StopWhenDone();
}

void PublishRun::StopWhenDone() {
  const bool tee_done =
      !tee_ || tee_->state() != Writer::State::kOpen || tee_->queued() == 0 || signal_ != 0;
  if (finished_ && tee_done && http_tap_.done()) loop_.Stop();
}

// Of this run: a journal on disk may hold what others have published.
cli::ProgressNumbers PublishRun::Numbers() const {
  cli::ProgressNumbers numbers;
  numbers.bytes = journal_.head() - began_at_;
  if (options_.records != RecordFormat::kRaw) {
    numbers.records = journal_.records() - records_before_;
  }
  numbers.subscribers = publisher_.members().size();
  std::uint64_t worst = 0;
  std::uint64_t lost = 0;
  for (const auto& [id, member] : publisher_.members().all()) {
    worst = std::max(worst, journal_.head() - std::min(journal_.head(), member.position));
    lost += std::min(member.lost, UINT64_MAX - lost);  // what peers claim must not wrap
  }
  numbers.lag = worst;
  numbers.lost = lost;
  return numbers;
}

}  // namespace pipedup
