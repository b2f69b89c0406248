// The stream over HTTP: every byte, or an exact gap, and no harm to anybody else.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "e2e/http_test_base.h"
#include "os/build.h"
#include "os/process.h"
#include "support/raw_peer.h"

namespace pipedup::test {
namespace {

GapReport GapOf(HttpPeer& gone) {
  const std::string text = gone.header("pipedup-gap");
  GapReport gap;
  gap.from = std::strtoull(text.c_str(), nullptr, 10);
  gap.to = std::strtoull(text.substr(text.find('-') + 1).c_str(), nullptr, 10);
  gap.bytes = gap.to - gap.from;
  return gap;
}

/// Reads `length` bytes from position 0 on, as a script would: where it is broken off, it asks
/// for what comes next, and where that is no longer kept, for what it is told.
Account ReadThroughGaps(std::uint16_t port, std::unique_ptr<HttpPeer> peer,
                        std::uint64_t length) {
  Account account;
  while (peer->status() == 200) {
    const bool moved = Eventually(
        [&] { return peer->over() || account.position + peer->body().size() >= length; });
    EXPECT_TRUE(moved) << "at " << account.position + peer->body().size();
    account.delivered += peer->body();
    account.position += peer->body().size();
    account.received_bytes = account.delivered.size();
    if (!moved || account.position >= length) return account;
    peer = std::make_unique<HttpPeer>(port, "/stream?from=" + std::to_string(account.position));
    while (peer->status() == 410) {
      account.gaps.push_back(GapOf(*peer));
      account.lost_bytes += account.gaps.back().bytes;
      account.position = account.gaps.back().to;
      peer =
          std::make_unique<HttpPeer>(port, "/stream?from=" + std::to_string(account.position));
    }
  }
  ADD_FAILURE() << "status " << peer->status() << " at " << account.position;
  return account;
}

TEST_F(HttpTest, BytesArriveWhateverTheyAre) {
  for (const char* const records : {"lines", "nul", "raw"}) {
    for (const Content& content : Corpus()) {
      SCOPED_TRACE(std::string(records) + " " + content.name);
      Publish({"--records", records});
      const auto reader = Get("/stream?from=0");
      ASSERT_EQ(200, reader->status());
      ASSERT_TRUE(publisher_->WriteAndEnd(content.bytes)) << publisher_->log();
      EXPECT_EQ(content.bytes.size(), CommonPrefix(content.bytes, reader->ReadToTheEnd()));
      EXPECT_EQ(content.bytes.size(), reader->body().size());
      EXPECT_TRUE(reader->complete());
      ASSERT_EQ(0, publisher_->Wait()) << publisher_->log();
    }
  }
}

TEST_F(HttpTest, BytesArriveFromAJournalOnDiskThatAnotherProcessHasWritten) {
  const std::string first = MakeRecords(11, 9 * kMiB);
  const std::string second = MakeRecords(12, 3 * kMiB);
  for (const char* const fsync : {"1s", "always"}) {
    SCOPED_TRACE(fsync);
    const Words options = {"--journal", directory_ / fsync, "--fsync", fsync};
    Publish(options);
    ASSERT_TRUE(publisher_->Write(first));
    ASSERT_TRUE(WaitForHead(first.size()));
    publisher_->Signal(SIGKILL);
    (void)publisher_->Wait();
    Publish(options);
    const auto reader = Get("/stream?from=start");
    ASSERT_EQ(200, reader->status());
    ASSERT_TRUE(publisher_->WriteAndEnd(second));
    EXPECT_EQ(first.size() + second.size(),
              CommonPrefix(first + second, reader->ReadToTheEnd()));
    EXPECT_TRUE(reader->complete());
    ASSERT_EQ(0, publisher_->Wait()) << publisher_->log();
  }
}

TEST_F(HttpTest, BytesArriveWhenTheJournalIsInPrivateMemory) {
  const std::string bytes = MakeRecords(13, 20 * kMiB);
  Publisher::Setup setup;
  // No directory can hold it.
  setup.wrapper = {"env", "XDG_RUNTIME_DIR=/dev/null", "TMPDIR=/dev/null"};
  setup.options = {"--journal-group", std::to_string(GroupId("root").value_or(0))};
  Publish(std::move(setup));
  const auto reader = Get("/stream?from=0");
  ASSERT_EQ(200, reader->status());
  ASSERT_TRUE(publisher_->WriteAndEnd(bytes));
  EXPECT_EQ(bytes.size(), CommonPrefix(bytes, reader->ReadToTheEnd()));
  EXPECT_TRUE(reader->complete());
}

TEST_F(HttpTest, AReaderBeginsWhereItAsksTo) {
  Publish();
  ASSERT_TRUE(publisher_->Write("one\ntwo\nthree\nfour"));
  ASSERT_TRUE(WaitForHead(18));
  const struct {
    const char* from;
    const char* position;
    const char* expected;
  } cases[] = {{"start", "0", "one\ntwo\nthree\nfour"},
               {"0", "0", "one\ntwo\nthree\nfour"},
               {"5", "5", "wo\nthree\nfour"},
               {"now", "14", "four"},
               {"last:0", "14", "four"},
               {"last:1", "8", "three\nfour"},
               {"last:2", "4", "two\nthree\nfour"},
               {"last:99", "0", "one\ntwo\nthree\nfour"},
               {"18", "18", ""}};
  std::vector<std::unique_ptr<HttpPeer>> readers;
  for (const auto& one : cases) {
    readers.push_back(Get(std::string("/stream?from=") + one.from));
    EXPECT_EQ(one.position, readers.back()->header("pipedup-position")) << one.from;
    EXPECT_EQ(publisher_->session(), readers.back()->header("pipedup-session"));
  }
  publisher_->CloseInput();
  for (std::size_t i = 0; i < readers.size(); ++i) {
    EXPECT_EQ(cases[i].expected, readers[i]->ReadToTheEnd()) << cases[i].from;
    EXPECT_TRUE(readers[i]->complete());
  }
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
}

TEST_F(HttpTest, AReaderThatRetentionPassesIsToldWhatItHasLost) {
  Publish({"--retain", "1MiB"});
  const std::string bytes = MakeRecords(14, 48 * kMiB);
  auto slow = Get("/stream?from=0");
  ASSERT_TRUE(publisher_->Write(std::string_view(bytes).substr(0, kMiB / 2)));
  ASSERT_TRUE(slow->WaitForBytes(kMiB / 2));
  ASSERT_TRUE(publisher_->Write(std::string_view(bytes).substr(kMiB / 2)))
      << "held by a reader: " << publisher_->log();
  ASSERT_TRUE(WaitForHead(bytes.size()));
  const Account account = ReadThroughGaps(port_, std::move(slow), bytes.size());
  EXPECT_FALSE(account.gaps.empty());
  EXPECT_EQ("", CheckEquation({.produced = bytes, .delimiter = std::nullopt}, account));
  EXPECT_TRUE(publisher_->WaitForEvent("http-gap")) << publisher_->log();
  const Json http = Stats().at("streams").at(0).at("http");
  EXPECT_LE(1u, http.at("gaps").get<std::uint64_t>());
  EXPECT_EQ(account.gaps.size(), http.at("gone").get<std::uint64_t>());
}

TEST_F(HttpTest, AReaderThatStopsHoldsUpNeitherTheProducerNorTheOthers) {
  Publish({"--slow", "wait", "--retain", "8MiB"});
  const std::string bytes = MakeRecords(15, 64 * kMiB);
  const auto stopped = Get("/stream?from=0");
  const auto stopped_events = Get("/events?from=0");
  ASSERT_EQ(200, stopped->status());
  ASSERT_EQ(200, stopped_events->status());
  Subscriber subscriber(directory_, publisher_->endpoint());
  ASSERT_TRUE(subscriber.WaitUntilLive());
  ASSERT_TRUE(publisher_->WriteAndEnd(bytes)) << publisher_->log();
  ASSERT_EQ(0, subscriber.Wait()) << subscriber.log();
  EXPECT_EQ("", CheckEquation({.produced = bytes}, subscriber.account()));
}

TEST_F(HttpTest, WhoeverDoesNotTakeTheEndIsNotWaitedForLongerThanLinger) {
  Publish({"--linger", "300ms"});
  const auto stopped = Get("/stream?from=0");
  ASSERT_EQ(200, stopped->status());
  ASSERT_TRUE(publisher_->WriteAndEnd(MakeRecords(16, 48 * kMiB)));
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
  EXPECT_TRUE(publisher_->said("http-unread")) << publisher_->log();
  (void)stopped->ReadToTheEnd();
  EXPECT_FALSE(stopped->complete()) << "what was cut off is not taken for all of it";
}

TEST_F(HttpTest, ASignalEndsTheWaitForWhoeverDoesNotTakeTheEnd) {
  Publish({"--linger", "1h"});
  const auto stopped = Get("/stream?from=0");
  ASSERT_EQ(200, stopped->status());
  ASSERT_TRUE(publisher_->WriteAndEnd(MakeRecords(16, 48 * kMiB)));
  ASSERT_TRUE(Eventually([&] { return Get("/readyz")->status() == 503; }));
  publisher_->Signal(SIGINT);
  EXPECT_EQ(128 + SIGINT, publisher_->Wait()) << publisher_->log();
}

TEST_F(HttpTest, APublisherThatIsKilledIsNotTakenForTheEnd) {
  Publish();
  const auto reader = Get("/stream?from=0");
  const auto events = Get("/events?from=0");
  ASSERT_TRUE(publisher_->Write("something\n"));
  ASSERT_TRUE(reader->WaitForBytes(10));
  ASSERT_TRUE(events->WaitForText("something"));
  publisher_->Signal(SIGKILL);
  EXPECT_EQ("something\n", reader->ReadToTheEnd());
  EXPECT_FALSE(reader->complete());
  (void)events->ReadToTheEnd();
  EXPECT_FALSE(events->complete());
  EXPECT_NE("end", ParseEvents(events->body()).back().name);
}

TEST_F(HttpTest, ALiveReaderGetsWhatComesWhileTheStreamGoesOn) {
  Publish();
  const auto reader = Get("/stream");
  ASSERT_EQ(200, reader->status());
  std::string expected;
  for (int i = 0; i < 200; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    ASSERT_TRUE(publisher_->Write(line));
    expected += line;
    ASSERT_TRUE(reader->WaitForBytes(expected.size())) << i;
  }
  EXPECT_EQ(expected, reader->body());
}

TEST_F(HttpTest, ReadersThatLeaveAreNoticedThoughNothingComes) {
  Publish();
  const auto readers = [this] {
    return Stats().at("streams").at(0).at("http").at("readers").get<int>();
  };
  {
    const auto bytes = Get("/stream");
    const auto events = Get("/events");
    ASSERT_EQ(200, bytes->status());
    ASSERT_EQ(200, events->status());
    EXPECT_EQ(2, readers());
  }
  EXPECT_TRUE(Eventually([&] { return readers() == 0; }));
}

TEST_F(HttpTest, AReaderThatHasSaidSomethingElseBeforeItLeftIsNoticedAsWell) {
  if (IsPortable()) {
    GTEST_SKIP() << "without POLLRDHUP such a reader is noticed when something is sent to it";
  }
  Publish();
  const auto readers = [this] {
    return Stats().at("streams").at(0).at("http").at("readers").get<int>();
  };
  {
    RawPeer reader(port_);
    reader.Send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_TRUE(
        Eventually([&] { return reader.Received().find("\r\n\r\n") != std::string::npos; }));
    reader.Send("x");
    EXPECT_EQ(1, readers());
  }
  EXPECT_TRUE(Eventually([&] { return readers() == 0; }));
}

TEST_F(HttpTest, AThousandIdleReadersDoNotKeepHealthFromBeingSeen) {
  RaiseDescriptorLimit();
  if (DescriptorLimit() < 4096) GTEST_SKIP() << "too few descriptors are allowed here";
  Publish();
  std::vector<std::unique_ptr<HttpPeer>> idle;
  for (int i = 0; i < 1000; ++i) idle.push_back(Get("/events"));
  for (auto& each : idle) ASSERT_EQ(200, each->status());
  for (int i = 0; i < 20; ++i) ASSERT_EQ("ok\n", Text("/healthz"));
  ASSERT_TRUE(publisher_->Write("hello\n"));
  for (auto& each : idle) ASSERT_TRUE(each->WaitForText("data: hello"));
  EXPECT_EQ("ok\n", Text("/healthz"));
  publisher_->CloseInput();
  for (auto& each : idle) ASSERT_TRUE(each->WaitForText("event: end"));
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
}

TEST_F(HttpTest, ARelayServesTheSameBytesAtTheSamePositions) {
  Publish({"-s", "vm"});
  const std::string bytes = MakeRecords(17, 3 * kMiB);
  Relay relay(directory_, publisher_->endpoint(), {"--http", "127.0.0.1:0"});
  const std::uint16_t relay_port = HttpPortOf(relay);
  ASSERT_TRUE(Eventually([&] { return HttpPeer(relay_port, "/readyz").status() == 200; }))
      << relay.log();
  HttpPeer reader(relay_port, "/stream?stream=vm&from=start");
  HttpPeer events(relay_port, "/events");
  ASSERT_EQ(200, reader.status());
  ASSERT_EQ(200, events.status());
  EXPECT_EQ(publisher_->session(), reader.header("pipedup-session"));
  EXPECT_EQ(404, HttpPeer(relay_port, "/stream?stream=other").status());
  ASSERT_TRUE(publisher_->WriteAndEnd(bytes));
  EXPECT_EQ(bytes.size(), CommonPrefix(bytes, reader.ReadToTheEnd()));
  EXPECT_TRUE(reader.complete());
  (void)events.ReadToTheEnd();
  EXPECT_TRUE(events.complete());
  const HttpEvent end = ParseEvents(events.body()).back();
  EXPECT_EQ("end", end.name);
  EXPECT_EQ(bytes.size(), Json::parse(end.data).at("position"));
  EXPECT_EQ(0, relay.Wait()) << relay.log();
}

}  // namespace
}  // namespace pipedup::test
