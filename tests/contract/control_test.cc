// hello, read, status, stats, bye: what is asked, and what is answered.
#include <gtest/gtest.h>

#include <variant>

#include "contract_test_base.h"

namespace pipedup {
namespace {

using control::Done;
using control::ReadFrom;

class Control : public ContractTest {};
PIPEDUP_OVER_ALL_TRANSPORTS(Control);

TEST_P(Control, HelloIsAnsweredWithAWelcome) {
  Start();
  publisher_->Publish("one\ntwo\n");
  ControlByHand peer(endpoint());
  const control::Welcome welcome = peer.Join();
  EXPECT_EQ(welcome.version, 1);
  EXPECT_EQ(welcome.stream, "demo");
  EXPECT_EQ(welcome.session, kSession);
  EXPECT_EQ(welcome.tail, 0U);
  EXPECT_EQ(welcome.head, 8U);
  EXPECT_EQ(welcome.records, RecordFormat::kLines);
  EXPECT_EQ(welcome.codec, "none");
  EXPECT_FALSE(welcome.ended);
  EXPECT_EQ(welcome.heartbeat_ms, 1000U);
  EXPECT_EQ(welcome.window, 0U) << "the producer never waits";
  EXPECT_GT(welcome.started_ns, 0);
  EXPECT_GE(welcome.now_ns, welcome.started_ns);
  EXPECT_EQ(publisher_->log().joined, std::vector<std::string>{"a1"});
}

TEST_P(Control, HelloNeedNotNameTheStream) {
  Start();
  ControlByHand peer(endpoint());
  control::Hello hello = peer.Hello();
  hello.stream.reset();
  peer.Send(hello);
  EXPECT_EQ(peer.Expect<control::Welcome>().stream, "demo");
}

TEST_P(Control, HelloForAnotherStreamIsRefused) {
  Start();
  ControlByHand peer(endpoint());
  control::Hello hello = peer.Hello();
  hello.stream = "dmeo";
  peer.Send(hello);
  const auto refused = peer.Expect<control::Refused>();
  EXPECT_EQ(refused.code, "stream");
  EXPECT_NE(refused.reason.find("demo"), std::string::npos) << refused.reason;
  EXPECT_TRUE(publisher_->log().joined.empty());
}

TEST_P(Control, HelloOfAnotherVersionIsRefusedWhateverElseItSays) {
  Start();
  ControlByHand peer(endpoint());
  peer.Send(R"({"op":"hello","v":2,"id":17,"stream":{"x":[]}})");
  const auto refused = peer.Expect<control::Refused>();
  EXPECT_EQ(refused.code, "version");
  EXPECT_NE(refused.reason.find('1'), std::string::npos) << "names both: " << refused.reason;
  EXPECT_NE(refused.reason.find('2'), std::string::npos) << "names both: " << refused.reason;
}

TEST_P(Control, HelloIsRefusedWhenThereIsNoRoomButNotForWhoIsInAlready) {
  Start({}, RecordFormat::kLines, {}, {.endpoints = {}, .max_subs = 1});
  ControlByHand first(endpoint(), "a1");
  (void)first.Join();
  ControlByHand second(endpoint(), "b2");
  second.Send(second.Hello());
  EXPECT_EQ(second.Expect<control::Refused>().code, "full");
  ControlByHand first_again(endpoint(), "a1");  // the same, over a new connection
  (void)first_again.Join();
  first_again.Send(control::Bye{});
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) { return log.left.size() == 1; }));
  (void)second.Join();
}

TEST_P(Control, AnIdOverANewConnectionTakesTheOldOnesPlace) {
  Start();
  publisher_->Publish("one\n");
  ControlByHand before(endpoint());
  (void)before.Join();
  ControlByHand after(endpoint());
  (void)after.Join();
  EXPECT_EQ(after.Read(0, 100).bytes, "one\n");
  before.Send(ControlByHand::ReadAt(0, 100));
  EXPECT_EQ(before.Expect<control::Error>().code, "unknown-member");
  EXPECT_EQ(publisher_->log().joined.size(), 1U);
}

TEST_P(Control, WhatStreamsThereAreIsToldToAnybody) {
  Start();
  ControlByHand peer(endpoint());
  peer.Send(control::List{});
  const auto all = peer.Expect<control::Streams>();
  ASSERT_EQ(all.streams.size(), 1U);
  EXPECT_FALSE(all.more);
  EXPECT_FALSE(all.streams[0].ended);
  ControlByHand member(endpoint());
  EXPECT_EQ(all.streams[0].session, member.Join().session);
  peer.Send(control::List{all.streams[0].stream});
  EXPECT_TRUE(peer.Expect<control::Streams>().streams.empty()) << "none sorts behind it";
  publisher_->End(0);
  EXPECT_TRUE(test::Eventually([&] {
    peer.Send(control::List{});
    return peer.Expect<control::Streams>().streams.at(0).ended;
  }));
}

TEST_P(Control, OneThatComesBackStandsWhereItSays) {
  // As a subscriber does that was killed, and whose file holds less than it had confirmed.
  Start();
  publisher_->Publish("one\ntwo\n");
  ControlByHand before(endpoint());
  (void)before.Join();
  before.SendStatus(8);
  ControlByHand after(endpoint());
  const auto position = [&after] {
    after.Send(control::StatsRequest{});
    const auto stats = after.Expect<control::Stats>();
    return stats.subscribers.empty() ? Position{UINT64_MAX} : stats.subscribers[0].position;
  };
  ASSERT_TRUE(test::Eventually([&] { return position() == 8; }));
  (void)after.Join();
  after.SendStatus(4);
  EXPECT_EQ(position(), 4U);
  before.SendStatus(8);
  EXPECT_EQ(before.Expect<control::Error>().code, "unknown-member");
  EXPECT_EQ(position(), 4U);
  after.SendStatus(2);
  EXPECT_EQ(position(), 4U) << "over one connection nobody goes back";
}

TEST_P(Control, OneThatComesBackConfirmsTheEndAgain) {
  Start();
  publisher_->Publish("one\n");
  ControlByHand first(endpoint(), "a1");
  (void)first.Join();
  ControlByHand second(endpoint(), "b2");
  (void)second.Join();
  publisher_->End(0);
  first.SendStatus(4, control::Mode::kEnded);
  ControlByHand again(endpoint(), "a1");
  (void)again.Join();
  second.SendStatus(4, control::Mode::kEnded);
  second.Send(control::StatsRequest{});
  while (!std::holds_alternative<control::Message>(second.NextMessage())) {
  }
  EXPECT_FALSE(publisher_->log().finished);
  again.SendStatus(4, control::Mode::kEnded);
  EXPECT_TRUE(publisher_->Eventually([](const auto& log) { return log.finished.has_value(); }));
}

TEST_P(Control, StrangersAreToldToSayHello) {
  Start();
  ControlByHand peer(endpoint());
  peer.Send(ControlByHand::ReadAt(0, 100));
  EXPECT_EQ(peer.Expect<control::Error>().code, "unknown-member");
  peer.SendStatus(0);
  EXPECT_EQ(peer.Expect<control::Error>().code, "unknown-member");
  (void)peer.Join();
}

TEST_P(Control, AReadIsAnsweredWithTheBytesAndWhereTheyEnd) {
  Start();
  publisher_->Publish("one\ntwo\n");
  publisher_->Publish("three\nfour");
  ControlByHand peer(endpoint());
  (void)peer.Join();
  const Answer answer = peer.Read(ControlByHand::ReadAt(2, 12, 77));
  EXPECT_EQ(answer.bytes, "e\ntwo\nthree\n");
  EXPECT_EQ(answer.done.request, 77U);
  EXPECT_EQ(answer.done.outcome, Done::Outcome::kOk);
  EXPECT_EQ(answer.done.session, kSession);
  EXPECT_EQ(answer.done.next, 14U);
  EXPECT_EQ(answer.done.tail, 0U);
  EXPECT_EQ(answer.done.head, 18U);
  EXPECT_FALSE(answer.done.ended);
  Position at = 2;
  for (const BlockMessage& block : answer.blocks) {
    EXPECT_EQ(block.header.session, kSession);
    EXPECT_EQ(block.header.position, at) << "without a gap";
    at = block.header.end();
  }
  EXPECT_FALSE(answer.blocks.front().header.begins_record);
  EXPECT_EQ(answer.blocks.front().header.records_before, 0U);
  EXPECT_TRUE(answer.blocks.back().header.ends_record);
}

TEST_P(Control, AReadNeverBringsMoreThanItAskedFor) {
  Start();
  const std::string text = Lines(kMiB);
  PublishAll(text);
  ControlByHand peer(endpoint());
  (void)peer.Join();
  for (const std::uint64_t max : {std::uint64_t{1}, std::uint64_t{63}, std::uint64_t{1000},
                                  std::uint64_t{256 * 1024}, std::uint64_t{600'001}}) {
    const Answer answer = peer.Read(100, max);
    EXPECT_TRUE(Same(answer.bytes, text.substr(100, max)));
    EXPECT_EQ(answer.done.next, 100 + max);
  }
}

TEST_P(Control, AReadAtTheHeadIsAnsweredAtOnce) {
  Start();
  publisher_->Publish("one\n");
  ControlByHand peer(endpoint());
  (void)peer.Join();
  const Answer answer = peer.Read(4, 100);
  EXPECT_TRUE(answer.blocks.empty());
  EXPECT_EQ(answer.done.next, 4U);
}

TEST_P(Control, AReadBeyondTheHeadBringsNothing) {
  Start();
  publisher_->Publish("one\n");
  ControlByHand peer(endpoint());
  (void)peer.Join();
  for (const Position from : {Position{5}, Position{1} << 40, Position{UINT64_MAX}}) {
    const Answer answer = peer.Read(from, 100);
    EXPECT_TRUE(answer.blocks.empty());
    EXPECT_EQ(answer.done.outcome, Done::Outcome::kOk);
  }
}

TEST_P(Control, AReadOfTheLastRecordsBeginsAtTheirFirstByte) {
  Start();
  publisher_->Publish("one\ntwo\nthree\nfo");
  ControlByHand peer(endpoint());
  (void)peer.Join();
  const auto last = [&](std::uint64_t count) {
    return peer.Read({1, kSession, {ReadFrom::Kind::kLast, count}, 100}).bytes;
  };
  EXPECT_EQ(last(0), "fo");
  EXPECT_EQ(last(1), "three\nfo");
  EXPECT_EQ(last(2), "two\nthree\nfo");
  EXPECT_EQ(last(3), "one\ntwo\nthree\nfo");
  EXPECT_EQ(last(UINT64_MAX), "one\ntwo\nthree\nfo");
}

TEST_P(Control, AReadOfTheLastRecordsOfARawStreamIsAnError) {
  Start({}, RecordFormat::kRaw);
  publisher_->Publish("one\n");
  ControlByHand peer(endpoint());
  EXPECT_EQ(peer.Join().records, RecordFormat::kRaw);
  peer.Send(control::Read{1, kSession, {ReadFrom::Kind::kLast, 1}, 100});
  const auto error = peer.Expect<control::Error>();
  EXPECT_EQ(error.code, "no-records");
  EXPECT_EQ(error.request, 1U);
  EXPECT_EQ(peer.Read(0, 100).bytes, "one\n");
}

TEST_P(Control, AReadSinceATimeBeginsAtTheFirstBlockPublishedThen) {
  Start();
  publisher_->Publish("one\n");
  publisher_->Publish("two\n");
  ControlByHand peer(endpoint());
  (void)peer.Join();
  const BlockHeader first = peer.Read(0, 1).blocks.at(0).header;
  const BlockHeader second = peer.Read(4, 1).blocks.at(0).header;
  ASSERT_LT(first.time_ns, second.time_ns);
  const auto since = [&](std::int64_t time) {
    return peer
        .Read({1, kSession, {ReadFrom::Kind::kSince, static_cast<std::uint64_t>(time)}, 100})
        .bytes;
  };
  EXPECT_EQ(since(0), "one\ntwo\n");
  EXPECT_EQ(since(first.time_ns), "one\ntwo\n");
  EXPECT_EQ(since(first.time_ns + 1), "two\n");
  EXPECT_EQ(since(second.time_ns + 1), "");
  EXPECT_EQ(since(INT64_MAX), "");
}

TEST_P(Control, APingIsAnsweredAtOnceAndNeedsNoSoundPosition) {
  Start();
  publisher_->Publish("one\n");
  ControlByHand peer(endpoint());
  (void)peer.Join();
  const Answer answer = peer.Read(ControlByHand::ReadAt(UINT64_MAX, 0, UINT64_MAX));
  EXPECT_TRUE(answer.blocks.empty());
  EXPECT_EQ(answer.done.request, UINT64_MAX);
  EXPECT_EQ(answer.done.outcome, Done::Outcome::kOk);
  EXPECT_EQ(answer.done.head, 4U);
}

TEST_P(Control, WhatIsNoLongerKeptIsGone) {
  Start(Retaining(kMiB));
  PublishAll(Lines(4 * kMiB));
  ASSERT_GT(publisher_->tail(), 0U);
  ControlByHand peer(endpoint());
  const control::Welcome welcome = peer.Join();
  EXPECT_EQ(welcome.tail, publisher_->tail());
  const Answer gone = peer.Read(0, 100);
  EXPECT_TRUE(gone.blocks.empty());
  EXPECT_EQ(gone.done.outcome, Done::Outcome::kGone);
  EXPECT_EQ(gone.done.tail, publisher_->tail());
  EXPECT_EQ(peer.Read(gone.done.tail, 100).bytes.size(), 100U);
}

TEST_P(Control, AReadOfAnotherSessionIsToldWhichThereIs) {
  Start();
  publisher_->Publish("one\n");
  ControlByHand peer(endpoint());
  (void)peer.Join();
  control::Read read = ControlByHand::ReadAt(0, 100);
  read.session = 99;
  const Answer answer = peer.Read(read);
  EXPECT_TRUE(answer.blocks.empty());
  EXPECT_EQ(answer.done.outcome, Done::Outcome::kWrongSession);
  EXPECT_EQ(answer.done.session, kSession);
}

TEST_P(Control, ReadsBeyondTheCreditAreRefusedAndTheOthersAnsweredInOrder) {
  Start();
  const std::string text = Lines(8 * kMiB);
  PublishAll(text);
  ControlByHand peer(endpoint());
  (void)peer.Join();
  constexpr std::uint64_t kReads = 30;
  for (std::uint64_t i = 1; i <= kReads; ++i) {
    peer.Send(ControlByHand::ReadAt(0, control::kMaxReadBytes, i));
  }
  std::uint64_t last = 0;
  std::uint64_t answered = 0;
  std::uint64_t refused = 0;
  std::uint64_t bytes = 0;
  while (answered + refused < kReads && !HasFailure()) {
    const auto next = peer.NextMessage();
    if (const auto* block = std::get_if<BlockMessage>(&next)) {
      bytes += block->header.length;
      continue;
    }
    const auto& message = std::get<control::Message>(next);
    if (const auto* done = std::get_if<Done>(&message)) {
      EXPECT_GT(done->request, last);
      last = done->request;
      ++answered;
    } else {
      const auto& error = std::get<control::Error>(message);
      EXPECT_EQ(error.code, "too-many-reads");
      EXPECT_TRUE(error.request.has_value());
      ++refused;
    }
  }
  EXPECT_GE(answered, 2U) << "that many may be outstanding";
  EXPECT_GT(refused, 0U);
  EXPECT_EQ(bytes, answered * control::kMaxReadBytes);
  EXPECT_EQ(peer.Read(0, 64).bytes, text.substr(0, 64)) << "there is credit again";
}

TEST_P(Control, ByeLeaves) {
  Start();
  ControlByHand peer(endpoint());
  (void)peer.Join();
  peer.Send(control::Bye{});
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) { return log.left.size() == 1; }));
  EXPECT_FALSE(publisher_->log().left[0].second) << "it did not vanish";
  peer.Send(ControlByHand::ReadAt(0, 100));
  EXPECT_EQ(peer.Expect<control::Error>().code, "unknown-member");
}

TEST_P(Control, StatsTellOfEverySubscriber) {
  Start();
  publisher_->Publish("one\ntwo\n");
  ControlByHand peer(endpoint());
  (void)peer.Join();
  peer.Send(control::Status{kSession, 4, 17, control::Mode::kCatchUp});
  ControlByHand onlooker(endpoint(), "c3");  // no member
  control::Stats stats;
  ASSERT_TRUE(test::Eventually([&] {
    onlooker.Send(control::StatsRequest{});
    stats = onlooker.Expect<control::Stats>();
    return HasFailure() || (stats.subscribers.size() == 1 && stats.subscribers[0].lost == 17);
  }));
  EXPECT_EQ(stats.stream, "demo");
  EXPECT_EQ(stats.session, kSession);
  EXPECT_EQ(stats.head, 8U);
  EXPECT_EQ(stats.subscribers_total, 1U);
  const control::SubscriberRow& row = stats.subscribers.at(0);
  EXPECT_EQ(row.id.size(), 16U) << "a name for the row, not the subscriber's own id";
  EXPECT_TRUE(row.name.starts_with("by hand "));
  EXPECT_EQ(row.host, "here");
  EXPECT_EQ(row.pid, 4711);
  EXPECT_EQ(row.role, control::Role::kSub);
  EXPECT_EQ(row.mode, control::Mode::kCatchUp);
  EXPECT_EQ(row.position, 4U);
  EXPECT_EQ(row.lag_bytes, 4U);
  EXPECT_GE(row.lag_seconds, 0);
  EXPECT_GE(stats.counters.at("hellos"), 1U);
  EXPECT_EQ(stats.counters.at("blocks"), 1U);
}

TEST_P(Control, StatsAreOfTheStreamThatIsNamed) {
  Start();
  ControlByHand onlooker(endpoint());
  onlooker.Send(control::StatsRequest{"demo"});
  EXPECT_EQ(onlooker.Expect<control::Stats>().stream, "demo");
  onlooker.Send(control::StatsRequest{"demo2"});
  EXPECT_EQ(onlooker.Expect<control::Error>().code, "unknown-stream");
}

TEST_P(Control, StatsTellFirstOfThoseThatLagMost) {
  Start();
  publisher_->Publish("one\ntwo\n");
  std::vector<std::unique_ptr<ControlByHand>> peers;
  for (const Position position : {8U, 0U, 4U}) {
    peers.push_back(
        std::make_unique<ControlByHand>(endpoint(), "c" + std::to_string(position)));
    (void)peers.back()->Join();
    peers.back()->Send(control::Status{kSession, position, 0, control::Mode::kLive});
  }
  ControlByHand onlooker(endpoint(), "a0");
  std::vector<Position> positions;
  EXPECT_TRUE(test::Eventually([&] {
    onlooker.Send(control::StatsRequest{});
    positions.clear();
    for (const auto& row : onlooker.Expect<control::Stats>().subscribers) {
      positions.push_back(row.position);
    }
    return HasFailure() || positions == std::vector<Position>{0, 4, 8};
  })) << ::testing::PrintToString(positions);
}

TEST_P(Control, AMemberThatIsLiveMakesThePublisherReady) {
  Start();
  ControlByHand peer(endpoint());
  (void)peer.Join();
  peer.SendStatus(0, control::Mode::kCatchUp);
  peer.SendStatus(0, control::Mode::kLive);
  EXPECT_TRUE(publisher_->Eventually([](const auto& log) { return log.ready == 1; }));
}

// ---- back pressure ----

TEST_P(Control, WithAWindowTheProducerWaitsForTheSlowestMember) {
  PublishedStreamOptions options = Retaining(kMiB);
  options.wait = true;
  Start(options);
  ControlByHand peer(endpoint());
  EXPECT_EQ(peer.Join().window, kMiB / 4);
  peer.SendStatus(0);
  const std::string text = Lines(kMiB / 2);
  PublishAll(text);
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) { return log.waits_for == "a1"; }));
  peer.SendStatus(text.size());
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) { return log.waits_for.empty(); }));
  EXPECT_EQ(publisher_->log().holds, 1);
}

TEST_P(Control, WithAWindowNothingThatAMemberNeedsIsDropped) {
  PublishedStreamOptions options = Retaining(kMiB);
  options.wait = true;
  Start(options);
  ControlByHand peer(endpoint());
  (void)peer.Join();
  peer.SendStatus(0);
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) { return log.ready == 1; }));
  const std::string text = Lines(4 * kMiB);  // a source would have stopped long before
  PublishAll(text);
  EXPECT_EQ(publisher_->tail(), 0U);
  EXPECT_TRUE(Same(peer.Read(0, 4 * kMiB).bytes, text));
}

TEST_P(Control, ATapIsNeverWaitedFor) {
  PublishedStreamOptions options = Retaining(kMiB);
  options.wait = true;
  Start(options);
  ControlByHand peer(endpoint());
  EXPECT_EQ(peer.Join(control::Role::kTap).window, 0U);
  peer.SendStatus(0);
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) { return log.ready == 1; }));
  PublishAll(Lines(4 * kMiB));
  EXPECT_EQ(publisher_->log().holds, 0);
  EXPECT_GT(publisher_->tail(), 0U);
}

TEST_P(Control, AMemberThatStallsIsLetGoAndTold) {
  PublishedStreamOptions options = Retaining(kMiB);
  options.wait = true;
  options.stall_limit = std::chrono::milliseconds(100);
  Start(options);
  ControlByHand peer(endpoint());
  (void)peer.Join();
  peer.SendStatus(0);
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) { return log.ready == 1; }));
  PublishAll(Lines(kMiB / 2));
  EXPECT_FALSE(peer.Expect<control::LetGo>().reason.empty());
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) { return log.waits_for.empty(); }));
  EXPECT_EQ(publisher_->log().let_go, std::vector<std::string>{"a1"});
}

}  // namespace
}  // namespace pipedup
