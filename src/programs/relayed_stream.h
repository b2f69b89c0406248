// One stream that a relay passes on: network → journal → network.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/loop.h"
#include "net/socket.h"
#include "pipedup/reporter.h"
#include "programs/outlet.h"
#include "programs/relay_journals.h"
#include "programs/relay_options.h"
#include "publish/server.h"
#include "subscribe/stream_reader.h"

namespace pipedup {

/// Each session that the stream has is kept and published under its own id, with the positions
/// it has at its publisher. Runs in the loop.
class RelayedStream final : private StreamEvents {
 public:
  /// `relay_id` is that of the process. `on_over` is told once, from the loop, when there is
  /// nothing more to be passed on: the exit status.
  RelayedStream(Context& context, EventLoop& loop, Server& server, HttpSide& http,
                const RelayOptions& options, Reporter& reporter, const std::string& stream,
                const std::string& relay_id, std::function<void(int)> on_over);
  ~RelayedStream() override;

  /// Tells parent and subscribers that this relay leaves; the stream has not ended.
  void Leave();

 private:
  void OnBegin(const control::Welcome& session, Position position) override;
  void OnBytes(const BlockHeader& header, Position from, SharedBytes bytes) override;
  void OnGap(const Gap& gap) override;
  void OnSessionChanged(const control::Welcome& now, SessionId old) override;
  void OnSessionContinues(const control::Welcome& now, SessionId old,
                          Position position) override;
  void OnEndOfStream(Position position, std::uint32_t exit_status) override;
  void OnReceived() override;
  void OnFail(int exit_status, const std::string& text) override;
  void OnMode(const std::string& endpoint, control::Mode mode) override;
  void OnLetGo(const std::string& endpoint, const std::string& reason) override;
  void OnDamaged(const std::string& endpoint, const std::string& what) override;
  void OnNotAttached(const std::string& endpoint, const std::string& why) override;
  void OnNotReached(const std::string& endpoint, const std::string& why) override;
  void OnSilence(const std::string& endpoint) override;
  void OnStandsApart(const std::string& endpoint, const control::Welcome& session) override;
  void OnEndpointFailed(const std::string& endpoint, const std::string& text) override;

  void Open(const control::Welcome& session, Position begin);
  void Retire();
  void OnOutletChange();
  void Tick();
  void LookAt(std::size_t parent);
  void Stop(int status);

  EventLoop& loop_;
  Server& server_;
  HttpSide& http_;
  const RelayOptions& options_;
  Reporter& reporter_;
  const std::string relay_id_;
  const std::function<void(int)> on_over_;
  std::unique_ptr<Outlet> outlet_;                // of the session that is read
  std::vector<std::unique_ptr<Outlet>> retired_;  // of those before it
  std::optional<Gap> unsaid_gap_;                 // of outlet_, whose records are not known yet
  std::string stream_;
  std::string not_reached_;  // why a parent was not, as it was said last
  TimePoint started_;
  EventLoop::TimerId tick_ = 0;
  std::vector<bool> waiting_;  // of each parent: said to be waited for
  bool ended_ = false;         // the session
  bool lost_ = false;
  bool left_ = false;          // the parent
  std::optional<int> status_;  // it is over when all have read what there is
  bool told_ = false;
  Context& context_;
  RelayJournals journals_;
  std::optional<KeptJournal> last_;  // what an earlier process kept, until it goes on
  const std::vector<ReceiverOptions> parents_;
  StreamReader reader_;
};

}  // namespace pipedup
