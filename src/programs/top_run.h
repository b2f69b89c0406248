// pipedup-top, wired: statistics of endpoints → a table, JSON, or a verdict.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consume/writer.h"
#include "net/loop.h"
#include "net/socket.h"
#include "os/signals.h"
#include "pipedup/reporter.h"
#include "programs/top_options.h"
#include "programs/top_screen.h"
#include "subscribe/stats_reader.h"
#include "top/rates.h"
#include "top/table.h"
#include "top/view.h"

namespace pipedup {

/// One run of pipedup-top. Takes the process's signals for itself.
class TopRun {
 public:
  /// Begins to ask. `color`: of what is printed. Throws Error.
  TopRun(const TopOptions& options, bool color, Reporter& reporter);

  /// Until it has been shown, or somebody ends it. The exit status.
  int Run();

 private:
  /// What is known of an endpoint.
  struct Asked {
    std::unique_ptr<StatsReader> reader;
    top::Rates rates;
    std::vector<top::StreamView> streams = {};
  };
  void OnRound(Asked& asked);
  top::EndpointView ViewOf(const Asked& asked) const;
  std::vector<top::EndpointView> View() const;
  bool IsSettled(const Asked& asked) const;
  void ShowWhenSettled();
  void Show();
  void ShowScreen();
  void Judge();
  int StatusOnce();
  void Print(std::string text);
  void OnWritten();
  void OnSignals();
  void OnKey(char key);
  void Stop(int status);
  std::string NoAnswer() const;

  const TopOptions& options_;
  Reporter& reporter_;
  SignalQueue signals_;  // first: blocks them before a thread is made
  Context context_;
  EventLoop loop_;
  Writer out_;
  Position printed_ = 0;
  top::TableOptions table_;
  std::vector<std::unique_ptr<Asked>> asked_;
  std::optional<TopScreen> screen_;  // after out_, which must be done with it
  EventLoop::TimerId settle_ = 0;
  bool last_ = false;  // everything was printed that is to be
  int status_ = 0;
};

}  // namespace pipedup
