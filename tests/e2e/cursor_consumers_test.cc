// --cursor with consumers that the subscriber runs.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <random>
#include <string>

#include "cursor_test_base.h"
#include "support/content.h"
#include "support/same.h"

namespace pipedup::test {
namespace {

class CursorConsumersTest : public CursorTest {
 protected:
  std::unique_ptr<Program> Run(const Words& options, const Words& consumer = {}) const {
    Command command;
    command.argv = {SubscriberBinary(), "-v",     "--log-format", "json",
                    "--cursor",         cursor(), "--from",       "start"};
    command.argv.insert(command.argv.end(), options.begin(), options.end());
    command.argv.push_back(endpoint_);
    if (!consumer.empty()) command.argv.emplace_back("--");
    command.argv.insert(command.argv.end(), consumer.begin(), consumer.end());
    command.environment = {{"XDG_RUNTIME_DIR", directory_.path()}};
    return std::make_unique<Program>(command);
  }
};

TEST_F(CursorConsumersTest, KilledAtAnyPointOneConsumerGetsAllAndTwiceOnlyWhatIsSaid) {
  constexpr int kKills = 15;
  Publish();
  const std::string bytes = MakeRecords(1, 12 * kMiB);
  std::mt19937 random(2026);
  std::size_t given = 0;
  std::size_t at = 0;  // position of the next byte that the consumer gets
  for (int i = 0; i <= kKills; ++i) {
    const std::size_t give = bytes.size() * static_cast<std::size_t>(i + 1) / (kKills + 1);
    Produce(std::string_view(bytes).substr(given, give - given));
    if (i == kKills) End();
    given = give;
    // In a session of its own: it outlives the subscriber, and reads what is left for it.
    const std::string part = out() + std::to_string(i);
    auto subscriber = Run({}, {"setsid", "sh", "-c", "cat > \"$0\"; echo > \"$0.done\"", part});
    const auto begin = subscriber->WaitForEvent("begin");
    ASSERT_TRUE(begin) << subscriber->log();
    const std::size_t begins = begin->at("position");
    ExpectGoesOn(*subscriber, begins, at);
    if (i == kKills) {
      ASSERT_EQ(0, subscriber->Wait()) << subscriber->log();
    } else {
      const auto wanted = std::uniform_int_distribution<std::size_t>(0, give - begins)(random);
      ASSERT_TRUE(Eventually([&] { return FileSize(part) >= wanted; })) << subscriber->log();
      subscriber->Signal(SIGKILL);
      ASSERT_EQ(128 + SIGKILL, subscriber->Wait());
      ASSERT_TRUE(Eventually([&] { return FileSize(part + ".done") > 0; }));
    }
    const std::string taken = ReadFile(part);
    ASSERT_TRUE(std::string_view(bytes).substr(begins, taken.size()) == taken);
    at = begins + taken.size();
  }
  EXPECT_EQ(bytes.size(), at);
}

TEST_F(CursorConsumersTest, WhatOneThatLeavesHasNotReadIsForTheNext) {
  constexpr std::size_t kEach = 150'000;
  Publish();
  Produce(MakeRecords(2, 4 * kMiB));
  for (int i = 0; i < 4; ++i) {
    auto subscriber = Run({}, {"sh", "-c", "head -c 150000 >> \"$0\"; exit 7", out()});
    EXPECT_EQ(7, subscriber->Wait()) << subscriber->log();
    EXPECT_FALSE(subscriber->said("repeated")) << subscriber->log();
  }
  EXPECT_TRUE(produced_.substr(0, 4 * kEach) == ReadFile(out()));
}

TEST_F(CursorConsumersTest, RestartAndCursorGoTogether) {
  constexpr std::size_t kEach = 100'000;
  Publish();
  Produce(MakeRecords(3, 2 * kMiB));
  const Words consumer = {"sh", "-c", "head -c 100000 >> \"$0\"; exit 7", out()};
  auto first = Run({"--restart", "always"}, consumer);
  ASSERT_TRUE(WaitForOut(3 * kEach)) << first->log();
  first->Signal(SIGKILL);
  ASSERT_EQ(128 + SIGKILL, first->Wait());
  // The consumer went with it, and with that what was in its pipe: a restarted one has taken
  // whole parts, and the cursor says what the last one was given.
  auto second = Run({}, {"cat"});
  const auto begin = second->WaitForEvent("begin");
  ASSERT_TRUE(begin);
  const std::size_t begins = begin->at("position");
  EXPECT_GE(begins, 3 * kEach);
  // It may still be writing, to its own end.
  const std::string consumed = ReadFile(out());
  EXPECT_TRUE(Same(produced_.substr(0, consumed.size()), consumed));
  End();
  EXPECT_EQ(0, second->Wait()) << second->log();
}

TEST_F(CursorConsumersTest, OfSeveralTheSlowestCountsAndOthersGetTheRestTwice) {
  Publish();
  const std::string bytes = MakeRecords(4, 4 * kMiB);
  Produce(bytes);
  const std::string fast = directory_ / "fast";
  const std::string slow = directory_ / "slow";
  auto first = Run(
      {"--exec", "cat > " + fast, "--exec", "head -c 1000 > " + slow + "; exec sleep 1000"});
  ASSERT_TRUE(Eventually([&] { return FileSize(fast) == bytes.size(); })) << first->log();
  ASSERT_TRUE(Eventually([&] { return FileSize(slow) == 1000; })) << first->log();
  first->Signal(SIGKILL);
  ASSERT_EQ(128 + SIGKILL, first->Wait());
  auto second = Run({"--exec", "cat > " + fast, "--exec", "cat > " + slow});
  const auto said = second->WaitForEvent("repeated");
  ASSERT_TRUE(said) << second->log();
  const std::size_t from = said->at("from");
  EXPECT_GE(from, 1000u);
  EXPECT_LE(from, 1000u + 2 * kMiB) << "what a pipe takes";
  EXPECT_EQ(bytes.size(), said->at("to"));
  ASSERT_TRUE(second->WaitForEvent("begin"));
  End();
  EXPECT_EQ(0, second->Wait()) << second->log();
  EXPECT_TRUE(Same(bytes.substr(from), ReadFile(fast)));
  EXPECT_TRUE(Same(bytes.substr(from), ReadFile(slow)));
}

}  // namespace
}  // namespace pipedup::test
