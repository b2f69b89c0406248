// Where one session of a stream leaves a relay: its journal, and the publisher of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/journal.h"
#include "net/loop.h"
#include "pipedup/reporter.h"
#include "programs/http_side.h"
#include "programs/publisher_reports.h"
#include "programs/relay_journals.h"
#include "programs/relay_options.h"
#include "publish/published_stream.h"
#include "publish/server.h"
#include "subscribe/any_range_reader.h"
#include "wire/control.h"

namespace pipedup {

class Outlet final : private PublishedStreamEvents,
                     private OlderBlocks,
                     private RangeReaderEvents {
 public:
  /// Told that something has changed: held(), done().
  using OnChange = std::function<void()>;

  /// Publishes `session`, and keeps it in `kept`. `hello` is what this relay says to its
  /// parents when it asks for what is older; `path`: PublishedStreamOptions.
  Outlet(Context& context, EventLoop& loop, Server& server, HttpSide& http,
         const RelayOptions& options, Reporter& reporter, const control::Welcome& session,
         KeptJournal kept, control::Hello hello, std::vector<std::string> path,
         OnChange on_change);
  ~Outlet() override;

  SessionId session() const { return kept_.journal->session(); }
  const std::string& stream() const { return stream_; }
  Position head() const { return kept_.journal->head(); }
  /// The next bytes of the session.
  void Append(const BlockHeader& header, Position from, const SharedBytes& bytes);
  Journal& journal() { return *kept_.journal; }

  /// The stream has ended: everybody is told, and may confirm it within --linger.
  void End(std::uint32_t exit_status);
  /// The stream has not ended, but nothing more comes here: whoever lags may read what there
  /// is, within --linger.
  void Drain();
  /// Another session is passed on: what nobody has read of this one when it goes is lost.
  void Retire() { http_->Retire(); }
  /// Whoever is still there is not waited for.
  void Leave();

  /// What is known of the parent and of the publisher: what is kept there begins at `tail`, or
  /// behind it by now; PublishedStream::SetOrigin.
  void SetOrigin(Position tail, std::int64_t started_ns, Position reached);
  /// Nothing more should come for now: a subscriber is too far behind, or the disk.
  bool held() const { return hold_.held() || kept_.journal->congested(); }
  /// After End or Drain: it is over, and may be destroyed.
  bool done() const { return done_ && (left_ || http_->done()); }
  /// Members that did not confirm the end.
  bool unconfirmed() const { return unconfirmed_; }

 private:
  void OnJoined(const Member& member) override;
  void OnLeft(const Member& member, Leaving how) override;
  void OnReady(std::size_t count) override;
  void OnHold(const Member* waits_for) override;
  void OnLetGo(const Member& member) override;
  void OnFinished(const std::vector<std::string>& unconfirmed) override;
  Position older_tail() const override { return older_lost_ ? UINT64_MAX : older_tail_; }
  bool AskOlder(std::uint64_t ticket, const control::ReadFrom& from,
                std::uint64_t max) override {
    return older_->Ask(ticket, from, max);
  }
  void OnRangeBlock(std::uint64_t ticket, const BlockHeader& header,
                    SharedBytes payload) override;
  void OnRangeDone(std::uint64_t ticket, const control::Done* done) override;
  bool MoreIsNeeded() const override;
  void CheckDrained();
  void Change();

  EventLoop& loop_;
  const RelayOptions& options_;
  Reporter& reporter_;
  const std::string stream_;
  const OnChange on_change_;
  KeptJournal kept_;
  EventLoop::WatchId synced_ = 0;
  HoldReport hold_;
  Position older_tail_;
  bool older_lost_ = false;  // the parent has gone, with what it kept
  const std::unique_ptr<AnyRangeReader> older_;
  EventLoop::TimerId drain_ = 0;
  EventLoop::TimerId give_up_ = 0;
  EventLoop::TimerId change_ = 0;
  bool done_ = false;
  bool left_ = false;
  bool unconfirmed_ = false;
  std::unique_ptr<PublishedStream> publisher_;
  std::unique_ptr<HttpTap> http_;
};

}  // namespace pipedup
