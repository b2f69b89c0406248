// Heads tell where the journal stands, and at the end that nothing follows.
#include "publish/broadcaster.h"

#include <gtest/gtest.h>

#include <string>

namespace pipedup {
namespace {

class BroadcasterTest : public testing::Test {
 protected:
  BroadcasterTest() {
    JournalOptions options;
    options.session = 42;
    options.wall_clock = [] { return std::int64_t{1000}; };
    options.warn = [](const std::string&) {};
    journal_.emplace(options);
    broadcaster_.emplace("demo", *journal_, packer_, std::make_shared<Outstanding>(nullptr));
    journal_->OnBlock([this](const Block& block) { broadcaster_->SendBlock(socket_, block); });
  }
  void Publish(std::size_t bytes, int times) {
    for (int i = 0; i < times; ++i) {
      journal_->Append(AsBytes(std::string(bytes - 1, 'x') + "\n"));
      journal_->PublishAll();
    }
  }

  Context context_;
  Socket socket_ = Socket::Pub(context_, kLiveQueueMessages);
  std::optional<Journal> journal_;
  Packer packer_{0};
  std::optional<Broadcaster> broadcaster_;
};

TEST_F(BroadcasterTest, CountsWhatItSends) {
  Publish(100, 3);
  broadcaster_->SendHead(socket_);
  EXPECT_EQ(broadcaster_->counters().blocks, 3U);
  EXPECT_EQ(broadcaster_->counters().heads, 1U);
}

TEST_F(BroadcasterTest, AHeadTellsWhereTheJournalStands) {
  Publish(100, 3);
  const BlockHeader head = broadcaster_->HeadHeader();
  EXPECT_EQ(head.kind, BlockKind::kHead);
  EXPECT_EQ(head.session, 42U);
  EXPECT_EQ(head.position, 300U);
  EXPECT_EQ(head.records_before, 3U);
  EXPECT_EQ(head.length, 0U);
  EXPECT_GE(head.time_ns, journal_->last_time_ns());
}

TEST_F(BroadcasterTest, AtTheEndTheHeadIsTheEnd) {
  Publish(100, 3);
  EXPECT_FALSE(broadcaster_->ended());
  broadcaster_->End(7);
  EXPECT_TRUE(broadcaster_->ended());
  const BlockHeader end = broadcaster_->HeadHeader();
  EXPECT_EQ(end.kind, BlockKind::kEndOfStream);
  EXPECT_EQ(end.position, 300U);
  EXPECT_EQ(end.exit_status, 7U);
}

}  // namespace
}  // namespace pipedup
