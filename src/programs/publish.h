// pipedup-pub, wired: source → journal → network (and stdout).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/progress.h"
#include "consume/writer.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "net/socket.h"
#include "os/child.h"
#include "os/connections.h"
#include "os/signals.h"
#include "pipedup/reporter.h"
#include "programs/http_side.h"
#include "programs/pub_options.h"
#include "programs/pub_parts.h"
#include "programs/publisher_reports.h"
#include "publish/published_stream.h"
#include "publish/server.h"
#include "source/source.h"

namespace pipedup {

/// One run of pipedup-pub. Takes the process's signals for itself.
class PublishRun final : private PublishedStreamEvents {
 public:
  /// Binds, makes the journal and starts the producer. Throws Error.
  PublishRun(const PubOptions& options, Reporter& reporter, Connections& connections);
  ~PublishRun() override;

  /// Publishes until the input has ended and everybody has confirmed it. The exit status.
  int Run();

 private:
  void OnJoined(const Member& member) override;
  void OnLeft(const Member& member, Leaving how) override;
  void OnReady(std::size_t count) override;
  void OnHold(const Member* waits_for) override;
  void OnLetGo(const Member& member) override;
  void OnFinished(const std::vector<std::string>& unconfirmed) override;

  void SayStart();
  void OpenInput();
  void OpenTee();
  void OnSignals();
  void OnChild();
  void OnInputEnd(int error);
  void OnTeeProgress();
  void EndWhenInputIsOver();
  void LeaveInCluster();
  void ReadOrNot();
  void StopWhenDone();
  cli::ProgressNumbers Numbers() const;

  const PubOptions& options_;
  Reporter& reporter_;
  SignalQueue signals_;  // first: blocks them before a thread is made
  Context context_;
  PubJournal kept_;
  Journal journal_;
  EventLoop loop_;
  ServerReports server_reports_;
  Server server_;
  PublishedStream publisher_;
  const std::unique_ptr<ClusterJournal> cluster_;  // none: nobody else keeps the stream
  HoldReport hold_;
  HttpSide http_;
  HttpTap http_tap_;
  std::optional<Child> producer_;
  UniqueFd producer_output_;
  std::optional<Source> source_;
  std::optional<Writer> tee_;

  bool waiting_for_subs_ = false;
  bool tee_full_ = false;
  bool tee_closed_said_ = false;
  bool input_ended_ = false;
  bool producer_ended_ = false;
  bool finished_ = false;
  bool cluster_lacks_ = false;  // the last bytes, and was not waited for any longer
  int producer_status_ = 0;
  int signal_ = 0;
  bool told_to_stop_ = false;  // the producer was, by a signal that was passed on
  int status_ = 0;             // of what went wrong here
  std::optional<cli::Progress> progress_;
  Position began_at_ = 0;  // head and records when this run began
  std::uint64_t records_before_ = 0;
};

}  // namespace pipedup
