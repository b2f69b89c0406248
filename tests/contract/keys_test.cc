// A publisher with keys: who comes in, under which name, and how one is put out again.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <memory>

#include "contract_test_base.h"

namespace pipedup {
namespace {

class Keys : public ContractTest {
 protected:
  /// Starts a publisher that lets in those of these names.
  void StartFor(const std::vector<std::string>& names, PublishedStreamOptions options = {}) {
    KeyPair pair = MakeKeyPair();
    server_key_ = pair.public_key;
    Start(std::move(options), RecordFormat::kLines, {.secret = std::move(pair.secret)},
          {.endpoints = {}, .allowed = ListOf(names)});
  }
  AllowList ListOf(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += PapersOf(name).public_key + " " + name + "\n";
    std::string why;
    std::optional<AllowList> list = AllowList::Parse(text, &why);
    EXPECT_TRUE(list) << why;
    return list.value_or(AllowList());
  }
  /// Of somebody of that name, the same each time.
  Papers PapersOf(const std::string& name) {
    if (!papers_.contains(name)) {
      const KeyPair pair = MakeKeyPair();
      papers_[name] = {pair.public_key, std::string(pair.secret.text()), ""};
    }
    Papers papers = papers_[name];
    papers.server_key = server_key_;
    return papers;
  }
  /// The row of the member that said that id, which the row does not tell.
  control::SubscriberRow RowOf(ControlByHand& asks, const std::string& id) {
    asks.Send(control::StatsRequest{});
    for (const auto& row : asks.Expect<control::Stats>().subscribers) {
      if (row.name == "by hand " + id) return row;
    }
    ADD_FAILURE() << "no row of " << id;
    return {};
  }
  void PublishUntilSeen(LiveByHand& good, const std::string& text) {
    publisher_->Publish(text);
    EXPECT_EQ(good.NextData().payload, text);
  }

  std::string server_key_;
  std::map<std::string, Papers> papers_;
};
PIPEDUP_OVER_ALL_TRANSPORTS(Keys);

TEST_P(Keys, WhoeverIsOnTheListIsServedUnderTheNameOfItsKey) {
  StartFor({"alice", "bob"});
  publisher_->Publish("one\n");
  ControlByHand alice(endpoint(), "a1", PapersOf("alice"));
  ControlByHand bob(endpoint(), "b1", PapersOf("bob"));
  EXPECT_EQ(alice.Join().stream, "demo");
  EXPECT_EQ(bob.Join().stream, "demo");
  EXPECT_EQ(alice.Read(0, 100).bytes, "one\n");
  LiveByHand live(endpoint(), PapersOf("alice"));
  PublishUntilSeen(live, "two\n");
  EXPECT_EQ(RowOf(alice, "a1").key, "alice");
  EXPECT_EQ(RowOf(alice, "b1").key, "bob");
}

TEST_P(Keys, NobodyElseGetsAByteOrAnAnswer) {
  StartFor({"alice"});
  LiveByHand good(endpoint(), PapersOf("alice"));
  Papers wrong_server = PapersOf("alice");
  wrong_server.server_key = MakeKeyPair().public_key;
  Papers pretender = PapersOf("mallory");
  pretender.public_key = PapersOf("alice").public_key;
  std::vector<std::unique_ptr<RawSocket>> peers;
  std::vector<std::unique_ptr<RawConnection>> strangers;
  for (const Papers& papers : {Papers(), PapersOf("mallory"), wrong_server, pretender}) {
    peers.push_back(
        std::make_unique<RawSocket>(zmq::socket_type::sub, endpoint().data(), papers));
    auto control = std::make_unique<ControlByHand>(endpoint(), "e1", papers);
    control->Send(control->Hello());
    peers.push_back(std::move(control));
  }
  for (const bool control : {false, true}) {
    for (const std::string& greeting : OtherGreetings()) {
      strangers.push_back(std::make_unique<RawConnection>(endpoint(), control));
      strangers.back()->Send(greeting);
    }
  }
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) {
    return log.not_admitted.size() >= 2;  // of the key that is not on the list, on both sockets
  }));
  EXPECT_EQ(publisher_->log().not_admitted.front(), PapersOf("mallory").public_key);
  // By the third head everybody has had the time to get something.
  for (int i = 0; i < 3; ++i) {
    PublishUntilSeen(good, "secret\n");
    while (good.Next().header.kind != BlockKind::kHead && !HasFailure()) {
    }
  }
  for (const auto& peer : peers) EXPECT_EQ(peer->TryReceive(0).size(), 0U);
  for (const auto& stranger : strangers) {
    for (const char* part : {"secret", "PDU", "demo"}) {
      EXPECT_EQ(stranger->Received().find(part), std::string::npos);
    }
  }
  EXPECT_EQ(publisher_->log().joined.size(), 0U);
}

TEST_P(Keys, WithoutKeysAPeerThatEncryptsIsNotServed) {
  Start();
  server_key_ = MakeKeyPair().public_key;
  ControlByHand encrypted(endpoint(), "e1", PapersOf("alice"));
  encrypted.Send(encrypted.Hello());
  ControlByHand plain(endpoint());
  (void)plain.Join();
  EXPECT_EQ(RowOf(plain, "a1").key, "");
  EXPECT_EQ(encrypted.TryReceive(0).size(), 0U);
}

TEST_P(Keys, TheIdOfAMemberIsNotForAnotherKey) {
  StartFor({"alice", "bob"});
  ControlByHand alice(endpoint(), "a1", PapersOf("alice"));
  (void)alice.Join();
  ControlByHand bob(endpoint(), "a1", PapersOf("bob"));
  bob.Send(bob.Hello());
  EXPECT_EQ(bob.Expect<control::Refused>().code, "auth");
  EXPECT_EQ(RowOf(alice, "a1").key, "alice");
  ControlByHand again(endpoint(), "a1", PapersOf("alice"));
  EXPECT_EQ(again.Join().stream, "demo") << "the same key over another connection";
}

TEST_P(Keys, TheConnectionNameOfAMemberIsNotForAnotherKey) {
  StartFor({"alice", "bob"});
  publisher_->Publish("one\n");
  Papers as_alice = PapersOf("alice");
  as_alice.route = "name";
  {
    ControlByHand alice(endpoint(), "a1", as_alice);
    (void)alice.Join();
  }
  Papers as_bob = PapersOf("bob");
  as_bob.route = "name";
  // While alice's connection is still there, ROUTER drops the second one of that name.
  std::optional<ControlByHand> bob;
  ASSERT_TRUE(test::Eventually([&] {
    bob.emplace(endpoint(), "b1", as_bob);
    bob->Send(ControlByHand::ReadAt(0, 100));
    const auto frames = bob->TryReceive(500);
    if (frames.empty()) return false;
    const auto parsed = control::Parse(AsBytes(frames[0]));
    const auto* message = std::get_if<control::Message>(&parsed);
    EXPECT_TRUE(message != nullptr && std::holds_alternative<control::Error>(*message))
        << frames[0];
    return true;
  }));
  bob->Send(control::Bye{});
  (void)bob->Join();
  EXPECT_EQ(RowOf(*bob, "a1").key, "alice") << "it has not said bye";
}

TEST_P(Keys, OneThatIsRemovedIsCutOffAndTheOthersGetEveryByte) {
  StartFor({"alice", "bob"});
  ControlByHand alice(endpoint(), "a1", PapersOf("alice"));
  ControlByHand bob(endpoint(), "b1", PapersOf("bob"));
  (void)alice.Join();
  (void)bob.Join();
  LiveByHand alice_live(endpoint(), PapersOf("alice"));
  LiveByHand bob_live(endpoint(), PapersOf("bob"));
  PublishUntilSeen(alice_live, "one\n");

  const KeyChange change = publisher_->Allow(ListOf({"alice", "carol"}));
  EXPECT_EQ(change.added, std::vector<std::string>{"carol"});
  EXPECT_EQ(change.removed, std::vector<std::string>{"bob"});
  EXPECT_EQ(publisher_->log().revoked, std::vector<std::string>{"b1"});
  publisher_->Publish("two\n");
  ASSERT_TRUE(test::Eventually([&] {
    alice.Send(alice.Hello());
    return !alice.TryReceive(100).empty();
  }));
  while (!alice.TryReceive(100).empty()) {
  }
  EXPECT_EQ(alice.Read(0, 100).bytes, "one\ntwo\n");
  do {  // what comes before it has connected again passes it by
    publisher_->Publish("three\n");
  } while (alice_live.Next().payload != "three\n" && !HasFailure());
  ControlByHand carol(endpoint(), "c1", PapersOf("carol"));
  (void)carol.Join();

  // It connects again by itself.
  ASSERT_TRUE(
      publisher_->Eventually([](const auto& log) { return !log.not_admitted.empty(); }));
  EXPECT_EQ(bob.TryReceive(0).size(), 0U);
  for (auto frames = bob_live.TryReceive(0); !frames.empty(); frames = bob_live.TryReceive(0)) {
    EXPECT_NE(ReadBlockMessage(frames).payload, "two\n");
    EXPECT_NE(ReadBlockMessage(frames).payload, "three\n");
  }
}

TEST_P(Keys, NobodyIsCutOffWhenNobodyIsRemoved) {
  StartFor({"alice"});
  ControlByHand alice(endpoint(), "a1", PapersOf("alice"));
  (void)alice.Join();
  const KeyChange change = publisher_->Allow(ListOf({"alice", "bob"}));
  EXPECT_EQ(change.added, std::vector<std::string>{"bob"});
  EXPECT_TRUE(change.removed.empty());
  EXPECT_EQ(alice.Read(0, 100).done.outcome, control::Done::Outcome::kOk) << "still a member";
  ControlByHand bob(endpoint(), "b1", PapersOf("bob"));
  EXPECT_EQ(bob.Join().stream, "demo");
}

TEST_P(Keys, OneThatIsRenamedIsRemovedAndMayComeBack) {
  StartFor({"alice"});
  ControlByHand alice(endpoint(), "a1", PapersOf("alice"));
  (void)alice.Join();
  std::string why;
  const auto renamed = AllowList::Parse(PapersOf("alice").public_key + " alison", &why);
  (void)publisher_->Allow(*renamed);
  EXPECT_EQ(publisher_->log().revoked, std::vector<std::string>{"a1"});
  ControlByHand again(endpoint(), "a1", PapersOf("alice"));
  (void)again.Join();
  EXPECT_EQ(RowOf(again, "a1").key, "alison");
}

TEST_P(Keys, NobodyWaitsForOneThatIsRemoved) {
  PublishedStreamOptions options = Retaining(kMiB);
  options.wait = true;
  options.linger = std::chrono::hours(1);
  StartFor({"alice", "bob"}, options);
  ControlByHand bob(endpoint(), "b1", PapersOf("bob"));
  (void)bob.Join();
  bob.SendStatus(0);
  ASSERT_TRUE(publisher_->Eventually([](const auto& log) { return log.ready == 1; }));
  PublishAll(Lines(kMiB / 2));
  EXPECT_EQ(publisher_->log().waits_for, "b1");
  (void)publisher_->Allow(ListOf({"alice"}));
  EXPECT_EQ(publisher_->log().waits_for, "");

  ControlByHand alice(endpoint(), "a1", PapersOf("alice"));
  (void)alice.Join();
  publisher_->End(0);
  EXPECT_FALSE(publisher_->log().finished);
  (void)publisher_->Allow(ListOf({}));
  ASSERT_TRUE(publisher_->log().finished);
  EXPECT_TRUE(publisher_->log().finished->empty()) << "it was put out, and is not missed";
}

TEST_P(Keys, AMemberOfThePublisherBeforeKeepsItsKeyIfThatIsStillAllowed) {
  PublishedStreamOptions options;
  options.member_file = directory_.path() + "/members";
  std::ofstream(options.member_file)
      << "a1 sub@alice 0 errors only\nb1 sub@bob 0 x\nc1 sub 0 y\n";
  StartFor({"alice", "carol"}, options);
  EXPECT_EQ(publisher_->log().revoked, std::vector<std::string>{"b1"});
  ControlByHand thief(endpoint(), "a1", PapersOf("carol"));
  thief.Send(thief.Hello());
  EXPECT_EQ(thief.Expect<control::Refused>().code, "auth");
  ControlByHand alice(endpoint(), "a1", PapersOf("alice"));
  (void)alice.Join();
  ControlByHand carol(endpoint(), "c1", PapersOf("carol"));
  (void)carol.Join();
  EXPECT_EQ(RowOf(carol, "c1").key, "carol") << "from the time before there were keys";
}

TEST_P(Keys, APublisherWithoutKeysForgetsThoseOfTheOneBefore) {
  PublishedStreamOptions options;
  options.member_file = directory_.path() + "/members";
  std::ofstream(options.member_file) << "a1 sub@alice 0 x\n";
  Start(options);
  ControlByHand plain(endpoint(), "a1");
  EXPECT_EQ(plain.Join().stream, "demo");
  EXPECT_EQ(publisher_->log().revoked.size(), 0U);
}

}  // namespace
}  // namespace pipedup
