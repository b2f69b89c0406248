// pipedup-relay, wired: network → journal → network, for each stream.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/directory.h"
#include "net/loop.h"
#include "net/socket.h"
#include "os/connections.h"
#include "os/signals.h"
#include "pipedup/reporter.h"
#include "programs/cluster_source.h"
#include "programs/http_side.h"
#include "programs/publisher_reports.h"
#include "programs/relay_options.h"
#include "programs/relayed_stream.h"
#include "publish/server.h"
#include "subscribe/stream_list.h"

namespace pipedup {

/// One run of pipedup-relay. Takes the process's signals for itself.
class RelayRun {
 public:
  /// Binds. Throws Error.
  RelayRun(const RelayOptions& options, Reporter& reporter, Connections& connections);

  /// Passes everything on until it is over. The exit status.
  int Run();

 private:
  struct Entry {
    std::unique_ptr<RelayedStream> stream;
    std::optional<int> status;  // it is over
  };
  void FindStreams();
  void Add(const std::string& name);
  void OnOver(const std::string& name, int status);
  void LookForFirst();
  void OnSignals();

  const RelayOptions& options_;
  Reporter& reporter_;
  SignalQueue signals_;  // first: blocks them before a thread is made
  Context context_;
  EventLoop loop_;
  ServerReports server_reports_;
  Server server_;
  HttpSide http_;
  const std::optional<JournalDirectory> directory_;  // of --journal, while it runs
  const std::string id_;
  std::vector<std::unique_ptr<StreamList>> finders_;  // one per parent
  std::vector<std::unique_ptr<ClusterStream>> found_in_clusters_;
  std::map<std::string, Entry> streams_;
  TimePoint started_;
  EventLoop::TimerId look_ = 0;  // until there is a stream
  bool said_waiting_ = false;
  int status_ = 0;
};

}  // namespace pipedup
