// StatsReader, against publishers that answer, do not, or do not as they should.
#include "subscribe/stats_reader.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>

#include "several_streams.h"

namespace pipedup {
namespace {

using namespace std::chrono_literals;

class StatsReaderTest : public SeveralStreamsTest {
 protected:
  ~StatsReaderTest() override {
    thread_.Do([this] { reader_.reset(); });
  }
  void Read(const std::string& streams = "*", Duration timeout = 30s) {
    ReadAt(endpoint_, streams, timeout);
  }
  void ReadAt(const Endpoint& endpoint, const std::string& streams, Duration timeout) {
    thread_.Do([&] {
      reader_ = std::make_unique<StatsReader>(
          context_, thread_.loop(), StatsReaderOptions{endpoint, streams, 10ms, timeout},
          [] {});
    });
  }
  template <typename Predicate>
  [[nodiscard]] bool Eventually(Predicate is_true) {
    return test::Eventually([&] {
      bool is = false;
      thread_.Do([&] { is = is_true(*reader_); });
      return is;
    });
  }

  std::unique_ptr<StatsReader> reader_;
};

TEST_F(StatsReaderTest, TellsOfEveryStreamRoundAfterRound) {
  Add("a", 1, "bytes\n");
  Add("b", 2, "more bytes\n");
  Read();
  ASSERT_TRUE(Eventually([](const StatsReader& reader) { return reader.rounds() >= 2; }));
  thread_.Do([this] {
    ASSERT_EQ(reader_->streams().size(), 2U);
    EXPECT_EQ(reader_->streams()[0].stats.head, 6U);
    EXPECT_EQ(reader_->streams()[1].stats.head, 11U);
    EXPECT_FALSE(reader_->away());
    EXPECT_EQ(reader_->refused(), "");
  });
  Add("c", 3, "");
  EXPECT_TRUE(
      Eventually([](const StatsReader& reader) { return reader.streams().size() == 3; }));
  thread_.Do([this] { streams_[0].publisher->End(0); });
  EXPECT_TRUE(Eventually([](const StatsReader& reader) { return reader.streams()[0].ended; }));
}

TEST_F(StatsReaderTest, AsksForThoseThatMatch) {
  Add("web1", 1, "");
  Add("web2", 2, "");
  Add("db", 3, "");
  Read("web?");
  ASSERT_TRUE(Eventually([](const StatsReader& reader) { return reader.rounds() > 0; }));
  thread_.Do([this] {
    ASSERT_EQ(reader_->streams().size(), 2U);
    EXPECT_EQ(reader_->streams()[1].stats.stream, "web2");
  });
}

TEST_F(StatsReaderTest, OfNoStreamsIsARoundToo) {
  Read();
  ASSERT_TRUE(Eventually([](const StatsReader& reader) { return reader.rounds() > 0; }));
  thread_.Do([this] { EXPECT_TRUE(reader_->streams().empty()); });
}

TEST_F(StatsReaderTest, OfManyStreamsKeepsToWhatAStrangerMayAsk) {
  constexpr std::uint64_t kStreams = 150;
  for (std::uint64_t i = 0; i < kStreams; ++i) Add("s" + std::to_string(1000 + i), i + 1, "");
  Read();
  ASSERT_TRUE(Eventually([](const StatsReader& reader) { return reader.rounds() > 0; }));
  thread_.Do([&] {
    EXPECT_EQ(reader_->streams().size(), kStreams);
    EXPECT_EQ(server_->control().counters().requests_ignored, 0U);
  });
}

TEST_F(StatsReaderTest, AnEndpointThatDoesNotAnswerIsAwayUntilItDoes) {
  Endpoint later;
  later.kind = Endpoint::Kind::kIpc;
  const TemporaryDirectory directory;
  later.path = directory.path() + "/s";
  ReadAt(later, "*", 100ms);
  ASSERT_TRUE(Eventually([](const StatsReader& reader) { return reader.away(); }));
  {
    RunningPublisher publisher(later, {});
    EXPECT_TRUE(Eventually(
        [](const StatsReader& reader) { return !reader.away() && reader.rounds() > 0; }));
  }
  EXPECT_TRUE(Eventually([](const StatsReader& reader) { return reader.away(); }));
}

/// A peer that takes questions and has answers of its own.
class OddPeer {
 public:
  OddPeer() : socket_(context_, zmq::socket_type::router) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::rcvtimeo, kPatienceMs);
    endpoint_.kind = Endpoint::Kind::kIpc;
    endpoint_.path = directory_.path() + "/s";
    socket_.bind(endpoint_.control());
  }
  const Endpoint& endpoint() const { return endpoint_; }
  /// The next question, which is to be answered.
  std::optional<control::Message> Next() {
    zmq::message_t question;
    if (!socket_.recv(route_) || !socket_.recv(question)) return std::nullopt;
    const auto parsed = control::Parse(AsBytes(question.to_string_view()));
    const auto* const message = std::get_if<control::Message>(&parsed);
    return message == nullptr ? std::nullopt : std::optional(*message);
  }
  void Answer(const std::string& text) {
    zmq::message_t route;
    route.copy(route_);
    socket_.send(route, zmq::send_flags::sndmore);
    socket_.send(zmq::buffer(text), zmq::send_flags::none);
  }
  void Answer(const control::Message& message) { Answer(control::Encode(message)); }

 private:
  const TemporaryDirectory directory_;
  Endpoint endpoint_;
  zmq::context_t context_;
  zmq::socket_t socket_;
  zmq::message_t route_;
};

control::Stats StatsOf(const std::string& stream) {
  control::Stats stats;
  stats.stream = stream;
  stats.session = 7;
  return stats;
}

TEST_F(StatsReaderTest, APublisherThatKnowsNoListIsAskedForItsOnlyStream) {
  OddPeer peer;
  ReadAt(peer.endpoint(), "*", 30s);
  ASSERT_TRUE(std::holds_alternative<control::List>(peer.Next().value()));
  peer.Answer(control::Error{"unknown-op", "unknown op"});
  ASSERT_EQ(std::get<control::StatsRequest>(peer.Next().value()).stream, std::nullopt);
  peer.Answer(StatsOf("demo"));
  ASSERT_TRUE(Eventually([](const StatsReader& reader) { return reader.rounds() == 1; }));
  thread_.Do([this] { EXPECT_EQ(reader_->streams().at(0).stats.stream, "demo"); });
}

TEST_F(StatsReaderTest, AStreamThatGoesAwayMeanwhileIsLeftOut) {
  OddPeer peer;
  ReadAt(peer.endpoint(), "*", 30s);
  (void)peer.Next();
  peer.Answer(control::Streams{{{"a", 1, false}, {"b", 2, false}}, false});
  (void)peer.Next();
  peer.Answer(control::Error{"unknown-stream", "gone"});
  (void)peer.Next();
  peer.Answer(StatsOf("b"));
  ASSERT_TRUE(Eventually([](const StatsReader& reader) { return reader.rounds() == 1; }));
  thread_.Do([this] {
    ASSERT_EQ(reader_->streams().size(), 1U);
    EXPECT_EQ(reader_->streams()[0].stats.stream, "b");
  });
}

TEST_F(StatsReaderTest, APeerThatRefusesIsAskedAgain) {
  OddPeer peer;
  ReadAt(peer.endpoint(), "*", 30s);
  (void)peer.Next();
  peer.Answer(control::Error{"too-many-requests", "the connection is closed"});
  ASSERT_TRUE(Eventually([](const StatsReader& reader) { return !reader.refused().empty(); }));
  thread_.Do(
      [this] { EXPECT_EQ(reader_->refused(), "too-many-requests: the connection is closed"); });
  (void)peer.Next();
  peer.Answer(control::Streams{});
  EXPECT_TRUE(Eventually([](const StatsReader& reader) {
    return reader.refused().empty() && reader.rounds() == 1;
  }));
}

TEST_F(StatsReaderTest, AnswersToOtherQuestionsAndGarbageAreNoAnswer) {
  OddPeer peer;
  ReadAt(peer.endpoint(), "*", 30s);
  (void)peer.Next();
  peer.Answer("garbage");
  peer.Answer(StatsOf("not asked for"));
  peer.Answer(StatsOf("early"));
  peer.Answer(control::Streams{{{"a", 1, false}}, false});
  ASSERT_EQ(std::get<control::StatsRequest>(peer.Next().value()).stream, "a");
  peer.Answer(control::Streams{{{"z", 1, false}}, false});
  peer.Answer(StatsOf("a"));
  ASSERT_TRUE(Eventually([](const StatsReader& reader) { return reader.rounds() == 1; }));
  thread_.Do([this] {
    ASSERT_EQ(reader_->streams().size(), 1U);
    EXPECT_EQ(reader_->streams()[0].stats.stream, "a");
  });
}

TEST_F(StatsReaderTest, AListThatGetsNowhereEnds) {
  OddPeer peer;
  ReadAt(peer.endpoint(), "*", 30s);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(std::holds_alternative<control::List>(peer.Next().value()));
    peer.Answer(control::Streams{{{"a", 1, false}}, true});
  }
  EXPECT_TRUE(std::holds_alternative<control::StatsRequest>(peer.Next().value()));
}

}  // namespace
}  // namespace pipedup
