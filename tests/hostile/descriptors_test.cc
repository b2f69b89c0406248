// More connections than the process may have descriptors.
#include "hostile_test_base.h"

namespace pipedup::test {
namespace {

constexpr std::size_t kConnects = 500;

TEST_F(HostileTest, WithoutDescriptorsNewcomersAreRefusedAndNothingElseHappens) {
  // The limit of the process, soft and hard: it cannot be raised.
  Start({}, {"sh", "-c", R"(ulimit -n 128; exec "$0" "$@")"}, true);
  for (std::size_t i = 0; i < kConnects; ++i) {
    const Endpoint& endpoint = i % 2 == 0 ? tcp() : ipc();
    peers_.push_back(
        std::make_unique<ZmtpPeer>(endpoint, i % 4 < 2 ? Port::kData : Port::kControl));
    if (i % 50 == 0) ExpectTheGoodOneIsServed();
  }
  ASSERT_TRUE(publisher_->WaitForEvent("connections-refused")) << publisher_->log();
  // All that were refused have been told so, and the publisher has nothing to do.
  EXPECT_TRUE(Eventually([&] {
    return static_cast<std::size_t>(std::count_if(peers_.begin(), peers_.end(), [](auto& peer) {
             return peer->IsClosed();
           })) > kConnects - 128;
  }));
  EXPECT_TRUE(Eventually([&] { return IsIdle(publisher_->pid()); })) << "it spins";
  ExpectTheGoodOneIsServed();
  EXPECT_EQ(publisher_->events("connections-refused").size(), 1U) << "once per shortage";

  peers_.clear();
  Subscriber newcomer(directory_, publisher_->endpoint());
  EXPECT_TRUE(newcomer.WaitUntilLive()) << newcomer.log();
  Subscriber over_ipc(directory_, ipc().data());
  EXPECT_TRUE(over_ipc.WaitUntilLive()) << over_ipc.log();
  EXPECT_GT(Counter("connections_refused"), kConnects - 128);
  newcomer.Signal(SIGTERM);
  over_ipc.Signal(SIGTERM);
  (void)newcomer.Wait();
  (void)over_ipc.Wait();
  ExpectNoHarm();
}

TEST(TooFewDescriptors, AreSaidAtTheStart) {
  for (const std::string& program : {PublisherBinary(), SubscriberBinary()}) {
    for (const char* limit : {"12", "18", "63"}) {
      const Outcome outcome =
          RunToEnd({.argv = {"sh", "-c", "ulimit -n " + std::string(limit) + R"(; exec "$0")",
                             program}});
      EXPECT_EQ(outcome.status, 1) << program << limit;
      ASSERT_EQ(outcome.errors.size(), 1U) << program << limit;
      EXPECT_NE(outcome.errors[0].find(std::string("may have ") + limit + " descriptors"),
                std::string::npos)
          << outcome.errors[0];
    }
  }
}

}  // namespace
}  // namespace pipedup::test
