// What a relay makes of a parent that is asked for ranges, and does not answer as it should.
#include "subscribe/range_reader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "by_hand.h"
#include "running_publisher.h"

namespace pipedup {
namespace {

using namespace std::chrono_literals;

/// The control socket of a publisher that says what the test wants. One peer at a time.
class ParentByHand {
 public:
  ParentByHand() : socket_(context_, zmq::socket_type::router) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::rcvtimeo, kPatienceMs);
    socket_.bind("tcp://127.0.0.1:*");
    const std::string bound = socket_.get(zmq::sockopt::last_endpoint);
    endpoint_.host = "127.0.0.1";
    endpoint_.port =
        static_cast<std::uint16_t>(std::stoi(bound.substr(bound.rfind(':') + 1)) - 1);
  }
  const Endpoint& endpoint() const { return endpoint_; }

  /// The next request of that type; others, byes above all, are passed over.
  template <typename Message>
  Message Expect() {
    while (true) {
      zmq::message_t route;
      zmq::message_t text;
      if (!socket_.recv(route) || !socket_.recv(text)) {
        ADD_FAILURE() << "nothing came";
        return {};
      }
      const control::ParseResult parsed = control::Parse(AsBytes(text.to_string_view()));
      const auto* message = std::get_if<control::Message>(&parsed);
      const auto* wanted = message == nullptr ? nullptr : std::get_if<Message>(message);
      if (wanted == nullptr) continue;
      route_ = route.to_string();
      return *wanted;
    }
  }
  void Say(const control::Message& message) {
    socket_.send(zmq::buffer(route_), zmq::send_flags::sndmore);
    socket_.send(zmq::buffer(control::Encode(message)), zmq::send_flags::none);
  }
  /// A block of that text at the position; `damaged`: with another checksum.
  void Send(Position position, const std::string& text, bool damaged = false,
            SessionId session = kSession) {
    BlockHeader header;
    header.kind = BlockKind::kData;
    header.session = session;
    header.position = position;
    header.length = static_cast<std::uint32_t>(text.size());
    header.checksummed = true;
    header.checksum = Checksum(AsBytes(text)) + (damaged ? 1 : 0);
    socket_.send(zmq::buffer(route_), zmq::send_flags::sndmore);
    const auto frame = EncodeFrame("", header);
    socket_.send(zmq::buffer(frame.data(), frame.size()), zmq::send_flags::sndmore);
    socket_.send(zmq::buffer(text), zmq::send_flags::none);
  }
  void Done(const control::Read& read, Position next,
            control::Done::Outcome outcome = control::Done::Outcome::kOk, Position tail = 0) {
    control::Done done;
    done.request = read.request;
    done.session = kSession;
    done.outcome = outcome;
    done.next = next;
    done.tail = tail;
    done.head = 1'000'000;
    Say(done);
  }
  /// Takes in a peer, whose first question it is.
  control::Read Meet(SessionId session = kSession) {
    (void)Expect<control::Hello>();
    control::Welcome welcome;
    welcome.stream = "demo";
    welcome.session = session;
    welcome.head = 1'000'000;
    Say(welcome);
    return session == kSession ? Expect<control::Read>() : control::Read();
  }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_;
  Endpoint endpoint_;
  std::string route_;
};

/// Asks, and keeps what comes of it. In a thread of its own.
class Asker final : private RangeReaderEvents {
 public:
  struct End {
    std::uint64_t ticket = 0;
    std::optional<control::Done> done = {};
  };
  Asker(std::vector<Endpoint> parents, Duration patience) {
    control::Hello hello;
    hello.id = "a1";
    hello.stream = "demo";
    hello.role = control::Role::kTap;
    RangeReaderEvents& events = *this;
    loop_.Do([&] {
      reader_ = std::make_unique<RangeReader>(context_, loop_.loop(), std::move(parents), hello,
                                              kSession, patience, events);
    });
  }
  ~Asker() override {
    loop_.Do([&] { reader_.reset(); });
  }
  bool Ask(std::uint64_t ticket, Position from, std::uint64_t max) {
    bool taken = false;
    loop_.Do([&] {
      taken = reader_->Ask(ticket, {control::ReadFrom::Kind::kPosition, from}, max);
    });
    return taken;
  }
  void ExpectEnd() {
    loop_.Do([&] { reader_->ExpectEnd(); });
  }
  void SetNeeded(bool needed) { needed_ = needed; }
  std::string bytes() {
    std::string text;
    loop_.Do([&] { text = bytes_; });
    return text;
  }
  std::vector<End> WaitForEnds(std::size_t count) {
    std::vector<End> ends;
    EXPECT_TRUE(test::Eventually([&] {
      loop_.Do([&] { ends = ends_; });
      return ends.size() >= count;
    }));
    return ends;
  }

 private:
  void OnRangeBlock(std::uint64_t, const BlockHeader& header, SharedBytes payload) override {
    EXPECT_EQ(header.length, payload.size());
    bytes_ += AsText(payload.bytes);
  }
  void OnRangeDone(std::uint64_t ticket, const control::Done* done) override {
    ends_.push_back({ticket, done == nullptr ? std::nullopt : std::optional(*done)});
  }

  bool MoreIsNeeded() const override { return needed_; }

  std::atomic<bool> needed_ = false;
  Context context_;
  TestLoop loop_;
  std::unique_ptr<RangeReader> reader_;
  std::string bytes_;
  std::vector<End> ends_;
};

TEST(RangeReaderTest, ARangeComesAsItWasAskedForAndTwoQuestionsAreTakenAtATime) {
  ParentByHand parent;
  Asker asker({parent.endpoint()}, 5s);
  EXPECT_TRUE(asker.Ask(7, 100, 1000));
  EXPECT_TRUE(asker.Ask(8, 200, 1000));
  EXPECT_FALSE(asker.Ask(9, 300, 1000));
  const control::Read first = parent.Meet();
  const auto second = parent.Expect<control::Read>();
  EXPECT_EQ(first.from.value, 100U);
  EXPECT_EQ(first.max, 1000U);
  EXPECT_EQ(second.from.value, 200U);
  parent.Send(100, "one\n");
  parent.Send(104, "two\n");
  parent.Done(first, 108);
  parent.Done(second, 200, control::Done::Outcome::kGone, 5000);
  const auto ends = asker.WaitForEnds(2);
  EXPECT_EQ(asker.bytes(), "one\ntwo\n");
  EXPECT_EQ(ends[0].ticket, 7U);
  EXPECT_EQ(ends[0].done->next, 108U);
  EXPECT_EQ(ends[1].ticket, 8U);
  EXPECT_EQ(ends[1].done->outcome, control::Done::Outcome::kGone);
  EXPECT_EQ(ends[1].done->tail, 5000U);
}

TEST(RangeReaderTest, AnAnswerThatBreaksOffIsAskedForFromThereOn) {
  ParentByHand parent;
  Asker asker({parent.endpoint()}, 300ms);
  asker.Ask(1, 0, 1000);
  const control::Read first = parent.Meet();
  parent.Send(0, "one\n");
  const control::Read rest = parent.Meet();  // after its patience, over a new connection
  EXPECT_NE(rest.request, first.request);
  EXPECT_EQ(rest.from.value, 4U);
  EXPECT_EQ(rest.max, 996U);
  parent.Send(0, "one\n");  // came before
  parent.Send(4, "two\n");
  parent.Done(first, 8);  // of the question before
  parent.Done(rest, 8);
  const auto ends = asker.WaitForEnds(1);
  EXPECT_EQ(asker.bytes(), "one\ntwo\n");
  EXPECT_EQ(ends[0].done->request, rest.request);
}

TEST(RangeReaderTest, WhatIsNoAnswerIsAskedForAgain) {
  ParentByHand parent;
  Asker asker({parent.endpoint()}, 20s);
  asker.Ask(1, 100, 8);
  (void)parent.Meet();
  parent.Send(100, "bad\n", true);  // damaged
  (void)parent.Meet();
  parent.Send(104, "two\n");  // not the first one
  (void)parent.Meet();
  parent.Send(100, "other session\n", false, kSession + 1);  // passed over
  parent.Say(control::Error{"unknown-member", ""});
  const control::Read behind = parent.Meet();
  parent.Done(behind, 50);  // it has not got there yet
  const control::Read gone = parent.Meet();
  parent.Done(gone, 0, control::Done::Outcome::kWrongSession);
  (void)parent.Meet();
  parent.Send(100, "one\ntwo\n");
  parent.Send(108, "more than was asked for\n");
  const control::Read last = parent.Meet();
  EXPECT_EQ(last.max, 0U);
  parent.Done(last, 108);
  const auto ends = asker.WaitForEnds(1);
  EXPECT_EQ(asker.bytes(), "one\ntwo\n");
  EXPECT_TRUE(ends[0].done);
}

TEST(RangeReaderTest, OneThatRefusesIsLeftForTheNextOne) {
  ParentByHand full;
  ParentByHand other;
  Asker asker({full.endpoint(), other.endpoint()}, 20s);
  asker.Ask(1, 0, 1000);
  (void)full.Expect<control::Hello>();
  full.Say(control::Refused{"full", "there are too many"});
  const control::Read read = other.Meet();
  other.Send(0, "one\n");
  other.Done(read, 4);
  asker.WaitForEnds(1);
  EXPECT_EQ(asker.bytes(), "one\n");
}

TEST(RangeReaderTest, OneWithAnotherSessionIsLeftForTheNextOne) {
  ParentByHand parent;
  ParentByHand other;
  Asker asker({parent.endpoint(), other.endpoint()}, 20s);
  asker.Ask(1, 0, 1000);
  (void)parent.Meet(kSession + 1);
  const control::Read read = other.Meet();
  other.Done(read, 0);
  EXPECT_TRUE(asker.WaitForEnds(1)[0].done);
}

TEST(RangeReaderTest, SilenceHasAnEndAndThenTakesLess) {
  ParentByHand silent;
  Asker asker({silent.endpoint()}, 100ms);
  const auto begun = test::Clock::now();
  asker.Ask(1, 0, 1000);
  asker.Ask(2, 0, 1000);
  const auto ends = asker.WaitForEnds(2);
  EXPECT_FALSE(ends[0].done);
  EXPECT_FALSE(ends[1].done);
  EXPECT_GE(test::Clock::now() - begun, 1s) << "ten times its patience";
  asker.Ask(3, 0, 1000);
  EXPECT_FALSE(asker.WaitForEnds(3)[2].done);
}

TEST(RangeReaderTest, AtTheEndOfTheStreamOnePatienceIsEnough) {
  ParentByHand silent;
  Asker asker({silent.endpoint()}, 200ms);
  asker.ExpectEnd();
  asker.Ask(1, 0, 1000);
  EXPECT_FALSE(asker.WaitForEnds(1)[0].done);
}

TEST(RangeReaderTest, AtTheEndItStaysWhileMoreIsNeededAndThenLeaves) {
  ParentByHand parent;
  Asker asker({parent.endpoint()}, 20s);
  asker.SetNeeded(true);
  asker.ExpectEnd();
  asker.Ask(1, 0, 1000);
  const control::Read read = parent.Meet();
  parent.Done(read, 0);
  asker.WaitForEnds(1);
  EXPECT_EQ(parent.Expect<control::Read>().max, 0U) << "it says that it is there";
  asker.SetNeeded(false);
  (void)parent.Expect<control::Bye>();
}

}  // namespace
}  // namespace pipedup
