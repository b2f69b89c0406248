// Writes a stream to stdout, and says on stderr, one JSON object a line, what else there is:
//   subscribe host:5590 --from start --resume FILE > copy
#include <pipedup/subscriber.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <string>

#include "arguments.h"

namespace {

using pipedup::Subscriber;

volatile std::sig_atomic_t signalled = 0;

std::string Hex(std::uint64_t value) {
  std::ostringstream text;
  text << std::hex << std::setfill('0') << std::setw(16) << value;
  return text.str();
}

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < ' ' ? '?' : c;
  }
  return quoted + '"';
}

pipedup::StartAt ParseFrom(const std::string& text) {
  using Kind = pipedup::StartAt::Kind;
  if (text == "now") return {Kind::kNow, 0};
  if (text == "start") return {Kind::kStart, 0};
  return {Kind::kPosition, std::stoull(text)};
}

pipedup::SubscriberOptions MakeOptions(const Arguments& arguments) {
  pipedup::SubscriberOptions options;
  options.endpoints = {arguments.Text("", "tcp://127.0.0.1:5590")};
  if (arguments.Has("--stream")) options.stream = arguments.Text("--stream");
  options.from = ParseFrom(arguments.Text("--from", "now"));
  options.follow = arguments.Has("--follow");
  options.attach = !arguments.Has("--no-attach");
  options.server_key = arguments.Text("--server-key");
  options.curve_secret = arguments.Text("--curve-secret");
  options.give_up = arguments.Seconds("--give-up", 30);
  if (arguments.Has("--resume")) {
    pipedup::ResumePoint point;
    std::ifstream file(arguments.Text("--resume"));
    if (file >> point.stream >> point.session >> point.position >> point.ended)
      options.resume = point;
  }
  return options;
}

/// A program that puts what it makes of the stream into a database keeps this beside it, in the
/// same transaction. In a file of its own it is only right when the process ends in peace.
void Keep(const pipedup::ResumePoint& point, const std::string& file) {
  std::ofstream(file) << point.stream << ' ' << point.session << ' ' << point.position << ' '
                      << point.ended << '\n';
}

/// One run: the exit status of pipedup-sub for what became of it.
class Run {
 public:
  explicit Run(const Arguments& arguments) : subscriber_(MakeOptions(arguments)) {}

  int ToTheEnd() {
    while (status_ == 0 && !subscriber_.over()) {
      const auto item = subscriber_.Next(std::chrono::milliseconds(100));
      if (item) std::visit([this](const auto& one) { On(one); }, *item);
      if (signalled != 0) status_ = 128 + signalled;
    }
    if (std::fflush(stdout) != 0) return 141;
    return status_ == 0 && lost_ ? 3 : status_;
  }
  const pipedup::ResumePoint& point() const { return subscriber_.resume_point(); }

 private:
  void On(const Subscriber::Begin& begin) {
    std::cerr << R"({"event": "begin", "stream": )" << Quoted(begin.stream)
              << R"(, "session": ")" << Hex(begin.session) << R"(", "position": )"
              << begin.position << "}" << std::endl;
  }
  void On(const Subscriber::Block& block) {
    if (std::fwrite(block.bytes.data(), 1, block.bytes.size(), stdout) != block.bytes.size())
      status_ = 141;
    if (block.ends_record && std::fflush(stdout) != 0) status_ = 141;
  }
  void On(const pipedup::Gap& gap) {
    lost_ = true;
    std::cerr << R"({"event": "gap", "session": ")" << Hex(gap.session) << R"(", "from": )"
              << gap.from << R"(, "to": )" << gap.to << R"(, "bytes": )" << gap.bytes()
              << R"(, "reason": )" << Quoted(gap.reason) << "}" << std::endl;
  }
  void On(const Subscriber::End& end) {
    std::cerr << R"({"event": "end", "session": ")" << Hex(end.session) << R"(", "position": )"
              << end.position;
    if (end.exit_status) std::cerr << R"(, "exit_status": )" << *end.exit_status;
    std::cerr << "}" << std::endl;
  }
  void On(const Subscriber::Failure& failure) {
    std::cerr << R"({"event": "failure", "message": )" << Quoted(failure.text) << "}"
              << std::endl;
    status_ = failure.kind == Subscriber::Failure::Kind::kRefused ? 5 : 4;
  }

  Subscriber subscriber_;
  bool lost_ = false;
  int status_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGTERM, [](int number) { signalled = number; });
  std::signal(SIGINT, [](int number) { signalled = number; });
  try {
    const Arguments arguments(
        argc, argv, {"--follow", "--no-attach"},
        {"--stream", "--from", "--resume", "--server-key", "--curve-secret", "--give-up"});
    Run run(arguments);
    const int status = run.ToTheEnd();
    if (arguments.Has("--resume")) Keep(run.point(), arguments.Text("--resume"));
    return status;
  } catch (const std::exception& error) {
    std::cerr << "subscribe: " << error.what() << '\n';
    return 1;
  }
}
