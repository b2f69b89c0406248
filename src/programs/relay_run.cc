#include "programs/relay_run.h"

#include <csignal>

#include "base/error.h"
#include "base/text.h"
#include "os/process.h"
#include "programs/key_files.h"

namespace pipedup {
namespace {

ServerOptions MakeServerOptions(const RelayOptions& options, Connections& connections) {
  ServerOptions made;
  made.endpoints = options.publish.bind;
  made.max_subs = options.publish.max_subs;
  made.connections = &connections;
  made.allowed = LoadAllowList(options.publish.allow_keys);
  made.streams_may_come = true;
  return made;
}

}  // namespace

RelayRun::RelayRun(const RelayOptions& options, Reporter& reporter, Connections& connections)
    : options_(options),
      reporter_(reporter),
      signals_({SIGINT, SIGTERM, SIGHUP, SIGQUIT}),
      context_(
          LoadRelayKeys(options.server_key, options.publish.curve_secret, options.encrypt)),
      server_reports_(reporter),
      server_(context_, loop_, MakeServerOptions(options, connections), server_reports_),
      stream_(context_, loop_, server_, options, reporter, RandomHex(8), [this](int status) {
        status_ = status;
        loop_.Stop();
      }) {
  loop_.OnReadable(signals_.fd(), [this] { OnSignals(); });
  if (!options_.publish.allow_keys.empty() && !signals_.Takes(SIGHUP)) {
    reporter_.Warn("keys",
                   "--allow-keys is read only once: SIGHUP is ignored here, as by nohup");
  }
}

int RelayRun::Run() {
  loop_.Run();
  stream_.Leave();
  return status_;
}

void RelayRun::OnSignals() {
  for (auto signal = signals_.Next(); signal.number != 0; signal = signals_.Next()) {
    if (signal.number == SIGHUP && !options_.publish.allow_keys.empty()) {
      ReadKeysAgain(reporter_, options_.publish.allow_keys, server_);
      continue;
    }
    reporter_.Debug("stopped", "stopped by a signal; the stream has not ended");
    status_ = kExitSignalBase + signal.number;
    loop_.Stop();
  }
}

}  // namespace pipedup
