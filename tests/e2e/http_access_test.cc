// Who may read over HTTP, what is answered to whom, and what strangers can do.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "e2e/http_test_base.h"
#include "support/raw_peer.h"

namespace pipedup::test {
namespace {

Outcome RunPublisher(const TempDir& directory, const Words& options) {
  Command command;
  command.environment = {{"XDG_RUNTIME_DIR", directory.path()}};
  command.argv = {PublisherBinary(), "--bind", "tcp://127.0.0.1:0"};
  command.argv.insert(command.argv.end(), options.begin(), options.end());
  return RunToEnd(command);
}

std::string MakeToken(const TempDir& directory, const std::string& token) {
  const std::string file = directory / "token";
  WriteFile(file, token);
  EXPECT_EQ(0, ::chmod(file.c_str(), 0600));
  return file;
}

TEST_F(HttpTest, WithATokenOnlyThoseWhoShowItReadAnything) {
  Publish({"--http-token", MakeToken(directory_, "correct-horse\n")});
  ASSERT_TRUE(publisher_->Write("secret\n"));
  for (const char* const target : {"/stream", "/events", "/stats", "/metrics", "/other"}) {
    SCOPED_TRACE(target);
    for (const char* const header :
         {"", "Bearer ", "Bearer wrong", "Bearer correct-hors", "Bearer correct-horsee",
          "Basic correct-horse", "correct-horse"}) {
      const auto peer = Get(target, {{"Authorization", header}});
      EXPECT_EQ(401, peer->status()) << header;
      EXPECT_EQ("Bearer realm=\"pipedup\"", peer->header("www-authenticate"));
      EXPECT_EQ(std::string::npos, peer->ReadToTheEnd().find("secret"));
    }
  }
  const auto reader = Get("/stream?from=0", {{"Authorization", "bearer correct-horse"}});
  EXPECT_TRUE(reader->WaitForBytes(7));
  for (const char* const target : {"/", "/healthz", "/readyz"}) {
    EXPECT_EQ(200, Get(target)->status()) << target;
  }
}

TEST_F(HttpTest, ATokenThatIsReplacedIsAskedForAfterSighupAndTheOldOneEndsItsReaders) {
  const std::string file = MakeToken(directory_, "correct-horse");
  Publish({"--http-token", file});
  ASSERT_TRUE(publisher_->Write("secret\n"));
  const HttpPeer::Headers before = {{"Authorization", "Bearer correct-horse"}};
  const HttpPeer::Headers after = {{"Authorization", "Bearer battery-staple"}};
  const auto reader = Get("/stream?from=0", before);
  ASSERT_TRUE(reader->WaitForBytes(7));
  WriteFile(file, "bad");
  publisher_->Signal(SIGHUP);
  ASSERT_TRUE(publisher_->WaitForEvent("http-token")) << publisher_->log();
  EXPECT_EQ(200, Get("/stats", before)->status()) << "it still holds";
  WriteFile(file, "battery-staple\n");
  publisher_->Signal(SIGHUP);
  ASSERT_TRUE(Eventually([&] { return publisher_->events("http-token").size() == 2; }));
  EXPECT_EQ(401, Get("/stats", before)->status());
  EXPECT_EQ(200, Get("/stats", after)->status());
  (void)reader->ReadToTheEnd();
  EXPECT_TRUE(reader->over());
  EXPECT_FALSE(reader->complete());
  const auto again = Get("/stream?from=0", after);
  EXPECT_TRUE(again->WaitForBytes(7));
  publisher_->CloseInput();
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
}

TEST_F(HttpTest, TheStreamIsRefusedToHttp10AsItsEndCouldNotBeTold) {
  Publish();
  ASSERT_TRUE(publisher_->Write("x\n"));
  RawPeer stream(port_);
  stream.Send("GET /stream?from=0 HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_NE(std::string::npos, stream.ReceivedToTheEnd().find(" 505 ")) << stream.Received();
  EXPECT_NE(std::string::npos, stream.Received().find("HTTP/1.1"));
  RawPeer other(port_);
  other.Send("GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_NE(std::string::npos, other.ReceivedToTheEnd().find(" 200 ")) << other.Received();
}

TEST(Http, IsRefusedWhereItWouldOpenTheStreamToMoreThanWasMeant) {
  const TempDir directory;
  RunToEnd({.argv = {KeygenBinary(), "-o", directory / "k"}});
  const std::string token = MakeToken(directory, "correct-horse");
  const Words keys = {"--curve-secret", directory / "k.secret",
                      "--allow-keys",   directory / "k.pub",
                      "--http",         "127.0.0.1:0"};
  const struct {
    Words options;
    const char* said;
  } refused[] = {
      {{"--http", "*:0"}, "can be reached from other machines"},
      {{"--http", "0.0.0.0:0"}, "--http-token FILE"},
      {keys, "with --allow-keys only those with a key"},
      {{"--http-token", token}, "of no use without --http"},
      {{"--http", "5592"}, "':5592' is a port here"},
      {{"--http", "ipc:///tmp/x"}, "over tcp"},
      {{"--http", "127.0.0.1:x"}, "a port is a number"},
  };
  for (const auto& one : refused) {
    const Outcome outcome = RunPublisher(directory, one.options);
    EXPECT_EQ(2, outcome.status) << one.said;
    ASSERT_EQ(1u, outcome.errors.size()) << one.said;
    EXPECT_NE(std::string::npos, outcome.errors[0].find(one.said)) << outcome.errors[0];
  }
  Words with_token = keys;
  with_token.insert(with_token.end(), {"--http-token", token});
  EXPECT_EQ(0, RunPublisher(directory, with_token).status);
  EXPECT_EQ(0, RunPublisher(directory, {"--http", "*:0", "--insecure"}).status);
}

TEST(Http, ATokenThatIsNoneIsRefusedAndNotShown) {
  const TempDir directory;
  for (const char* const token : {"", "short", "with a space in it"}) {
    const std::string file = MakeToken(directory, token);
    const Outcome outcome =
        RunPublisher(directory, {"--http", "127.0.0.1:0", "--http-token", file});
    EXPECT_EQ(1, outcome.status) << token;
    ASSERT_EQ(1u, outcome.errors.size());
    EXPECT_EQ(std::string::npos, outcome.errors[0].find("space in it")) << "it is never shown";
  }
}

TEST_F(HttpTest, APortThatIsTakenIsSaid) {
  Publish();
  const Outcome outcome =
      RunPublisher(directory_, {"--http", "127.0.0.1:" + std::to_string(port_)});
  EXPECT_EQ(1, outcome.status);
  ASSERT_EQ(1u, outcome.errors.size());
  EXPECT_NE(std::string::npos, outcome.errors[0].find("--http: bind to '127.0.0.1'"));
}

TEST_F(HttpTest, WhatCannotBeAnsweredIsSaid) {
  Publish({"-s", "web1"});
  ASSERT_TRUE(publisher_->Write("x\n"));
  ASSERT_TRUE(WaitForHead(2));
  const struct {
    const char* target;
    int status;
    const char* said;
  } cases[] = {
      {"/stream?from=yesterday", 400, "now, start, a position"},
      {"/stream?from=-1", 400, "now, start, a position"},
      {"/stream?from=last:x", 400, "now, start, a position"},
      {"/stream?from=99999999999999999999999", 400, "now, start, a position"},
      {"/stream?from=3", 416, "beyond 2"},
      {"/stream?session=zz", 400, "16 hex digits"},
      {"/stream?session=00000000000000aa", 409, "session: it is"},
      {"/stream?stream=%3Cb%3E%0d%0aX", 404, "there is no '<b>\\x0d\\x0aX' here, only web1"},
      {"/nothing", 404, "/metrics"},
      {"/../etc/passwd", 404, "/metrics"},
      {"//", 404, "/metrics"},
  };
  for (const auto& one : cases) {
    const auto peer = Get(one.target);
    EXPECT_EQ(one.status, peer->status()) << one.target;
    EXPECT_NE(std::string::npos, peer->ReadToTheEnd().find(one.said)) << peer->body();
    EXPECT_EQ("text/plain; charset=utf-8", peer->header("content-type"));
    EXPECT_EQ("nosniff", peer->header("x-content-type-options"));
  }
  EXPECT_EQ(400, Get("/events", {{"Last-Event-ID", "x"}})->status());
}

TEST_F(HttpTest, OnlyGetAndHeadAreMethods) {
  Publish();
  for (const char* const method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PURGE"}) {
    HttpPeer peer(port_, "/stats", {{"Content-Length", "0"}}, method);
    EXPECT_EQ(405, peer.status()) << method;
    EXPECT_EQ("GET, HEAD", peer.header("allow"));
    EXPECT_EQ("", peer.header("access-control-allow-origin"));
  }
  for (const char* const target : {"/", "/stats", "/metrics", "/stream?from=0", "/events"}) {
    HttpPeer peer(port_, target, {}, "HEAD");
    EXPECT_EQ(200, peer.status()) << target;
    EXPECT_EQ("", peer.body());
  }
}

TEST_F(HttpTest, AnotherNameForThisMachineIsRefusedSoThatNoPageOfOthersReadsHere) {
  Publish();
  for (const char* const host :
       {"evil.example", "evil.example:5592", "localhost.evil.example", ""}) {
    EXPECT_EQ(403, Get("/stats", {{"Host", host}})->status()) << host;
  }
  for (const char* const host : {"localhost", "localhost:1", "127.0.0.1", "[::1]:80"}) {
    EXPECT_EQ(200, Get("/stats", {{"Host", host}})->status()) << host;
  }
}

TEST_F(HttpTest, ReadinessEndsWithTheStreamAndHealthDoesNot) {
  Publish({"--linger", "1m"});
  EXPECT_EQ(200, Get("/readyz")->status());
  EXPECT_EQ(200, Get("/healthz")->status());
  const auto holds = Get("/stream?from=0");
  ASSERT_EQ(200, holds->status());
  ASSERT_TRUE(publisher_->WriteAndEnd(MakeRecords(31, 32 * kMiB)));
  EXPECT_TRUE(Eventually([&] { return Get("/readyz")->status() == 503; }));
  EXPECT_EQ("the stream has ended\n", Text("/readyz"));
  EXPECT_EQ(200, Get("/healthz")->status());
  (void)holds->ReadToTheEnd();
  EXPECT_TRUE(holds->complete());
  EXPECT_EQ(0, publisher_->Wait()) << publisher_->log();
}

TEST_F(HttpTest, StatsSayWhoReadsAndMetricsSayHowMany) {
  Publish({"-s", "web1"});
  Subscriber subscriber(directory_, publisher_->endpoint(), {"--name", "a \"b\" <c>"});
  ASSERT_TRUE(subscriber.WaitUntilLive());
  ASSERT_TRUE(publisher_->Write("one\ntwo\n"));
  ASSERT_TRUE(WaitForHead(8));
  ASSERT_TRUE(Eventually([&] {
    const Json stream = Stats().at("streams").at(0);
    return stream.at("subscribers").size() == 1 &&
           stream.at("subscribers").at(0).at("position") == 8;
  }));
  const Json stream = Stats().at("streams").at(0);
  EXPECT_EQ("web1", stream.at("stream"));
  EXPECT_EQ(publisher_->session(), stream.at("session"));
  EXPECT_EQ("a \"b\" <c>", stream.at("subscribers").at(0).at("name"));
  EXPECT_EQ(0u, stream.at("subscribers").at(0).at("lag_bytes"));
  const std::string metrics = Text("/metrics");
  for (const char* const line : {"pipedup_subscribers{stream=\"web1\"} 1\n",
                                 "pipedup_published_bytes_total{stream=\"web1\"} 8\n",
                                 "pipedup_published_records_total{stream=\"web1\"} 2\n",
                                 "# TYPE pipedup_published_bytes_total counter\n"}) {
    EXPECT_NE(std::string::npos, metrics.find(line)) << line << metrics;
  }
  EXPECT_EQ(std::string::npos, metrics.find("<c>")) << "no series of single subscribers";
}

TEST_F(HttpTest, GarbageAndHalfRequestsHarmNobody) {
  Publish();
  const auto good = Get("/stream?from=0");
  ASSERT_EQ(200, good->status());
  std::vector<std::unique_ptr<RawPeer>> bad;
  for (const std::string& bytes :
       {std::string("\x16\x03\x01 TLS?\r\n\r\n"), std::string("GET"),
        std::string("GET / HTTP/9.9\r\n\r\n"), std::string("GET /") + std::string(100'000, 'a'),
        std::string("\0\xff\0\xff\r\n\r\n", 8),
        "GET / HTTP/1.1\r\n" + std::string(100'000, 'h') + ": x\r\n\r\n",
        std::string(
            "POST /stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\nx"),
        std::string("GET /stream HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                    "chunked\r\n\r\nzz\r\n")}) {
    for (int i = 0; i < 4; ++i) {
      bad.push_back(std::make_unique<RawPeer>(port_));
      bad.back()->Send(bytes);
    }
  }
  const std::string text = MakeLines('C', 10'000);
  ASSERT_TRUE(publisher_->Write(text));
  EXPECT_TRUE(good->WaitForBytes(text.size()));
  EXPECT_EQ("ok\n", Text("/healthz"));
  bad.clear();
  publisher_->CloseInput();
  EXPECT_EQ(text, good->ReadToTheEnd());
  EXPECT_TRUE(good->complete());
}

// A byte now and then is what keeps a connection from being idle.
TEST_F(HttpTest, HalfRequestsKeepNobodyFromBeingAnswered) {
  Publisher::Setup setup;
  setup.wrapper = {"sh", "-c", "ulimit -n 128; exec \"$@\"", "sh"};  // for 64 connections
  Publish(std::move(setup));
  std::vector<std::unique_ptr<RawPeer>> bad;
  for (int i = 0; i < 100; ++i) {
    bad.push_back(std::make_unique<RawPeer>(port_));
    bad.back()->Send("GET /he");
  }
  const auto good = Get("/healthz");
  auto next = Clock::now();
  EXPECT_TRUE(Eventually([&] {
    if (Clock::now() >= next) {
      for (auto& each : bad) each->Send("a");
      next += std::chrono::seconds(5);
    }
    return good->status(Duration(0)) == 200;
  }));
}

}  // namespace
}  // namespace pipedup::test
