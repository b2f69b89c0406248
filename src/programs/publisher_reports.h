// What a publisher or relay says about its subscribers and its network.
#pragma once

#include <string>
#include <vector>

#include "net/loop.h"
#include "pipedup/reporter.h"
#include "publish/published_stream.h"
#include "publish/server.h"

namespace pipedup {

void ReportJoined(Reporter& reporter, const Member& member);
void ReportLeft(Reporter& reporter, const Member& member, Leaving how);
void ReportLetGo(Reporter& reporter, const Member& member, Duration stall_limit);
/// SIGHUP does not come here, whoever started this has it ignored.
void ReportReadOnce(Reporter& reporter);
void ReportUnconfirmed(Reporter& reporter, const std::vector<std::string>& labels);

/// A server's events, which nothing has to be done about.
class ServerReports final : public ServerEvents {
 public:
  explicit ServerReports(Reporter& reporter) : reporter_(reporter) {}
  void OnNotAdmitted(const std::string& key, const std::string& address) override;
  void OnRemade(std::uint64_t bytes) override;
  void OnConnectionsRefused() override;

 private:
  Reporter& reporter_;
};

/// Says that it listens, and who can read what is published there without a key.
void ReportListening(Reporter& reporter, const std::string& what, const Fields& fields,
                     const std::vector<Endpoint>& wanted, const std::vector<Endpoint>& bound,
                     bool encrypted);

/// The list of --allow-keys; nothing if `file` is "". Throws Error.
std::optional<AllowList> LoadAllowList(const std::string& file);
/// Reads it again, and says what has changed, or what is wrong with it.
void ReadKeysAgain(Reporter& reporter, const std::string& file, Server& server);

/// Waiting for a subscriber: said when it takes longer than ordinary pace does.
class HoldReport {
 public:
  HoldReport(EventLoop& loop, Reporter& reporter) : loop_(loop), reporter_(reporter) {}
  ~HoldReport() { loop_.Cancel(say_); }
  HoldReport(const HoldReport&) = delete;
  HoldReport& operator=(const HoldReport&) = delete;

  /// As PublishedStreamEvents::OnHold; `head` of the journal.
  void OnHold(const Member* waits_for, Position head);
  bool held() const { return held_; }
  void Forget() { held_ = false; }

 private:
  EventLoop& loop_;
  Reporter& reporter_;
  EventLoop::TimerId say_ = 0;
  TimePoint since_{};
  bool held_ = false;
  bool said_ = false;
  std::string text_;  // whom it waits for now
};

}  // namespace pipedup
