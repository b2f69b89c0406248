// The fixture of all contract tests: one publisher, over the transport that the parameter
// names.
#pragma once

#include "by_hand.h"
#include "running_publisher.h"

namespace pipedup {

class ContractTest : public testing::TestWithParam<const char*> {
 protected:
  RunningPublisher& Start(PublishedStreamOptions options = {},
                          RecordFormat records = RecordFormat::kLines, CurveKeys keys = {},
                          ServerOptions server = {}) {
    Endpoint endpoint;
    if (std::string(GetParam()) == "ipc") {
      endpoint.kind = Endpoint::Kind::kIpc;
      endpoint.path = directory_.path() + "/data";
    } else {
      endpoint.host = "127.0.0.1";
      endpoint.port = 0;
    }
    publisher_.emplace(endpoint, std::move(options), records, std::move(keys),
                       std::move(server));
    return *publisher_;
  }
  const Endpoint& endpoint() { return publisher_->endpoint(); }

  static PublishedStreamOptions Retaining(std::uint64_t bytes) {
    PublishedStreamOptions options;
    options.retain_bytes = bytes;
    return options;
  }
  /// `bytes` of lines of 64 bytes, all different.
  static std::string Lines(std::size_t bytes, std::size_t from = 0) {
    std::string text;
    text.reserve(bytes + 64);
    for (std::size_t i = from; text.size() < bytes; ++i) {
      const std::string number = std::to_string(i);
      text += number + std::string(63 - number.size(), '.') + "\n";
    }
    return text;
  }
  /// Publishes it in pieces of 256 KiB, as a source does.
  void PublishAll(const std::string& text) {
    for (std::size_t at = 0; at < text.size(); at += 256 * 1024) {
      publisher_->Publish(std::string_view(text).substr(at, 256 * 1024));
    }
  }

  TemporaryDirectory directory_;
  std::optional<RunningPublisher> publisher_;
};

#define PIPEDUP_OVER_ALL_TRANSPORTS(suite)                         \
  INSTANTIATE_TEST_SUITE_P(, suite, testing::Values("tcp", "ipc"), \
                           [](const auto& which) { return std::string(which.param); })

}  // namespace pipedup
