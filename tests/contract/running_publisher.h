// A published stream with a journal and a loop, in a thread of its own.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "journal/journal.h"
#include "net/loop_thread.h"
#include "os/process.h"
#include "publish/published_stream.h"
#include "publish/server.h"
#include "support/wait.h"

namespace pipedup {

inline constexpr SessionId kSession = 0x1f2e3d4c5b6a7988;
inline constexpr std::uint64_t kMiB = 1024 * 1024;

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    path_ = RuntimeDirectories().front() + "/pipedup-test-XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "mkdtemp " << path_;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// One that must not fail.
class TestLoop final : public LoopThread {
 public:
  TestLoop() : LoopThread([](const std::string& what) { ADD_FAILURE() << what; }) {}
};

/// What a publisher has told its owner.
struct PublisherLog {
  std::vector<std::string> joined;
  std::vector<std::pair<std::string, bool>> left;  ///< id, vanished
  std::vector<std::string> revoked;                ///< ids, which are in `left` as well
  std::vector<std::string> not_admitted;           ///< public keys
  std::size_t ready = 0;
  std::string waits_for;  ///< id, "" while the producer may go on
  int holds = 0;
  std::vector<std::string> let_go;
  int remade = 0;
  std::optional<std::vector<std::string>> finished;
};

class RunningPublisher final : private PublishedStreamEvents, private ServerEvents {
 public:
  /// `endpoint` is tcp on any port, or an ipc path.
  RunningPublisher(const Endpoint& endpoint, PublishedStreamOptions options,
                   RecordFormat records = RecordFormat::kLines, CurveKeys keys = {},
                   ServerOptions server = {})
      : context_(std::move(keys)) {
    options.stream = "demo";
    server.endpoints = {endpoint};
    JournalOptions journal;
    journal.directory = directory_.path();
    journal.session = kSession;
    journal.records = records;
    journal.retain_bytes = options.retain_bytes;
    journal.wall_clock = WallNow;
    journal.warn = [](const std::string& text) { ADD_FAILURE() << text; };
    thread_.Do([&] {
      journal_.emplace(std::move(journal));
      ServerEvents& server_events = *this;
      server_.emplace(context_, thread_.loop(), std::move(server), server_events);
      PublishedStreamEvents& events = *this;
      publisher_.emplace(*server_, *journal_, std::move(options), events);
      bound_ = server_->endpoints().front();
    });
  }
  ~RunningPublisher() override {
    thread_.Do([this] {
      publisher_.reset();
      server_.reset();
      journal_.reset();
    });
  }

  const Endpoint& endpoint() const { return bound_; }

  void Publish(std::string_view text) {
    thread_.Do([&] {
      journal_->Append(AsBytes(text));
      journal_->PublishAll();
    });
  }
  /// Each line as a block of its own, without a look at the sockets in between.
  void PublishEachLine(std::string_view text) {
    thread_.Do([&] {
      for (std::size_t end = 0; !text.empty(); text.remove_prefix(end)) {
        end = text.find('\n') + 1;
        journal_->Append(AsBytes(text.substr(0, end)));
        journal_->PublishAll();
      }
    });
  }
  void End(std::uint32_t exit_status) {
    thread_.Do([&] { publisher_->End(exit_status); });
  }
  KeyChange Allow(AllowList allowed) {
    KeyChange change;
    thread_.Do([&] { change = server_->Allow(std::move(allowed)); });
    return change;
  }
  PublisherLog log() {
    PublisherLog copy;
    thread_.Do([&] { copy = log_; });
    return copy;
  }
  template <typename Predicate>
  [[nodiscard]] bool Eventually(Predicate is_true) {
    return test::Eventually([&] { return is_true(log()); });
  }
  Position head() {
    Position at = 0;
    thread_.Do([&] { at = journal_->head(); });
    return at;
  }
  Position tail() {
    Position at = 0;
    thread_.Do([&] { at = journal_->tail(); });
    return at;
  }

 private:
  void OnJoined(const Member& member) override { log_.joined.push_back(member.id); }
  void OnLeft(const Member& member, Leaving how) override {
    log_.left.emplace_back(member.id, how == Leaving::kVanished);
    if (how == Leaving::kRevoked) log_.revoked.push_back(member.id);
  }
  void OnNotAdmitted(const std::string& key, const std::string&) override {
    log_.not_admitted.push_back(key);
  }
  void OnReady(std::size_t count) override { log_.ready = count; }
  void OnHold(const Member* waits_for) override {
    log_.waits_for = waits_for == nullptr ? "" : waits_for->id;
    if (waits_for != nullptr) ++log_.holds;
  }
  void OnLetGo(const Member& member) override { log_.let_go.push_back(member.id); }
  void OnRemade(std::uint64_t) override { ++log_.remade; }
  void OnFinished(const std::vector<std::string>& unconfirmed) override {
    log_.finished = unconfirmed;
  }

  TemporaryDirectory directory_;
  Context context_;
  TestLoop thread_;
  std::optional<Journal> journal_;
  std::optional<Server> server_;
  std::optional<PublishedStream> publisher_;
  Endpoint bound_;
  PublisherLog log_;  // of the loop's thread
};

}  // namespace pipedup
