// The data socket: blocks, heads, the end; and that nobody stands in another's way.
#include <gtest/gtest.h>

#include <deque>

#include "contract_test_base.h"

namespace pipedup {
namespace {

class Live : public ContractTest {};
PIPEDUP_OVER_ALL_TRANSPORTS(Live);

TEST_P(Live, BlocksComeOnceAndInOrder) {
  Start();
  LiveByHand live(endpoint());
  const std::string text = Lines(3 * kMiB);
  PublishAll(text);
  std::string received;
  std::uint64_t records = 0;
  while (received.size() < text.size() && !HasFailure()) {
    const BlockMessage block = live.NextData();
    ASSERT_EQ(block.header.position, received.size());
    ASSERT_EQ(block.header.records_before, records);
    records += block.header.records;
    received += block.payload;
  }
  EXPECT_TRUE(Same(received, text));
}

TEST_P(Live, LinesThatFollowEachOtherAreJoinedForManyMembers) {
  Start();
  std::deque<ControlByHand> members;
  for (int i = 0; i < 60; ++i) {
    (void)members.emplace_back(endpoint(), "a" + std::to_string(i)).Join();
  }
  LiveByHand live(endpoint());
  const std::string text = Lines(1000 * 64);
  publisher_->PublishEachLine(text);
  std::string received;
  std::uint64_t records = 0;
  std::size_t blocks = 0;
  while (received.size() < text.size() && !HasFailure()) {
    const BlockMessage block = live.Next();  // no head is ahead of what was sent
    ASSERT_EQ(block.header.position, received.size());
    ASSERT_EQ(block.header.records_before, records);
    records += block.header.records;
    received += block.payload;
    if (block.header.kind == BlockKind::kData) ++blocks;
  }
  EXPECT_TRUE(Same(received, text));
  EXPECT_LT(blocks, 500U);
  publisher_->PublishEachLine("one\ntwo\n");
  publisher_->End(0);
  std::string rest;
  for (BlockMessage block = live.NextData(); block.header.kind == BlockKind::kData;
       block = live.NextData()) {
    rest += block.payload;
  }
  EXPECT_EQ(rest, "one\ntwo\n") << "the end came before what was still to be sent";
}

TEST_P(Live, LinesToAFewMembersAreBlocksOfTheirOwn) {
  Start();
  LiveByHand live(endpoint());
  publisher_->PublishEachLine("one\ntwo\nthree\n");
  EXPECT_EQ(live.NextData().payload, "one\n");
  EXPECT_EQ(live.NextData().payload, "two\n");
  EXPECT_EQ(live.NextData().payload, "three\n");
}

TEST_P(Live, HeadsComeAtLeastOnceASecondWhenNothingIsPublished) {
  Start();
  publisher_->Publish("one\n");
  LiveByHand live(endpoint());
  BlockHeader before = live.Next().header;
  const auto start = test::Clock::now();
  constexpr int kHeads = 8;  // the last ones long after what was published
  for (int i = 0; i < kHeads; ++i) {
    const BlockHeader head = live.Next().header;
    EXPECT_EQ(head.kind, BlockKind::kHead);
    EXPECT_EQ(head.position, 4U);
    EXPECT_EQ(head.records_before, 1U);
    EXPECT_GE(head.time_ns, before.time_ns);
    // By the publisher's clock, with something to spare for a busy machine.
    EXPECT_LE(head.time_ns - before.time_ns, 3'000'000'000);
    before = head;
  }
  EXPECT_LT(test::Clock::now() - start, kHeads * std::chrono::seconds(3));
}

TEST_P(Live, AJoiningMemberSoonGetsAHead) {
  Start();
  ControlByHand control(endpoint());
  (void)control.Join();
  const auto start = test::Clock::now();
  LiveByHand live(endpoint());
  for (int i = 0; i < 5; ++i) (void)live.Next();
  EXPECT_LT(test::Clock::now() - start, std::chrono::seconds(5));
}

TEST_P(Live, AnotherStreamsNameIsNoPrefixOfThisOne) {
  Start();
  LiveByHand good(endpoint());
  RawSocket other(zmq::socket_type::sub, endpoint().data());
  publisher_->Publish("one\n");
  EXPECT_EQ(good.NextData().payload, "one\n");
  EXPECT_EQ(ReadBlockMessage(other.Receive()).topic, "demo");
}

TEST_P(Live, TheEndIsRepeatedUntilEveryMemberHasConfirmedIt) {
  Start();
  publisher_->Publish("one\n");
  ControlByHand control(endpoint());
  (void)control.Join();
  control.SendStatus(0);
  LiveByHand live(endpoint());
  publisher_->End(3);
  for (int i = 0; i < 3; ++i) {
    const BlockHeader end = live.NextData().header;
    EXPECT_EQ(end.kind, BlockKind::kEndOfStream);
    EXPECT_EQ(end.position, 4U);
    EXPECT_EQ(end.exit_status, 3U);
  }
  EXPECT_FALSE(publisher_->log().finished);
  control.SendStatus(4, control::Mode::kEnded);
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) { return log.finished.has_value(); }));
  EXPECT_TRUE(publisher_->log().finished->empty());
}

TEST_P(Live, TheEndIsToldOnTheControlSocketToo) {
  Start();
  publisher_->Publish("one\n");
  ControlByHand control(endpoint());
  (void)control.Join();
  publisher_->End(kUnknownExitStatus);
  const auto next = control.NextMessage();
  const auto* block = std::get_if<BlockMessage>(&next);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(block->header.kind, BlockKind::kEndOfStream);
  EXPECT_EQ(block->header.exit_status, kUnknownExitStatus);
}

TEST_P(Live, AReadThatReachesTheEndIsToldSo) {
  Start();
  publisher_->Publish("one\n");
  publisher_->End(0);
  ControlByHand control(endpoint());
  EXPECT_TRUE(control.Join().ended);
  const Answer answer = control.Read(0, 100);
  EXPECT_EQ(answer.bytes, "one\n");
  EXPECT_TRUE(answer.ended);
  EXPECT_TRUE(answer.done.ended);
  EXPECT_EQ(answer.done.next, 4U);
}

TEST_P(Live, WithNoMembersTheEndNeedsNoConfirmation) {
  Start();
  publisher_->Publish("one\n");
  publisher_->End(0);
  EXPECT_TRUE(publisher_->Eventually([](const auto& log) { return log.finished.has_value(); }));
}

TEST_P(Live, AMemberThatDoesNotConfirmIsWaitedForNoLongerThanLinger) {
  PublishedStreamOptions options;
  options.linger = std::chrono::milliseconds(300);
  Start(options);
  publisher_->Publish("one\n");
  ControlByHand control(endpoint());
  (void)control.Join();
  control.SendStatus(0);
  publisher_->End(0);
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) { return log.finished.has_value(); }));
  ASSERT_EQ(publisher_->log().finished->size(), 1U);
  EXPECT_NE(publisher_->log().finished->at(0).find("by hand"), std::string::npos);
}

TEST_P(Live, AnOnlookerIsNotWaitedFor) {
  Start();
  publisher_->Publish("one\n");
  ControlByHand control(endpoint());
  (void)control.Join(control::Role::kTop);
  publisher_->End(0);
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) { return log.finished.has_value(); }));
  EXPECT_TRUE(publisher_->log().finished->empty());
}

// ---- side by side ----

TEST_P(Live, ReplaysAreServedWhileTheLiveStreamGoesOn) {
  Start();
  std::string text = Lines(8 * kMiB);
  PublishAll(text);
  LiveByHand live(endpoint());
  ControlByHand control(endpoint());
  (void)control.Join();
  const Position head = text.size();
  control.Send(ControlByHand::ReadAt(0, 4 * kMiB, 1));
  control.Send(ControlByHand::ReadAt(4 * kMiB, 4 * kMiB, 2));
  const std::string more = Lines(4 * kMiB, 200'000);
  PublishAll(more);
  std::string received;
  while (received.size() < more.size() && !HasFailure()) {
    const BlockMessage block = live.NextData();
    ASSERT_EQ(block.header.position, head + received.size());
    received += block.payload;
  }
  EXPECT_TRUE(Same(received, more));
  const std::string first = control.Collect().bytes;
  EXPECT_TRUE(Same(first + control.Collect().bytes, text));
}

TEST_P(Live, AMemberThatNeverReadsDoesNotStopAnother) {
  Start();
  const std::string text = Lines(8 * kMiB);
  PublishAll(text);
  std::vector<std::unique_ptr<ControlByHand>> stuck;
  for (int i = 0; i < 5; ++i) {
    // What it took in would count as the publisher's memory here, which is bounded.
    const Papers papers = {.queue = 1};
    stuck.push_back(
        std::make_unique<ControlByHand>(endpoint(), "e" + std::to_string(i), papers));
    stuck.back()->Send(stuck.back()->Hello());
    for (std::uint64_t read = 1; read <= 4; ++read) {
      stuck.back()->Send(ControlByHand::ReadAt(0, control::kMaxReadBytes, read));
    }
  }
  ControlByHand good(endpoint());
  (void)good.Join();
  std::string received;
  while (received.size() < text.size() && !HasFailure()) {
    received += good.Read(received.size(), control::kMaxReadBytes).bytes;
  }
  EXPECT_TRUE(Same(received, text));
}

}  // namespace
}  // namespace pipedup
