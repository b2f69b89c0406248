#include "programs/cluster_source.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/error.h"
#include "nats/log_ranges.h"
#include "nats/log_receiver.h"
#include "os/file.h"
#include "os/process.h"
#include "os/waker.h"
#include "programs/cluster_options.h"

namespace pipedup {
namespace {

std::string ReadLine(const std::string& file) {
  std::string why;
  std::optional<std::string> text = ReadRegularFile(file, &why);
  if (!text) throw Error("--nats-password-file: " + file + ": " + why, kExitUsage);
  text->erase(std::min(text->find('\n'), text->size()));
  return *text;
}

constexpr auto kAskEvery = std::chrono::milliseconds(250);

class FoundInCluster final : public ClusterStream {
 public:
  FoundInCluster(EventLoop& loop, nats::LogOptions log,
                 std::function<void(const std::string&)> on_name)
      : loop_(loop),
        on_name_(std::move(on_name)),
        reader_(std::in_place, std::move(log), [this] { waker_.Wake(); }) {
    watch_ = loop_.OnReadable(waker_.fd(), [this] {
      waker_.Clear();
      while (const auto result = reader_->Take()) {
        asked_ = false;
        const auto* const welcome = std::get_if<control::Welcome>(&*result);
        if (welcome == nullptr) continue;
        loop_.Cancel(std::exchange(ask_, 0));
        const std::string name = welcome->stream;
        reader_.reset();
        on_name_(name);
        return;
      }
    });
    ask_ = loop_.Every(kAskEvery, [this] {
      if (!std::exchange(asked_, true)) reader_->Tell(nats::LogReader::Hello{});
    });
  }
  ~FoundInCluster() override {
    loop_.Cancel(ask_);
    loop_.Remove(watch_);
  }

 private:
  EventLoop& loop_;
  std::function<void(const std::string&)> on_name_;
  Waker waker_;
  std::optional<nats::LogReader> reader_;  // until the name is known
  bool asked_ = false;
  EventLoop::WatchId watch_ = 0;
  EventLoop::TimerId ask_ = 0;
};

}  // namespace

nats::LogOptions MakeLogOptions(const Endpoint& endpoint, const NatsAccess& access) {
  nats::LogOptions made;
  made.name = endpoint.path;
  nats::ClusterOptions& cluster = made.cluster;
  cluster.servers = endpoint.servers;
  cluster.user = access.user;
  if (!access.password_file.empty()) cluster.password = ReadLine(access.password_file);
  cluster.creds_file = access.creds_file;
  cluster.nkey_file = access.nkey_file;
  cluster.tls = access.tls;
  cluster.ca_file = access.ca_file;
  cluster.cert_file = access.cert_file;
  cluster.key_file = access.key_file;
  cluster.name = "pipedup " + HostName() + ":" + std::to_string(ProcessId());
  return made;
}

std::unique_ptr<ClusterStream> ClusterStream::Find(
    EventLoop& loop, const Endpoint& endpoint, const NatsAccess& access,
    std::function<void(const std::string&)> on_name) {
  return std::make_unique<FoundInCluster>(loop, MakeLogOptions(endpoint, access),
                                          std::move(on_name));
}

std::unique_ptr<AnyRangeReader> ReadRangesFromCluster(EventLoop& loop, const Endpoint& endpoint,
                                                      const NatsAccess& access,
                                                      SessionId session,
                                                      RangeReaderEvents& events) {
  return std::make_unique<nats::LogRanges>(loop, MakeLogOptions(endpoint, access), session,
                                           events);
}

MakeReceiver ReadFromCluster(const Endpoint& endpoint, const NatsAccess& access) {
  return nats::ReceiverOf(MakeLogOptions(endpoint, access));
}

}  // namespace pipedup
