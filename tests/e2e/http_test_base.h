// A publisher that serves HTTP, and those who ask it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "support/content.h"
#include "support/http_peer.h"
#include "support/programs.h"

namespace pipedup::test {

class HttpTest : public ::testing::Test {
 protected:
  static std::uint16_t HttpPortOf(Program& program) {
    const auto said = program.WaitForEvent("http");
    return said ? said->at("port").get<std::uint16_t>() : std::uint16_t{0};
  }
  void Publish(Publisher::Setup setup = {}) {
    Words& options = setup.options;
    if (std::find(options.begin(), options.end(), "--http") == options.end()) {
      options.insert(options.end(), {"--http", "127.0.0.1:0"});
    }
    publisher_ = std::make_unique<Publisher>(directory_, std::move(setup));
    port_ = HttpPortOf(*publisher_);
    ASSERT_NE(0, port_) << publisher_->log();
  }
  void Publish(Words options) { Publish(Publisher::Setup{.options = std::move(options)}); }
  std::unique_ptr<HttpPeer> Get(const std::string& target,
                                const HttpPeer::Headers& headers = {}) {
    return std::make_unique<HttpPeer>(port_, target, headers);
  }
  /// The whole body of a short answer.
  std::string Text(const std::string& target) { return Get(target)->ReadToTheEnd(); }
  Json Stats() { return Json::parse(Text("/stats")); }
  /// Waits until `bytes` are published.
  bool WaitForHead(std::uint64_t bytes) {
    return Eventually([&] { return Stats().at("streams").at(0).at("head") == bytes; });
  }

  const TempDir directory_;
  std::unique_ptr<Publisher> publisher_;
  std::uint16_t port_ = 0;
};

}  // namespace pipedup::test
