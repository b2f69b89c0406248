// pipedup-relay, wired: network → journal → network.
#pragma once

#include <optional>
#include <string>

#include "net/loop.h"
#include "net/socket.h"
#include "os/connections.h"
#include "os/signals.h"
#include "pipedup/reporter.h"
#include "programs/publisher_reports.h"
#include "programs/relay_options.h"
#include "programs/relayed_stream.h"
#include "publish/server.h"

namespace pipedup {

/// One run of pipedup-relay. Takes the process's signals for itself.
class RelayRun {
 public:
  /// Binds. Throws Error.
  RelayRun(const RelayOptions& options, Reporter& reporter, Connections& connections);

  /// Passes the stream on until it is over. The exit status.
  int Run();

 private:
  void OnSignals();

  const RelayOptions& options_;
  Reporter& reporter_;
  SignalQueue signals_;  // first: blocks them before a thread is made
  Context context_;
  EventLoop loop_;
  ServerReports server_reports_;
  Server server_;
  int status_ = 0;
  RelayedStream stream_;
};

}  // namespace pipedup
