// The class of <pipedup/publisher.h>, wired: a pipe → source → journal → network.
#include "pipedup/publisher.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "net/loop_thread.h"
#include "net/socket.h"
#include "os/io.h"
#include "os/signals.h"
#include "pipedup/reporter.h"
#include "programs/key_files.h"
#include "programs/pub_options.h"
#include "programs/pub_parts.h"
#include "programs/publisher_reports.h"
#include "publish/published_stream.h"
#include "publish/server.h"
#include "source/source.h"
#include "wire/block_header.h"

namespace pipedup {
namespace {

constexpr std::uint64_t kRetainMin = 1024 * 1024;
constexpr std::uint64_t kRetainMax = 1024ULL * 1024 * 1024 * 1024;
constexpr int kZstdMax = 19;
constexpr auto kLookEvery = std::chrono::milliseconds(100);  // whether anybody reads the pipe

void CheckRanges(const PublisherOptions& options) {
  std::string wrong;
  if (!IsValidStreamName(options.stream)) {
    wrong = "stream '" + Escape(options.stream) + "': not a name of a stream";
  } else if (options.retain_bytes < kRetainMin || options.retain_bytes > kRetainMax) {
    wrong = "retain_bytes: 1 MiB to 1 TiB are possible";
  } else if (options.zstd_level < 0 || options.zstd_level > kZstdMax) {
    wrong = "zstd_level: 0 to 19 are possible";
  } else if (options.max_subs == 0) {
    wrong = "max_subs: nobody could subscribe";
  } else if (options.bind.empty()) {
    wrong = "bind: there is no endpoint";
  } else if (options.max_delay.count() < 0 || options.linger.count() < 0 ||
             options.stall_limit.count() <= 0) {
    wrong = "times: not negative, and a stall_limit of more than nothing";
  }
  if (!wrong.empty()) throw Error(wrong, kExitUsage);
}

PubOptions MakePubOptions(const PublisherOptions& options) {
  CheckRanges(options);
  PubOptions made;
  made.stream = options.stream;
  for (const std::string& text : options.bind) {
    std::string why;
    const auto endpoint = ParseEndpoint(text, &why);
    if (!endpoint) throw Error("bind '" + Escape(text) + "': " + why, kExitUsage);
    made.bind.push_back(*endpoint);
  }
  made.insecure = options.insecure;
  made.curve_secret = options.curve_secret;
  made.allow_keys = options.allow_keys;
  made.records = options.records;
  made.max_delay = options.max_delay;
  made.retain_bytes = options.retain_bytes;
  made.journal = options.journal;
  if (made.journal.starts_with("nats://")) {
    throw Error("journal: pipedup-pub alone keeps one in a cluster", kExitUsage);
  }
  made.wait = options.wait;
  made.stall_limit = options.stall_limit;
  made.linger = options.linger;
  made.max_subs = options.max_subs;
  made.zstd_level = options.zstd_level;
  std::string wrong = CompleteShared(&made, made.curve_secret);
  if (wrong.empty()) wrong = CompleteDisk(&made);
  if (!wrong.empty()) throw Error(wrong, kExitUsage);
  return made;
}

}  // namespace

class Publisher::Run final : private PublishedStreamEvents, private ServerEvents {
 public:
  explicit Run(PublisherOptions options)
      : log_(options.log ? std::move(options.log) : [](std::string_view) {}),
        options_(MakePubOptions(options)),
        context_(ReadPublisherKeys(options_.curve_secret)) {
    std::tie(read_end_, write_end_) = MakePipe();
    SetNonBlocking(write_end_.get());
    thread_.Do([this] {
      try {
        Start();
      } catch (...) {
        End();  // what is there belongs to the loop, which goes first
        throw;
      }
    });
  }

  ~Run() override {
    try {
      thread_.Do([this] { End(); });
    } catch (const std::exception&) {
      // It has failed once already, and there is nobody left to tell.
    }
  }

  void Write(std::span<const std::byte> bytes) {
    const std::lock_guard lock(writing_);
    CheckAlive();
    if (!write_end_) throw std::runtime_error("publish: the stream was closed");
    while (!bytes.empty()) {
      // The other end is this object's, so it is there.
      const IoResult result = WriteAll(write_end_.get(), bytes);
      bytes = bytes.subspan(result.count);
      if (result.status == IoStatus::kFailed)
        throw std::runtime_error("publish: " + ErrnoText(result.error));
      if (result.status == IoStatus::kWouldBlock) {
        std::array<PollItem, 1> room = {{{write_end_.get(), PollItem::For::kWrite}}};
        Poll(room, kLookEvery);
        CheckAlive();
      }
    }
  }

  bool WaitForSubscribers(std::size_t count, std::chrono::nanoseconds patience) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::min<std::chrono::nanoseconds>(patience, kVeryLong),
                      [&] { return ready_ >= count || !failure_.empty(); });
    return ready_ >= count;
  }

  std::vector<std::string> Close(std::optional<std::uint32_t> exit_status) {
    std::unique_lock writing(writing_);
    CheckAlive();
    if (write_end_) {
      thread_.Do([&] { exit_status_ = exit_status.value_or(kUnknownExitStatus); });
      write_end_.Reset();  // the source reads what is left, and sees the end
    }
    writing.unlock();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return unconfirmed_ || !failure_.empty(); });
    if (!failure_.empty()) throw std::runtime_error(failure_);
    return *unconfirmed_;
  }

  const std::vector<std::string>& endpoints() const { return endpoints_; }
  SessionId session() const { return session_; }

 private:
  static constexpr std::chrono::nanoseconds kVeryLong = std::chrono::hours(24 * 365);

  // ---- in the loop ----

  void Start() {
    kept_.emplace(MakePubJournal(options_, [this](const std::string& text) { log_(text); }));
    journal_.emplace(kept_->options);
    session_ = journal_->session();
    ServerEvents& server_events = *this;
    server_.emplace(context_, thread_.loop(), MakeServerOptions(options_), server_events);
    for (const Endpoint& endpoint : server_->endpoints()) endpoints_.push_back(endpoint.data());
    PublishedStreamEvents& events = *this;
    stream_.emplace(*server_, *journal_, MakeStreamOptions(options_), events);
    source_.emplace(thread_.loop(), *journal_, read_end_.get(), options_.max_delay,
                    [this](int error) { OnInputEnd(error); });
    if (journal_->sync_fd() < 0) return;
    synced_ = thread_.loop().OnReadable(journal_->sync_fd(), [this] {
      journal_->Synced();
      ReadOrNot();
    });
  }

  void ReadOrNot() {
    if (!source_) return;
    if (held_ || journal_->congested()) {
      source_->Pause();
    } else {
      source_->Resume();
    }
  }

  /// What was written is published; the stream has not ended unless Close said so.
  void End() {
    if (source_ && !input_ended_) source_->Finish();
    source_.reset();
    if (stream_ && !options_.journal.empty()) stream_->Leave();
    stream_.reset();
    server_.reset();
    if (synced_ != 0) thread_.loop().Remove(std::exchange(synced_, 0));
    journal_.reset();
  }

  void OnInputEnd(int error) {
    input_ended_ = true;
    if (error != 0) return OnFailure("read what was written: " + ErrnoText(error));
    if (!exit_status_) return;  // it is being destroyed
    journal_->Settle();
    stream_->End(*exit_status_);
  }

  void OnJoined(const Member& member) override { log_("joined: " + member.Label()); }
  void OnLeft(const Member& member, Leaving how) override {
    log_((how == Leaving::kVanished ? "vanished: " : "left: ") + member.Label());
    TellReady(stream_->ready());
  }
  void OnReady(std::size_t count) override { TellReady(count); }
  void OnHold(const Member* waits_for) override {
    held_ = waits_for != nullptr;
    ReadOrNot();
  }
  void OnLetGo(const Member& member) override {
    log_("no longer waited for: " + member.Label());
  }
  void OnFinished(const std::vector<std::string>& unconfirmed) override {
    const std::lock_guard lock(mutex_);
    unconfirmed_ = unconfirmed;
    changed_.notify_all();
  }
  void OnNotAdmitted(const std::string& key, const std::string& address) override {
    log_("not let in: " + address + (key.empty() ? "" : " with the key " + key));
  }
  void OnRemade(std::uint64_t) override { log_("peers held too much memory and were cut off"); }

  void TellReady(std::size_t count) {
    const std::lock_guard lock(mutex_);
    ready_ = count;
    changed_.notify_all();
  }

  void CheckAlive() {
    const std::lock_guard lock(mutex_);
    if (!failure_.empty()) throw std::runtime_error(failure_);
  }

  void OnFailure(const std::string& what) {
    const std::lock_guard lock(mutex_);
    failure_ = "publish: " + what;
    changed_.notify_all();
  }

  const std::function<void(std::string_view)> log_;
  const PubOptions options_;
  Context context_;
  UniqueFd read_end_;
  std::mutex writing_;  // of the next one
  UniqueFd write_end_;

  // Of the loop.
  std::optional<PubJournal> kept_;
  std::optional<Journal> journal_;
  std::optional<Server> server_;
  std::optional<PublishedStream> stream_;
  std::optional<Source> source_;
  EventLoop::WatchId synced_ = 0;
  bool held_ = false;
  bool input_ended_ = false;
  std::optional<std::uint32_t> exit_status_;

  // Settled before the constructor returns.
  std::vector<std::string> endpoints_;
  SessionId session_ = 0;

  std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  std::size_t ready_ = 0;
  std::optional<std::vector<std::string>> unconfirmed_;
  std::string failure_;

  LoopThread thread_{[this](const std::string& what) { OnFailure(what); }};
};

Publisher::Publisher(PublisherOptions options)
    : run_(std::make_unique<Run>(std::move(options))) {}
Publisher::~Publisher() = default;

void Publisher::Write(std::span<const std::byte> bytes) {
  run_->Write(bytes);
}
bool Publisher::WaitForSubscribers(std::size_t count, std::chrono::nanoseconds patience) {
  return run_->WaitForSubscribers(count, patience);
}
std::vector<std::string> Publisher::Close(std::optional<std::uint32_t> exit_status) {
  return run_->Close(exit_status);
}
const std::vector<std::string>& Publisher::endpoints() const {
  return run_->endpoints();
}
SessionId Publisher::session() const {
  return run_->session();
}

}  // namespace pipedup
