// broker-sub --dialect redis|nats --port PORT [--ready FILE]: what a broker on this machine
// delivers to stdout, until the end message. FILE is made once the subscription stands. When
// the broker closes the connection, it connects again as client libraries do, and what was
// published in between is lost to it; it then ends with 1.

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

#include "broker.h"
#include "support.h"

namespace pipedup::bench {
namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10;
constexpr std::string_view kLineEnd = "\r\n";

void Touch(const std::string& path) {
  if (path.empty()) return;
  FILE* file = fopen(path.c_str(), "we");
  if (file == nullptr || fclose(file) != 0) Die("cannot create " + path, errno);
}

/// One connection, from subscribing to the end of the stream or to the broker's hanging up.
class Subscription {
 public:
  Subscription(const Dialect& dialect, std::uint64_t port, const std::string& ready_file)
      : dialect_(dialect), socket_(ConnectLoopback(port)), ready_file_(ready_file) {
    Say(std::string(dialect.hello).append(dialect.subscribe));
  }
  ~Subscription() { close(socket_); }
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  /// True at the end of the stream, false when the broker closed the connection.
  bool CopyToStdout() {
    std::vector<char> buffer(kReadBytes);
    std::size_t size = 0;
    while (!ended_) {
      const ssize_t got = read(socket_, buffer.data() + size, buffer.size() - size);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      size += static_cast<std::size_t>(got);
      const std::size_t taken = Take(std::string_view(buffer.data(), size));
      size -= taken;
      if (size == buffer.size()) Die("the broker sends a line of more than 256 KiB");
      std::memmove(buffer.data(), buffer.data() + taken, size);
      if (!WriteAll(STDOUT_FILENO, out_)) Die("write", errno);
      out_.clear();
    }
    return true;
  }

 private:
  /// Moves the payloads in `data` to out_. Returns how much of it is done with.
  std::size_t Take(std::string_view data) {
    std::size_t at = 0;
    while (!ended_) {
      const std::size_t payload = std::min(payload_left_, data.size() - at);
      out_.append(data.substr(at, payload));
      payload_left_ -= payload;
      at += payload;
      if (payload_left_ > 0) return at;
      const std::size_t header = TakeHeader(data.substr(at));
      if (header == 0) return at;
      at += header;
    }
    return at;
  }

  /// Takes what is between two payloads: one line end, header or remark. Returns its size, 0
  /// when it is not complete.
  std::size_t TakeHeader(std::string_view data) {
    if (Begins(data, dialect_.subscribed)) {
      Touch(ready_file_);
      return dialect_.subscribed.size();
    }
    const bool message = Begins(data, dialect_.message);
    if (!message &&
        (data.empty() || Begins(dialect_.message, data) || Begins(dialect_.subscribed, data))) {
      return 0;
    }
    const std::size_t before = message ? dialect_.message.size() : 0;
    const std::size_t end = data.find(kLineEnd, before);
    if (end == std::string_view::npos) return 0;
    const std::string_view line = data.substr(before, end - before);
    if (message) {
      TakeSize(line);
    } else {
      TakeRemark(line);
    }
    return end + kLineEnd.size();
  }

  void TakeSize(std::string_view digits) {
    const auto parsed =
        std::from_chars(digits.data(), digits.data() + digits.size(), payload_left_);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
      Die("the broker sends a size of '" + std::string(digits) + "'");
    }
    ended_ = payload_left_ == 0;
  }

  void TakeRemark(std::string_view line) {
    if (line == "PING") {
      Say("PONG\r\n");
    } else if (Begins(line, "-")) {
      fprintf(stderr, "broker-sub: the broker says %.*s\n", static_cast<int>(line.size()),
              line.data());
    } else if (!line.empty() && !Begins(line, "INFO ")) {
      Die("the broker sends '" + std::string(line.substr(0, 80)) + "'");
    }
  }

  /// A broker that does not take it has closed the connection, which the next read says.
  void Say(std::string_view words) {
    [[maybe_unused]] const bool sent = WriteAll(socket_, words);
  }

  static bool Begins(std::string_view text, std::string_view with) {
    return text.substr(0, with.size()) == with;
  }

  const Dialect& dialect_;
  int socket_;
  std::string ready_file_;
  std::size_t payload_left_ = 0;
  bool ended_ = false;
  std::string out_;
};

int Main(int argc, char** argv) {
  const Options options(argc, argv, {"dialect", "port", "ready"}, {});
  const Dialect& dialect = DialectNamed(options.Text("dialect"));
  EnlargePipe(STDOUT_FILENO);
  std::uint64_t cut_off = 0;
  while (
      !Subscription(dialect, options.Number("port", 0), options.Text("ready")).CopyToStdout()) {
    ++cut_off;
  }
  if (cut_off > 0) {
    Die("cut off by the broker " + std::to_string(cut_off) + " times; subscribed again");
  }
  return 0;
}

}  // namespace
}  // namespace pipedup::bench

int main(int argc, char** argv) {
  return pipedup::bench::Main(argc, argv);
}
