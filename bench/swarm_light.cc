// bench-swarm-light: as bench-swarm, with the least that a subscriber can be: plain sockets
// that speak ZMTP 3.0, one thread, no library between. For machines on which a thousand real
// receivers would take more than is there. It never catches up: what is missed stays missed,
// and is told.

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <fstream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/endpoint.h"
#include "base/text.h"
#include "os/fd.h"
#include "os/process.h"
#include "support.h"
#include "wire/block_header.h"
#include "wire/control.h"

namespace pipedup::bench {
namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10;
constexpr std::uint64_t kStatusEveryNs = 250'000'000;
constexpr std::uint64_t kStayAfterEndNs = 500'000'000;
constexpr int kLookEveryMs = 20;

/// Takes ZMTP frames out of what is read: small ones whole, of others only the length.
class Frames {
 public:
  /// Calls `take(flags, body, size)` for each frame; `body` is empty for one above kWhole.
  template <typename Take>
  void Add(std::string_view data, const Take& take) {
    while (!data.empty() || (body_ && left_ == 0)) {
      if (!body_) {
        head_ += data.front();
        data.remove_prefix(1);
        if (head_.size() < HeadBytes()) continue;
        size_ = left_ = BodyBytes();
        body_ = true;
      }
      const std::size_t now = std::min<std::uint64_t>(left_, data.size());
      if (size_ <= kWhole) kept_.append(data.substr(0, now));
      data.remove_prefix(now);
      left_ -= now;
      if (left_ > 0) continue;
      take(head_[0], std::string_view(kept_), size_);
      head_.clear();
      kept_.clear();
      body_ = false;
    }
  }

 private:
  static constexpr std::uint64_t kWhole = 4096;
  static constexpr char kLong = 2;
  std::size_t HeadBytes() const { return (head_[0] & kLong) != 0 ? 9 : 2; }
  std::uint64_t BodyBytes() const {
    std::uint64_t size = 0;
    for (const char c : std::string_view(head_).substr(1)) {
      size = size << 8 | static_cast<unsigned char>(c);
    }
    return size;
  }

  std::string head_;
  std::string kept_;
  bool body_ = false;
  std::uint64_t size_ = 0;
  std::uint64_t left_ = 0;
};

/// One connection, past its handshake.
class Connection {
 public:
  Connection(const Endpoint& endpoint, bool control) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(endpoint.port + (control ? 1 : 0));
    if (getaddrinfo(endpoint.host.c_str(), port.c_str(), &hints, &found) != 0) {
      Die("cannot resolve " + endpoint.host);
    }
    fd_ = UniqueFd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(fd_.get(), found->ai_addr, found->ai_addrlen) != 0) Die("connect", errno);
    freeaddrinfo(found);
    const int on = 1;
    setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Greet(control ? "DEALER" : "SUB");
    fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
  }

  int fd() const { return fd_.get(); }
  void Send(std::string_view body) {
    std::string frame;
    if (body.size() < 256) {
      frame = {'\0', static_cast<char>(body.size())};
    } else {
      frame = '\2';
      for (int shift = 56; shift >= 0; shift -= 8)
        frame += static_cast<char>(body.size() >> shift & 255U);
    }
    // Far less than a socket's buffer holds: it goes whole, or the publisher is gone.
    if (!WriteAll(fd_.get(), frame.append(body))) failed_ = true;
  }
  bool failed() const { return failed_; }

  /// All that is there, through `take`.
  template <typename Take>
  void Receive(std::vector<char>& buffer, const Take& take) {
    for (;;) {
      const ssize_t got = read(fd_.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) {
        failed_ = true;
        return;
      }
      frames_.Add({buffer.data(), static_cast<std::size_t>(got)}, take);
      if (static_cast<std::size_t>(got) < buffer.size()) return;
    }
  }

 private:
  void Greet(std::string_view type) {
    constexpr std::size_t kGreetingBytes = 64;
    std::string greeting(kGreetingBytes, '\0');
    greeting[0] = '\xff';
    greeting[9] = '\x7f';
    greeting[10] = '\3';
    greeting.replace(12, 4, "NULL");
    std::string ready = std::string("\5READY\13Socket-Type", 18) + std::string(3, '\0');
    ready += static_cast<char>(type.size());
    ready += type;
    greeting += '\4';
    greeting += static_cast<char>(ready.size());
    if (!WriteAll(fd_.get(), greeting + ready)) Die("handshake", errno);
    // Its greeting and its READY: what is said before that, it takes for a part of the
    // handshake.
    std::array<char, 256> theirs{};
    ReadAll({theirs.data(), kGreetingBytes});
    ReadAll({theirs.data(), 2});
    ReadAll({theirs.data(), static_cast<unsigned char>(theirs[1])});
  }

  void ReadAll(std::span<char> into) {
    while (!into.empty()) {
      const ssize_t got = read(fd_.get(), into.data(), into.size());
      if (got <= 0) Die("handshake", errno);
      into = into.subspan(static_cast<std::size_t>(got));
    }
  }

  UniqueFd fd_;
  Frames frames_;
  bool failed_ = false;
};

class LightSeat {
 public:
  LightSeat(const Endpoint& endpoint, std::size_t number)
      : endpoint_(endpoint), control_(endpoint, true) {
    control::Hello hello;
    hello.id = RandomHex(8);
    hello.host = HostName();
    hello.pid = ProcessId();
    hello.name = "light-" + std::to_string(number);
    control_.Send(control::Encode(hello));
  }

  const Connection& control() const { return control_; }
  Connection* data() { return data_.get(); }
  bool live() const { return located_; }
  bool ended() const { return ended_ && missing_.empty(); }
  bool failed() const { return control_.failed() || (data_ && data_->failed()); }
  bool complete() const { return ended() && lost_ == 0 && sound(); }
  /// What came and what was lost is all of it.
  bool sound() const { return next_ - begin_ == bytes_ + lost_ + Missing(); }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t lost() const { return lost_; }
  std::uint64_t live_gaps() const { return live_gaps_; }
  std::uint64_t blocks() const { return blocks_; }
  std::uint64_t last_ns() const { return last_ns_; }
  std::uint64_t longest_gap_ns() const { return longest_gap_ns_; }

  /// True when it has a data connection from now on.
  bool ReceiveControl(std::vector<char>& buffer) {
    const bool before = data_ != nullptr;
    control_.Receive(buffer, [this](char flags, std::string_view body, std::uint64_t size) {
      if ((flags & 4) != 0) return;
      if ((flags & 1) != 0) {
        replay_ = ParseFrame(AsBytes(body)).header;
      } else if (replay_) {
        TakeReplay(*replay_, size);
        replay_.reset();
      } else if (const auto parsed = control::Parse(AsBytes(body));
                 const auto* message = std::get_if<control::Message>(&parsed)) {
        TakeAnswer(*message);
      }
    });
    return !before && data_ != nullptr;
  }

  void ReceiveData(std::vector<char>& buffer) {
    const bool was_live = live();
    const bool had_ended = ended();
    data_->Receive(buffer, [this](char flags, std::string_view body, std::uint64_t size) {
      if ((flags & 4) != 0) return;
      if ((flags & 1) != 0) {
        TakeHeader(body);
      } else if (in_data_) {
        TakePayload(size);
      }
    });
    if (live() != was_live || ended() != had_ended) SendStatus();
  }

  void SendStatus() {
    if (!located_) return;
    control::Status status;
    status.session = session_;
    status.position = missing_.empty() ? next_ : missing_.front().from;
    status.lost = lost_;
    status.mode = ended() ? control::Mode::kEnded : control::Mode::kLive;
    control_.Send(control::Encode(status));
  }

 private:
  void TakeHeader(std::string_view frame) {
    const ParsedFrame parsed = ParseFrame(AsBytes(frame));
    in_data_ = false;
    if (!parsed.header || parsed.header->session != session_) return;
    header_ = *parsed.header;
    in_data_ = header_.kind == BlockKind::kData;
    if (!located_) {
      located_ = true;
      begin_ = next_ = header_.position;
    }
    if (header_.position > next_) {
      missing_.push_back({next_, header_.position});
      next_ = header_.position;
      ++live_gaps_;
      if (missing_.size() == 1) AskForMissing();
    }
    if (header_.kind == BlockKind::kEndOfStream) ended_ = true;
  }
  void TakePayload(std::uint64_t size) {
    if (size != header_.length || header_.position != next_)
      return;  // and is not sound any more
    next_ = header_.end();
    Count(size);
  }
  void TakeReplay(const BlockHeader& header, std::uint64_t size) {
    if (header.kind != BlockKind::kData || missing_.empty()) return;
    if (header.position != missing_.front().from || size != header.length) return;
    missing_.front().from += size;
    Count(size);
  }
  void TakeAnswer(const control::Message& message) {
    const auto* const welcome = std::get_if<control::Welcome>(&message);
    if (welcome != nullptr && !data_) {
      session_ = welcome->session;
      data_ = std::make_unique<Connection>(endpoint_, false);
      data_->Send('\1' + welcome->stream + '\0');
    }
    const auto* const done = std::get_if<control::Done>(&message);
    if (done == nullptr || missing_.empty()) return;
    Range& range = missing_.front();
    if (done->outcome == control::Done::Outcome::kGone) {
      const Position to = std::clamp(done->tail, range.from, range.to);
      lost_ += to - range.from;
      range.from = to;
    }
    if (range.from == range.to) missing_.pop_front();
    missing_.empty() ? SendStatus() : AskForMissing();
  }
  void AskForMissing() {
    control::Read read;
    read.request = ++request_;
    read.session = session_;
    read.from.value = missing_.front().from;
    read.max = std::min(missing_.front().to - missing_.front().from, control::kMaxReadBytes);
    control_.Send(control::Encode(read));
  }
  std::uint64_t Missing() const {
    std::uint64_t bytes = 0;
    for (const Range& range : missing_) bytes += range.to - range.from;
    return bytes;
  }
  void Count(std::uint64_t size) {
    bytes_ += size;
    ++blocks_;
    const std::uint64_t now = MonotonicNs();
    if (last_ns_ != 0) longest_gap_ns_ = std::max(longest_gap_ns_, now - last_ns_);
    last_ns_ = now;
  }

  struct Range {
    Position from;
    Position to;
  };

  const Endpoint& endpoint_;
  Connection control_;
  std::unique_ptr<Connection> data_;
  SessionId session_ = 0;
  BlockHeader header_;
  bool in_data_ = false;
  bool located_ = false;
  bool ended_ = false;
  Position begin_ = 0;
  Position next_ = 0;
  std::uint64_t bytes_ = 0;
  std::deque<Range> missing_;  // the first one is asked for
  std::optional<BlockHeader> replay_;
  std::uint64_t request_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t live_gaps_ = 0;
  std::uint64_t blocks_ = 0;
  std::uint64_t last_ns_ = 0;
  std::uint64_t longest_gap_ns_ = 0;
};

using Seats = std::vector<std::unique_ptr<LightSeat>>;

void Watch(int poll, int fd, std::uint64_t what) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = what;
  if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0) Die("epoll_ctl", errno);
}

void Run(Seats& seats, const std::string& ready_file, std::uint64_t deadline) {
  const UniqueFd poll(epoll_create1(EPOLL_CLOEXEC));
  for (std::size_t i = 0; i < seats.size(); ++i)
    Watch(poll.get(), seats[i]->control().fd(), 2 * i);
  std::vector<char> buffer(kReadBytes);
  std::vector<epoll_event> events(256);
  const auto all = [&seats](auto test) {
    return std::all_of(seats.begin(), seats.end(), test);
  };
  bool said_ready = ready_file.empty();
  std::uint64_t looked = 0;
  std::uint64_t told = MonotonicNs();
  std::uint64_t ended_at = 0;
  for (std::uint64_t now = told; now < deadline && !StopRequested(); now = MonotonicNs()) {
    const int count =
        epoll_wait(poll.get(), events.data(), static_cast<int>(events.size()), kLookEveryMs);
    for (int i = 0; i < count; ++i) {
      const std::uint64_t what = events[static_cast<std::size_t>(i)].data.u64;
      LightSeat& seat = *seats[what / 2];
      if (seat.failed()) continue;
      if (what % 2 != 0) {
        seat.ReceiveData(buffer);
      } else if (seat.ReceiveControl(buffer)) {
        Watch(poll.get(), seat.data()->fd(), what + 1);
      }
    }
    if (now - told >= kStatusEveryNs) {
      told = now;
      for (const auto& seat : seats) seat->SendStatus();
    }
    if (now - looked < std::uint64_t{kLookEveryMs} * 1'000'000) continue;
    looked = now;
    if (!said_ready && all([](const auto& seat) { return seat->live(); })) {
      said_ready = true;
      std::ofstream(ready_file) << "ready\n";
    }
    if (ended_at == 0 && all([](const auto& seat) { return seat->ended() || seat->failed(); }))
      ended_at = now;
    if (ended_at != 0 && now - ended_at >= kStayAfterEndNs) return;
  }
}

Report Sum(const Seats& seats) {
  std::uint64_t complete = 0, sound = 0, ended = 0, bytes = 0, lost = 0, blocks = 0,
                live_gaps = 0;
  std::uint64_t longest_gap_ns = 0, last_ns = 0;
  for (const auto& seat : seats) {
    complete += seat->complete();
    sound += seat->sound();
    ended += seat->ended();
    bytes += seat->bytes();
    lost += seat->lost();
    live_gaps += seat->live_gaps();
    blocks += seat->blocks();
    longest_gap_ns = std::max(longest_gap_ns, seat->longest_gap_ns());
    last_ns = std::max(last_ns, seat->last_ns());
  }
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  Report report;
  report.Add("subscribers", std::uint64_t{seats.size()});
  report.Add("complete", complete);
  report.Add("sound", sound);
  report.Add("ended", ended);
  report.Add("bytes", bytes);
  report.Add("lost_bytes", lost);
  report.Add("blocks", blocks);
  report.Add("live_gaps", live_gaps);
  report.Add("catch_ups", std::uint64_t{0});
  report.Add("longest_gap_ms", static_cast<double>(longest_gap_ns) / 1e6);
  report.Add("last_ns", last_ns);
  report.Add("cpu_s",
             static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                 static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
  return report;
}

int Main(int argc, char** argv) {
  const Options options(argc, argv, {"connect", "subscribers", "report", "ready", "timeout"},
                        {});
  std::string why;
  const auto endpoint = ParseEndpoint(options.Text("connect"), &why);
  if (!endpoint || endpoint->kind != Endpoint::Kind::kTcp)
    Die("--connect: give host:port " + why);
  const std::uint64_t count = options.Number("subscribers", 0);
  if (count == 0) Die("give --subscribers");
  CatchSignals();
  RaiseDescriptorLimit();
  const std::uint64_t deadline = MonotonicNs() + options.DurationNs("timeout", 300'000'000'000);
  Seats seats;
  for (std::uint64_t i = 0; i < count; ++i) {
    seats.push_back(std::make_unique<LightSeat>(*endpoint, i));
  }
  Run(seats, options.Text("ready"), deadline);
  const Report report = Sum(seats);
  options.Has("report") ? report.Save(options.Text("report")) : report.Print();
  return std::all_of(seats.begin(), seats.end(),
                     [](const auto& seat) { return seat->complete(); })
             ? 0
             : 1;
}

}  // namespace
}  // namespace pipedup::bench

int main(int argc, char** argv) {
  return pipedup::bench::Main(argc, argv);
}
