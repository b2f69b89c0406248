// broker-pub --dialect redis|nats --port PORT [--lines]: stdin to a broker on this machine, up
// to 64 KiB a message or, with --lines, one message per line. It never waits for an answer,
// which is faster than what most clients do. The end is repeated until the broker goes away: a
// subscriber that the broker has cut off is subscribed again only after a while, and would wait
// for ever.

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "broker.h"
#include "support.h"

namespace pipedup::bench {
namespace {

constexpr std::size_t kMessageBytes = std::size_t{64} << 10;
constexpr int kEndAgainMs = 50;

class Publisher {
 public:
  Publisher(const Dialect& dialect, std::uint64_t port)
      : dialect_(dialect), socket_(ConnectLoopback(port)), out_(dialect.hello) {}

  void Add(std::string_view payload) {
    out_.append(dialect_.publish).append(std::to_string(payload.size())).append("\r\n");
    out_.append(payload).append("\r\n");
  }

  /// Sends what was added. False: the broker has closed the connection.
  bool Send() {
    if (!TakeAnswers()) return false;
    const bool sent = WriteAll(socket_, out_);
    out_.clear();
    return sent;
  }

  void SendEndUntilClosed() {
    pollfd broker{socket_, POLLRDHUP, 0};
    do {
      Add("");
    } while (Send() && poll(&broker, 1, kEndAgainMs) >= 0);
  }

 private:
  /// Reads what has come, so that the broker never waits for us, and answers NATS' PING.
  bool TakeAnswers() {
    char buffer[4096];
    for (;;) {
      const ssize_t got = recv(socket_, buffer, sizeof buffer, MSG_DONTWAIT);
      if (got == 0) return false;
      if (got < 0) return errno == EAGAIN || errno == EINTR;
      answers_.append(buffer, static_cast<std::size_t>(got));
      for (std::size_t end = 0; (end = answers_.find("\r\n")) != std::string::npos;) {
        if (answers_[0] == '-') Die("the broker says " + answers_.substr(0, end));
        if (answers_.compare(0, end, "PING") == 0) out_.insert(0, "PONG\r\n");
        answers_.erase(0, end + 2);
      }
    }
  }

  const Dialect& dialect_;
  int socket_;
  std::string out_;
  std::string answers_;
};

/// Adds the whole lines of `data`, and a part of one where no more fits or comes. Returns how
/// much of `data` that was.
std::size_t AddLines(Publisher& publisher, std::string_view data, bool more) {
  std::size_t taken = 0;
  for (std::size_t end = 0; (end = data.find('\n', taken)) != std::string_view::npos;) {
    publisher.Add(data.substr(taken, end + 1 - taken));
    taken = end + 1;
  }
  if (taken < data.size() && (!more || (taken == 0 && data.size() == kMessageBytes))) {
    publisher.Add(data.substr(taken));
    taken = data.size();
  }
  return taken;
}

int Main(int argc, char** argv) {
  const Options options(argc, argv, {"dialect", "port"}, {"lines"});
  const bool by_line = options.Has("lines");
  signal(SIGPIPE, SIG_IGN);
  Publisher publisher(DialectNamed(options.Text("dialect")), options.Number("port", 0));
  EnlargePipe(STDIN_FILENO);

  std::string buffer(kMessageBytes, '\0');
  std::size_t size = 0;
  for (bool more = true; more;) {
    const std::size_t got = ReadGreedily(buffer.data() + size, buffer.size() - size);
    more = got > 0;
    size += got;
    if (by_line) {
      const std::string_view data(buffer.data(), size);
      const std::size_t taken = AddLines(publisher, data, more);
      size -= taken;
      std::memmove(buffer.data(), buffer.data() + taken, size);
    } else if (more) {
      publisher.Add(std::string_view(buffer.data(), size));
      size = 0;
    }
    if (!publisher.Send()) Die("the broker closed the connection");
  }
  publisher.SendEndUntilClosed();
  return 0;
}

}  // namespace
}  // namespace pipedup::bench

int main(int argc, char** argv) {
  return pipedup::bench::Main(argc, argv);
}
