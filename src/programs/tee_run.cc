#include "programs/tee_run.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "os/file.h"
#include "os/io.h"

namespace pipedup {
TeeRun::TeeRun(const TeeOptions& options, Reporter& reporter)
    : options_(options),
      reporter_(reporter),
      sinks_(OpenSinks(options)),
      signals_({SIGINT, SIGTERM, SIGHUP, SIGCHLD}) {
  loop_.OnReadable(signals_.fd(), [this] { OnSignals(); });
  StartCommands();
  StartCopy();
  if (options.progress || options.force_progress) {
    progress_.emplace(reporter, options.force_progress, loop_.now());
    loop_.Every(cli::Progress::kEvery, [this] { progress_->Show(loop_.now(), Numbers()); });
  }
}

cli::ProgressNumbers TeeRun::Numbers() const {
  if (lockstep_) return {.bytes = lockstep_->taken()};  // all keep pace, and lose nothing
  return {.bytes = buffered_->taken(),
          .lag = buffered_->worst_lag(),
          .lost = buffered_->lost_bytes()};
}

std::vector<TeeRun::Sink> TeeRun::OpenSinks(const TeeOptions& options) {
  std::vector<Sink> sinks;
  if (options.to_stdout) sinks.push_back({.label = "stdout", .fd = 1});
  for (const std::string& file : options.files) {
    int error = 0;
    UniqueFd fd = OpenForWriting(file, &error);
    if (!fd) throw Error("--output " + cli::Quote(file) + ": " + ErrnoText(error));
    const int number = fd.get();
    sinks.push_back({.label = cli::Quote(file), .fd = number, .own = std::move(fd)});
  }
  // A write to a terminal may wait although there is room, and would hold up everything.
  for (Sink& sink : sinks) {
    UniqueFd terminal = ReopenTerminal(sink.fd);
    if (!terminal) continue;
    sink.fd = terminal.get();
    sink.own = std::move(terminal);
  }
  return sinks;
}

void TeeRun::StartCommands() {
  for (const std::string& command : options_.commands) {
    auto [read_end, write_end] = MakePipe();
    GrowPipe(write_end.get());
    SetNonBlocking(write_end.get());
    const Child child = StartChild({"sh", "-c", "--", command}, read_end.get(), 1);
    const int number = write_end.get();
    sinks_.push_back({.label = cli::Quote(command),
                      .fd = number,
                      .own = std::move(write_end),
                      .command = child,
                      .runs = true});
    reporter_.Debug("started", "started " + cli::Quote(command),
                    {{"command", Escape(command)}, {"pid", std::int64_t{child.pid}}});
  }
}

void TeeRun::StartCopy() {
  const auto on_output_end = [this](std::size_t index, IoStatus why, int error) {
    OnOutputEnd(index, why, error);
  };
  const auto on_input_failed = [this](int error) { OnInputFailed(error); };
  if (!options_.buffer_bytes) {
    std::vector<int> outputs;
    for (const Sink& sink : sinks_) outputs.push_back(sink.fd);
    lockstep_.emplace(loop_, 0, outputs, on_output_end, on_input_failed);
    return;
  }
  std::vector<BufferedCopy::Output> outputs;
  for (Sink& sink : sinks_) {
    outputs.push_back({.label = sink.label, .fd = sink.fd});
    if (sink.command) outputs.back().pipe = std::move(sink.own);
  }
  buffered_.emplace(
      loop_, reporter_,
      BufferedCopy::Options{
          .input = 0, .drop = options_.drop, .buffer_bytes = *options_.buffer_bytes},
      std::move(outputs), on_output_end, on_input_failed);
}

int TeeRun::Run() {
  loop_.Run();
  if (progress_) progress_->Finish(loop_.now(), Numbers());
  if (signal_ != 0) return kExitSignalBase + signal_;
  if (input_failed_) return kExitFailure;
  for (const Sink& sink : sinks_) {
    if (sink.status != kExitOk) return sink.status;
  }
  return buffered_ && buffered_->lost_bytes() > 0 ? kExitLoss : kExitOk;
}

void TeeRun::OnSignals() {
  for (auto signal = signals_.Next(); signal.number != 0; signal = signals_.Next()) {
    if (signal.number == SIGCHLD) {
      OnChildren();
      continue;
    }
    for (const Sink& sink : sinks_) {
      if (sink.runs && !signal.from_terminal) SendSignal(*sink.command, signal.number);
    }
    if (signal_ != 0) continue;
    signal_ = signal.number;
    if (lockstep_) lockstep_->Stop();
    if (buffered_) buffered_->Stop();
  }
}

void TeeRun::OnChildren() {
  for (Ended ended = ReapOne(); ended.pid != -1; ended = ReapOne()) {
    const auto sink = std::ranges::find_if(
        sinks_, [&](const Sink& each) { return each.runs && each.command->pid == ended.pid; });
    if (sink == sinks_.end()) continue;  // as PID 1: somebody else's orphan
    sink->runs = false;
    if (sink->status == kExitOk) sink->status = ended.exit_status;
    reporter_.Debug(
        "ended", sink->label + " has ended with status " + std::to_string(ended.exit_status),
        {{"pid", std::int64_t{ended.pid}}, {"status", std::int64_t{ended.exit_status}}});
  }
  StopWhenDone();
}

void TeeRun::OnOutputEnd(std::size_t index, IoStatus why, int error) {
  Sink& sink = sinks_[index];
  sink.copied = true;
  sink.own.Reset();  // the command sees the end of its input
  if (why == IoStatus::kClosed) {
    reporter_.Debug("left", sink.label + " takes no more: its reader has left");
    // With nobody else to serve this is what ends any other program in a pipeline.
    if (index == 0 && options_.to_stdout && sinks_.size() == 1) sink.status = kExitBrokenPipe;
  } else if (why != IoStatus::kEnd && why != IoStatus::kOk) {
    reporter_.Error("output", "write " + sink.label + ": " + ErrnoText(error));
    sink.status = kExitFailure;
  }
  StopWhenDone();
}

void TeeRun::OnInputFailed(int error) {
  input_failed_ = true;
  reporter_.Error("input", "read stdin: " + ErrnoText(error));
}

void TeeRun::StopWhenDone() {
  if (!std::ranges::all_of(sinks_, &Sink::copied)) return;
  // Whoever writes to us is told that nobody reads any more, also while commands still run.
  ReplaceByNull(0);
  if (std::ranges::none_of(sinks_, &Sink::runs)) loop_.Stop();
}

}  // namespace pipedup
