// Publishes what it reads from stdin, as a program would that has something to say itself:
//   publish ipc:///tmp/demo --stream demo < file
#include <pipedup/publisher.h>

#include <unistd.h>
#include <array>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <iostream>
#include <span>
#include <string>

#include "arguments.h"

namespace {

pipedup::RecordFormat ParseRecords(const std::string& text) {
  if (text == "lines") return pipedup::RecordFormat::kLines;
  if (text == "nul") return pipedup::RecordFormat::kNul;
  if (text == "raw") return pipedup::RecordFormat::kRaw;
  throw std::runtime_error("--records: lines, nul or raw");
}

pipedup::PublisherOptions MakeOptions(const Arguments& arguments) {
  pipedup::PublisherOptions options;
  options.bind = {arguments.Text("", "tcp://127.0.0.1:5590")};
  options.stream = arguments.Text("--stream", "default");
  options.records = ParseRecords(arguments.Text("--records", "lines"));
  options.retain_bytes = arguments.Number("--retain", options.retain_bytes);
  options.zstd_level = static_cast<int>(arguments.Number("--zstd", 0));
  options.curve_secret = arguments.Text("--curve-secret");
  options.allow_keys = arguments.Text("--allow-keys");
  options.linger = arguments.Seconds("--linger", 30);
  options.log = [](std::string_view text) { std::cerr << "publish: " << text << std::endl; };
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Arguments arguments(argc, argv, {},
                              {"--stream", "--records", "--retain", "--zstd", "--curve-secret",
                               "--allow-keys", "--linger", "--wait-subs", "--exit-status"});
    pipedup::Publisher publisher(MakeOptions(arguments));
    std::cerr << R"({"event": "listening", "endpoint": ")" << publisher.endpoints().front()
              << "\"}" << std::endl;
    while (!publisher.WaitForSubscribers(arguments.Number("--wait-subs", 0),
                                         std::chrono::hours(1))) {
    }
    static std::array<std::byte, 65536> buffer;
    for (ssize_t count = 0; (count = read(0, buffer.data(), buffer.size())) > 0;)
      publisher.Write(std::span(buffer).first(static_cast<std::size_t>(count)));
    std::optional<std::uint32_t> status;
    if (arguments.Has("--exit-status"))
      status = static_cast<std::uint32_t>(arguments.Number("--exit-status", 0));
    for (const std::string& name : publisher.Close(status)) {
      std::cerr << "publish: " << name << " did not confirm the end\n";
      return 3;
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "publish: " << error.what() << '\n';
    return 1;
  }
}
