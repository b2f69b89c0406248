// A publisher, and subscribers with one cursor that are killed and started again.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "support/programs.h"

namespace pipedup::test {

inline constexpr std::size_t kMostRepeated = 64 * 1024;

class CursorTest : public ::testing::Test {
 protected:
  void Publish(Words options = {}) {
    options.insert(options.end(), {"--bind", endpoint_, "--linger", "30s"});
    publisher_ = std::make_unique<Publisher>(directory_, options);
  }
  void Produce(std::string_view bytes) {
    produced_ += bytes;
    ASSERT_TRUE(publisher_->Write(bytes));
  }
  void End() { publisher_->CloseInput(); }

  /// Appends to out().
  std::unique_ptr<Subscriber> Start(const Words& more = {}, int flags = O_APPEND) {
    const UniqueFd file(::open(out().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600));
    return StartInto(Stdio::Descriptor(file.get()), more);
  }
  std::unique_ptr<Subscriber> StartInto(Stdio output, const Words& more = {}) const {
    Words options = {"--cursor", cursor(), "--from", "start", "--give-up", "40s"};
    options.insert(options.end(), more.begin(), more.end());
    return std::make_unique<Subscriber>(endpoint_, options, std::move(output));
  }
  static void Kill(Subscriber& subscriber) {
    subscriber.Signal(SIGKILL);
    ASSERT_EQ(128 + SIGKILL, subscriber.Wait());
  }
  [[nodiscard]] bool WaitForOut(std::size_t bytes) const {
    return Eventually([&] { return FileSize(out()) >= bytes; });
  }

  /// Where a subscriber goes on behind a pipe, of which `at` bytes came out so far: there, or
  /// at what it says that it repeats.
  static void ExpectGoesOn(const Program& subscriber, std::size_t begins, std::size_t at) {
    const std::vector<Json> repeated = subscriber.events("repeated");
    if (repeated.empty()) {
      EXPECT_EQ(at, begins) << "nothing was said of it: " << subscriber.log();
      return;
    }
    EXPECT_EQ(begins, repeated[0].at("from"));
    EXPECT_LE(begins, at);
    EXPECT_LE(at, repeated[0].at("to"));
    EXPECT_LE(repeated[0].at("to").get<std::size_t>() - begins, kMostRepeated);
  }

  std::string cursor() const { return directory_ / "cursor"; }
  std::string out() const { return directory_ / "out"; }

  /// Kills a subscriber that was started by `start` again and again, at moments that depend on
  /// how much it has written, and lets the last one come to the end. Its output is in out().
  template <typename StartOne>
  void KillOften(StartOne start, const std::string& bytes, std::size_t expansion = 1) {
    constexpr int kKills = 25;
    std::mt19937 random(4711);
    std::size_t given = 0;
    for (int i = 0; i < kKills; ++i) {
      const std::size_t give = bytes.size() * static_cast<std::size_t>(i + 1) / kKills;
      Produce(std::string_view(bytes).substr(given, give - given));
      auto subscriber = start();
      const std::size_t wanted =
          std::uniform_int_distribution<std::size_t>(given * expansion, give)(random);
      ASSERT_TRUE(WaitForOut(wanted)) << i << " " << subscriber->log();
      Kill(*subscriber);
      EXPECT_FALSE(subscriber->said("repeated")) << subscriber->log();
      given = give;
    }
    End();
    auto last = start();
    ASSERT_EQ(0, last->Wait()) << last->log();
  }

  const TempDir directory_;
  const std::string endpoint_ = "tcp://127.0.0.1:" + std::to_string(FreePortPair());
  std::unique_ptr<Publisher> publisher_;
  std::string produced_;
};

}  // namespace pipedup::test
