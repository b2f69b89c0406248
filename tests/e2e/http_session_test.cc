// Readers over HTTP while a relay goes on to another session: each has all of the old one, or
// is told what it has not.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "e2e/http_test_base.h"

namespace pipedup::test {
namespace {

/// More than sockets hold.
std::string LongLines(char label, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    std::string line = std::string(1, label) + std::to_string(i) + " ";
    line.resize(999, '.');
    text += line + "\n";
  }
  return text;
}

class HttpSession : public HttpTest {
 protected:
  void Start(const std::string& linger) {
    Publish();
    relay_ = std::make_unique<Relay>(
        directory_, source_, Words{"--http", "127.0.0.1:0", "--follow", "--linger", linger});
    port_ = HttpPortOf(*relay_);
    ASSERT_TRUE(relay_->WaitUntilLive()) << relay_->log();
    old_ = publisher_->session();
  }
  void Publish() {
    publisher_ = std::make_unique<Publisher>(directory_, Words{"--bind", source_});
  }
  /// The relay has it all.
  void Produce(const std::string& bytes) {
    ASSERT_TRUE(publisher_->Write(bytes));
    ASSERT_TRUE(WaitForHead(bytes.size())) << relay_->log();
  }
  /// The publisher vanishes, and another one takes its place.
  void ChangeSession() {
    publisher_->Signal(SIGKILL);
    (void)publisher_->Wait();
    Publish();
    ASSERT_TRUE(Eventually([this] { return relay_->events("listening").size() == 2; }))
        << relay_->log();
  }

  /// What a script does: where it is broken off, it asks for the rest of the session.
  Account ReadStream(std::unique_ptr<HttpPeer> peer, std::size_t length) {
    Account account;
    while (true) {
      account.delivered += peer->ReadToTheEnd();
      EXPECT_FALSE(peer->complete()) << "the session did not end";
      account.position = account.received_bytes = account.delivered.size();
      if (account.position >= length) return account;
      peer = Get("/stream?session=" + old_ + "&from=" + std::to_string(account.position));
      if (peer->status() != 200) break;
    }
    EXPECT_EQ(409, peer->status()) << peer->ReadToTheEnd();
    AddGap(account.position, GapOf(peer->header("pipedup-gap")), &account);
    return account;
  }
  /// What EventSource does, until it has come to the next session.
  Account ReadEvents(std::unique_ptr<HttpPeer> peer, const std::string& produced) {
    Account account;
    while (true) {
      (void)Eventually([&] { return peer->over() || IsNext(peer->body()); });
      const std::vector<HttpEvent> events = ParseEvents(peer->body());
      for (const HttpEvent& event : events) {
        if (event.name == "session" && !event.id.ends_with(old_)) return account;
        Add(event, produced, &account);
      }
      if (events.empty() || HasFailure()) break;
      peer = Get("/events", {{"Last-Event-ID", events.back().id}});
    }
    ADD_FAILURE() << "never came to the next session, but to " << account.position;
    return account;
  }
  bool IsNext(const std::string& body) const {
    for (std::size_t at = body.find("event: session"); at != std::string::npos;
         at = body.find("event: session", at + 1)) {
      const std::size_t end = body.find("\n\n", at);
      if (end != std::string::npos && body.substr(at, end - at).find(old_) == std::string::npos)
        return true;
    }
    return false;
  }
  static std::pair<std::uint64_t, std::uint64_t> GapOf(const std::string& text) {
    return {std::strtoull(text.c_str(), nullptr, 10),
            std::strtoull(text.substr(text.find('-') + 1).c_str(), nullptr, 10)};
  }
  static void AddGap(std::uint64_t at, std::pair<std::uint64_t, std::uint64_t> range,
                     Account* account) {
    GapReport gap;
    gap.from = range.first;
    gap.to = range.second;
    gap.bytes = gap.to - gap.from;
    gap.records_known = false;
    EXPECT_EQ(at, gap.from);
    account->lost_bytes += gap.bytes;
    account->position = gap.to;
    account->gaps.push_back(gap);
  }
  void Add(const HttpEvent& event, const std::string& produced, Account* account) {
    if (event.name == "gap") {
      const Json gap = Json::parse(event.data);
      if (gap.at("to").is_null()) {  // the session has vanished: perhaps there was more
        EXPECT_EQ(account->position, gap.at("from"));
        ++vanished_;
        return;
      }
      AddGap(account->position, {gap.at("from"), gap.at("to")}, account);
    } else if (event.name == "message") {
      const std::uint64_t behind = std::stoull(event.id);
      const std::string there = produced.substr(account->position, behind - account->position);
      EXPECT_EQ(there, event.data + (there.ends_with('\n') ? "\n" : ""));
      account->delivered += there;
      account->position = behind;
      account->received_bytes = account->delivered.size();
    }
  }
  std::uint64_t Metric(const std::string& name) {
    const std::string text = Text("/metrics");
    const std::size_t at = text.find("\n" + name + "{");
    return std::strtoull(text.c_str() + text.find("} ", at) + 2, nullptr, 10);
  }

  const std::string source_ = "tcp://127.0.0.1:" + std::to_string(FreePortPair());
  std::unique_ptr<Relay> relay_;
  std::string old_;
  int vanished_ = 0;
};

TEST_F(HttpSession, SlowReadersReadTheOldOneToItsEndAndFastOnesGoOnAtOnce) {
  Start("1h");
  const std::string produced = LongLines('a', 24'000) + "unfinished";
  auto fast = Get("/stream?from=0");
  auto fast_events = Get("/events?from=0");
  auto slow = Get("/stream?from=0");
  auto slow_events = Get("/events?from=0");
  ASSERT_EQ(200, slow->status());
  ASSERT_EQ(200, slow_events->status());
  Produce(produced);
  ASSERT_TRUE(fast->WaitForBytes(produced.size()));
  ASSERT_TRUE(fast_events->WaitForText("a23999 "));
  ChangeSession();
  const Expected expected = {.produced = produced};
  EXPECT_EQ("", CheckEquation(expected, ReadStream(std::move(fast), produced.size())));
  EXPECT_EQ("", CheckEquation(expected, ReadEvents(std::move(fast_events), produced)));
  for (const Account& account : {ReadStream(std::move(slow), produced.size()),
                                 ReadEvents(std::move(slow_events), produced)}) {
    EXPECT_EQ("", CheckEquation(expected, account));
    EXPECT_EQ(0u, account.lost_bytes);
  }
  EXPECT_EQ(2, vanished_) << "each reader of events was told that there may have been more";
  EXPECT_FALSE(relay_->said("http-unread")) << relay_->log();
}

TEST_F(HttpSession, AReaderThatIsSlowAtTheEndKeepsNobodyFromTheNextOne) {
  Start("1h");
  const std::string produced = LongLines('d', 24'000);
  const auto slow = Get("/stream?from=0");
  ASSERT_EQ(200, slow->status());
  Produce(produced);
  publisher_->CloseInput();
  ASSERT_EQ(0, publisher_->Wait()) << publisher_->log();
  Publish();
  ASSERT_TRUE(publisher_->Write("new\n"));
  ASSERT_TRUE(Eventually([this] { return relay_->events("listening").size() == 2; }))
      << relay_->log();
  EXPECT_TRUE(Get("/stream?from=0")->WaitForText("new\n"));
  EXPECT_EQ(produced.size(), CommonPrefix(produced, slow->ReadToTheEnd()));
  EXPECT_TRUE(slow->complete());
}

TEST_F(HttpSession, WhoeverIsCutOffIsToldWhatItHasNotReadAndSoIsWhoeverRunsTheRelay) {
  Start("1ms");
  const std::string produced = LongLines('b', 24'000);
  auto fast = Get("/stream?from=0");
  auto fast_events = Get("/events?from=0");
  auto slow = Get("/stream?from=0");
  auto slow_events = Get("/events?from=0");
  ASSERT_EQ(200, slow->status());
  ASSERT_EQ(200, slow_events->status());
  Produce(produced);
  ASSERT_TRUE(fast->WaitForBytes(produced.size()));
  ASSERT_TRUE(fast_events->WaitForText("b23999 "));
  ChangeSession();
  const auto said = relay_->WaitForEvent("http-unread");
  ASSERT_TRUE(said) << relay_->log();
  EXPECT_EQ(2u, said->at("readers")) << "the fast ones have all";
  EXPECT_EQ(old_, said->at("session"));
  const Expected expected = {.produced = produced};
  std::uint64_t lost = 0;
  for (const Account& account : {ReadStream(std::move(slow), produced.size()),
                                 ReadEvents(std::move(slow_events), produced)}) {
    EXPECT_EQ("", CheckEquation(expected, account));
    EXPECT_LT(0u, account.lost_bytes) << "not slow enough";
    lost += account.lost_bytes;
  }
  EXPECT_EQ(lost, said->at("bytes"));
  EXPECT_EQ(2u, Metric("pipedup_http_cut_off_total"));
  EXPECT_EQ(lost, Metric("pipedup_http_cut_off_bytes_total"));
  for (const Account& account : {ReadStream(std::move(fast), produced.size()),
                                 ReadEvents(std::move(fast_events), produced)}) {
    EXPECT_EQ("", CheckEquation(expected, account));
    EXPECT_EQ(0u, account.lost_bytes);
  }
}

TEST_F(HttpSession, WhoeverComesBackLateIsToldWhatItHasMissed) {
  Start("1ms");
  const std::string produced = LongLines('c', 10);
  Produce(produced);
  ChangeSession();
  ASSERT_TRUE(publisher_->Write("new\n"));
  // The old one goes soon, but not at once.
  std::unique_ptr<HttpPeer> late;
  ASSERT_TRUE(Eventually([&] {
    late = Get("/stream?session=" + old_ + "&from=2000");
    return late->status() == 409;
  }));
  EXPECT_EQ("2000-10000", late->header("pipedup-gap"));
  const auto events = Get("/events", {{"Last-Event-ID", "2000@" + old_}});
  ASSERT_TRUE(events->WaitForText("data: new"));
  const std::vector<HttpEvent> all = ParseEvents(events->body());
  ASSERT_EQ(4u, all.size()) << events->body();
  EXPECT_EQ("gap", all[0].name);
  EXPECT_EQ(8000u, Json::parse(all[0].data).at("bytes"));
  EXPECT_EQ("10000@" + old_, all[0].id);
  EXPECT_EQ("gap", all[1].name);
  EXPECT_TRUE(Json::parse(all[1].data).at("bytes").is_null());
  EXPECT_EQ("session", all[2].name);
  EXPECT_EQ("0@" + publisher_->session(), all[2].id);
}

}  // namespace
}  // namespace pipedup::test
