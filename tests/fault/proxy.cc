#include "fault/proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "fault/place.h"

namespace pipedup::test {
namespace {

constexpr std::size_t kMostHeld = 256 * 1024;  // in a flow: then its source has to wait
constexpr std::size_t kMostRecorded = 4 * 1024 * 1024;
constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr std::size_t kWorthCorrupting = 4096;
constexpr auto kTick = std::chrono::milliseconds(5);
// A connection that is held back for one that never comes goes on alone.
constexpr auto kHeldBack = std::chrono::milliseconds(400);

[[noreturn]] void Fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

UniqueFd Listen(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const sockaddr_in address = Loopback(port);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), 64) != 0) {
    fd.Reset();
  }
  return fd;
}

void SendAtOnce(int fd) {
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

void ResetOnClose(int fd) {
  const linger at_once{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

constexpr std::size_t Index(Proxy::Direction direction) {
  return static_cast<std::size_t>(direction);
}

}  // namespace

Proxy::Proxy(std::uint16_t upstream, std::uint64_t seed)
    : upstream_(upstream), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), random_(seed) {
  for (int attempt = 0; !listeners_[0] || !listeners_[1]; ++attempt) {
    if (attempt == 20) Fail("listen");
    port_ = OwnPortPair();
    listeners_[0] = Listen(port_);
    listeners_[1] = Listen(static_cast<std::uint16_t>(port_ + 1));
  }
  thread_ = std::thread([this] { Run(); });
}

Proxy::~Proxy() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  Wake();
  thread_.join();
}

// ---- control ----

void Proxy::Wake() {
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

void Proxy::Delay(Direction direction, Duration by) {
  const std::lock_guard lock(mutex_);
  Of(direction).delay = by;
}

void Proxy::Throttle(Direction direction, std::uint64_t bytes_per_second) {
  const std::lock_guard lock(mutex_);
  Of(direction).rate = bytes_per_second;
  Of(direction).allowance = 0;
}

void Proxy::CutAll(Cut how) {
  {
    const std::lock_guard lock(mutex_);
    for (Connection& connection : open_) {
      connection.dead = true;
      connection.reset = how == Cut::kReset;
    }
  }
  Wake();
}

void Proxy::HalfOpen(bool half_open) {
  {
    const std::lock_guard lock(mutex_);
    half_open_ = half_open;
  }
  Wake();
}

void Proxy::Corrupt(Direction direction, std::size_t count) {
  const std::lock_guard lock(mutex_);
  Of(direction).corrupt = count;
}

void Proxy::Reorder() {
  const std::lock_guard lock(mutex_);
  reorder_ = true;
}

std::string Proxy::recorded() {
  const std::lock_guard lock(mutex_);
  return recorded_;
}

// ---- the thread ----

void Proxy::Run() {
  std::vector<pollfd> items;
  std::vector<Connection*> owners;
  while (true) {
    items.assign({{wake_.get(), POLLIN, 0},
                  {listeners_[0].get(), POLLIN, 0},
                  {listeners_[1].get(), POLLIN, 0}});
    owners.clear();
    {
      const std::lock_guard lock(mutex_);
      if (stop_) return;
      Refill(Clock::now());
      ReleaseHeld(Clock::now());
      for (Connection& connection : open_) {
        if (half_open_ || connection.dead || !connection.up) continue;
        owners.push_back(&connection);
        for (const Direction direction : {Direction::kUp, Direction::kDown}) {
          const Flow& in = connection.flows[Index(direction)];
          const Flow& out = connection.flows[1 - Index(direction)];
          short events = 0;
          if (!in.ended && in.held < kMostHeld) events |= POLLIN;
          if (!out.pieces.empty() && out.pieces.front().due <= Clock::now() &&
              Of(direction == Direction::kUp ? Direction::kDown : Direction::kUp).allowance >=
                  1) {
            events |= POLLOUT;
          }
          const int fd =
              direction == Direction::kUp ? connection.down.get() : connection.up.get();
          items.push_back({events != 0 ? fd : -1, events, 0});
        }
      }
    }
    ::poll(items.data(), items.size(), static_cast<int>(kTick.count()));
    const std::lock_guard lock(mutex_);
    std::uint64_t ignored = 0;
    if (items[0].revents != 0) (void)!::read(wake_.get(), &ignored, sizeof ignored);
    for (std::size_t i = 0; i < owners.size() && !half_open_; ++i) {
      for (const Direction direction : {Direction::kUp, Direction::kDown}) {
        if (!owners[i]->dead) ReadFrom(*owners[i], direction);
        if (!owners[i]->dead) WriteTo(*owners[i], direction);
      }
    }
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
      if (items[1 + i].revents != 0) Accept(i);
    }
    Bury();
  }
}

void Proxy::Accept(std::size_t listener) {
  UniqueFd fd(
      ::accept4(listeners_[listener].get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return;
  ++connections_;
  SendAtOnce(fd.get());
  Connection made{.down = std::move(fd),
                  .up = UniqueFd(),
                  .to = static_cast<std::uint16_t>(upstream_ + listener)};
  made.accepted = Clock::now();
  if (std::exchange(reorder_, false)) {
    open_.push_back(std::move(made));
    return;
  }
  made.dead = !ConnectUp(made);
  made.reset = made.dead;
  open_.push_back(std::move(made));
  for (Connection& held : open_) {
    if (!held.up && !held.dead) held.dead = held.reset = !ConnectUp(held);
  }
}

bool Proxy::ConnectUp(Connection& connection) const {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = Loopback(connection.to);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return false;
  }
  ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  SendAtOnce(fd.get());
  connection.up = std::move(fd);
  return true;
}

void Proxy::ReleaseHeld(Clock::time_point now) {
  for (Connection& held : open_) {
    if (!held.up && !held.dead && now - held.accepted > kHeldBack) {
      held.dead = held.reset = !ConnectUp(held);
    }
  }
}

void Proxy::ReadFrom(Connection& connection, Direction direction) {
  Flow& flow = connection.flows[Index(direction)];
  if (flow.ended || flow.held >= kMostHeld) return;
  Quality& quality = Of(direction);
  const int fd = direction == Direction::kUp ? connection.down.get() : connection.up.get();
  std::string bytes(kPieceBytes, '\0');
  const ssize_t count = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count < 0) {
    connection.dead = connection.reset = true;
    return;
  }
  if (count == 0) {
    flow.ended = true;
    return;
  }
  bytes.resize(static_cast<std::size_t>(count));
  if (recorded_.size() < kMostRecorded) recorded_ += bytes;
  if (quality.corrupt > 0 && bytes.size() >= kWorthCorrupting) {
    --quality.corrupt;
    ++corrupted_;
    // Not near its ends, where a message may begin.
    const std::size_t quarter = bytes.size() / 4;
    std::uniform_int_distribution<std::size_t> inside(quarter, 3 * quarter);
    char& byte = bytes[inside(random_)];
    byte = static_cast<char>(byte ^ (1 << (random_() % 8)));
  }
  flow.held += bytes.size();
  flow.pieces.push_back({Clock::now() + quality.delay, std::move(bytes)});
}

void Proxy::WriteTo(Connection& connection, Direction direction) {
  Flow& flow = connection.flows[Index(direction)];
  Quality& quality = Of(direction);
  const int fd = direction == Direction::kUp ? connection.up.get() : connection.down.get();
  while (!flow.pieces.empty() && flow.pieces.front().due <= Clock::now() &&
         quality.allowance >= 1) {
    std::string& bytes = flow.pieces.front().bytes;
    const auto most = static_cast<std::size_t>(quality.allowance);
    const ssize_t count =
        ::send(fd, bytes.data(), std::min(bytes.size(), most), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) {
      if (errno != EAGAIN && errno != EINTR) connection.dead = connection.reset = true;
      return;
    }
    quality.allowance -= static_cast<double>(count);
    flow.held -= static_cast<std::size_t>(count);
    bytes.erase(0, static_cast<std::size_t>(count));
    if (bytes.empty()) flow.pieces.pop_front();
  }
  if (flow.ended && flow.pieces.empty() && !flow.ended_said) {
    flow.ended_said = true;
    ::shutdown(fd, SHUT_WR);
    if (connection.flows[1 - Index(direction)].ended_said) connection.dead = true;
  }
}

void Proxy::Refill(Clock::time_point now) {
  const double seconds = std::chrono::duration<double>(now - refilled_).count();
  refilled_ = now;
  for (Quality& quality : qualities_) {
    constexpr double kUnlimited = 1 << 30;
    // No more than a tenth of a second's worth is saved up.
    const auto rate = static_cast<double>(quality.rate);
    quality.allowance = quality.rate == 0
                            ? kUnlimited
                            : std::min(quality.allowance + rate * seconds, rate / 10 + 1);
  }
}

void Proxy::Bury() {
  for (auto connection = open_.begin(); connection != open_.end();) {
    if (!connection->dead) {
      ++connection;
      continue;
    }
    if (connection->reset) {
      ResetOnClose(connection->down.get());
      if (connection->up) ResetOnClose(connection->up.get());
    }
    connection = open_.erase(connection);
  }
}

}  // namespace pipedup::test
