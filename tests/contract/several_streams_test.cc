// Several streams on one pair of sockets.
#include "several_streams.h"

#include <algorithm>
#include <map>

#include "subscribe/stream_list.h"

namespace pipedup {
namespace {

constexpr std::size_t kMany = 150;  // are more than an answer holds

class SeveralStreams : public SeveralStreamsTest {};

TEST_F(SeveralStreams, EachHasItsOwnMembersAndBytes) {
  Add("b", 2, "bytes of b\n");
  Add("a", 1, "bytes of a\n");
  ControlByHand first(endpoint_, "a1");
  EXPECT_EQ(JoinStream(first, "a").session, 1U);
  ControlByHand second(endpoint_, "a1");  // the same id, of another stream
  EXPECT_EQ(JoinStream(second, "b").session, 2U);
  EXPECT_EQ(Read(first, 1), "bytes of a\n");
  EXPECT_EQ(Read(second, 2), "bytes of b\n");
  EXPECT_EQ(Read(first, 2), "") << "of another session than it has joined";
  thread_.Do([this] {
    EXPECT_EQ(streams_[0].publisher->members().size(), 1U);
    EXPECT_EQ(streams_[1].publisher->members().size(), 1U);
  });
}

TEST_F(SeveralStreams, OneConnectionIsAMemberOfOneOfThem) {
  Add("a", 1, "bytes of a\n");
  Add("b", 2, "bytes of b\n");
  ControlByHand peer(endpoint_, "a1");
  (void)JoinStream(peer, "a");
  (void)JoinStream(peer, "b");
  EXPECT_EQ(Read(peer, 2), "bytes of b\n");
  thread_.Do([this] {
    EXPECT_EQ(streams_[0].publisher->members().size(), 0U);
    EXPECT_EQ(streams_[1].publisher->members().size(), 1U);
  });
}

TEST_F(SeveralStreams, WhoNamesNoneIsToldWhichThereAre) {
  Add("a", 1, "");
  Add("b", 2, "");
  ControlByHand peer(endpoint_, "a1");
  control::Hello hello = peer.Hello();
  hello.stream.reset();
  peer.Send(hello);
  const auto refused = peer.Expect<control::Refused>();
  EXPECT_EQ(refused.code, "stream");
  EXPECT_NE(refused.reason.find("'a', 'b'"), std::string::npos) << refused.reason;
}

TEST_F(SeveralStreams, OneThatMayComeIsNotRefused) {
  ControlByHand early(endpoint_, "a1");
  control::Hello hello = early.Hello();
  hello.stream = "later";
  early.Send(hello);
  early.Send(control::List{});
  EXPECT_TRUE(early.Expect<control::Streams>().streams.empty()) << "the first answer";
  Add("later", 7, "");
  early.Send(hello);
  EXPECT_EQ(early.Expect<control::Welcome>().session, 7U);
}

TEST_F(SeveralStreams, TheNewerSessionTakesThePlaceOfAnother) {
  Add("a", 1, "old\n");
  ControlByHand stays(endpoint_, "a1");
  EXPECT_EQ(JoinStream(stays, "a").session, 1U);
  Add("a", 2, "new\n");
  ControlByHand comes(endpoint_, "b2");
  EXPECT_EQ(JoinStream(comes, "a").session, 2U);
  EXPECT_EQ(Read(stays, 1), "old\n");
  EXPECT_EQ(Read(comes, 2), "new\n");
  comes.Send(control::List{});
  const auto listed = comes.Expect<control::Streams>();
  ASSERT_EQ(listed.streams.size(), 1U);
  EXPECT_EQ(listed.streams[0].session, 2U);
}

TEST_F(SeveralStreams, EachHasItsOwnStatistics) {
  Add("b", 2, "bytes of b\n");
  Add("a", 1, "of a\n");
  ControlByHand onlooker(endpoint_, "a1");
  onlooker.Send(control::StatsRequest{"b"});
  EXPECT_EQ(onlooker.Expect<control::Stats>().session, 2U);
  onlooker.Send(control::StatsRequest{"a"});
  const auto stats = onlooker.Expect<control::Stats>();
  EXPECT_EQ(stats.session, 1U);
  EXPECT_EQ(stats.head, 5U);
  (void)JoinStream(onlooker, "b");
  onlooker.Send(control::StatsRequest{});
  EXPECT_EQ(onlooker.Expect<control::Stats>().stream, "b") << "a member's own";
}

TEST_F(SeveralStreams, AreListedInPages) {
  for (std::uint64_t i = 0; i < kMany + 10; ++i) {
    Add("s" + std::to_string(1000 + i), i + 1, "");
  }
  ControlByHand peer(endpoint_, "a1");
  std::vector<std::string> names;
  control::Streams answer;
  do {
    peer.Send(control::List{names.empty() ? "" : names.back()});
    answer = peer.Expect<control::Streams>();
    for (const control::ListedStream& one : answer.streams) names.push_back(one.stream);
  } while (answer.more && !answer.streams.empty());
  ASSERT_EQ(names.size(), kMany + 10);
  EXPECT_TRUE(std::ranges::is_sorted(names));
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
}

TEST_F(SeveralStreams, AreFoundAlsoThoseThatComeLater) {
  std::map<std::string, SessionId> found;
  std::optional<StreamList> finder;
  thread_.Do([&] {
    finder.emplace(
        context_, thread_.loop(), endpoint_, std::chrono::seconds(3),
        [&found](const control::ListedStream& listed) {
          found[listed.stream] = listed.session;
        },
        [] {});
  });
  const auto has = [&](const std::string& name) {
    bool there = false;
    thread_.Do([&] { there = found.contains(name); });
    return there;
  };
  Add("early", 1, "");
  EXPECT_TRUE(test::Eventually([&] { return has("early"); }));
  for (std::uint64_t i = 0; i < kMany + 1; ++i) {
    Add("m" + std::to_string(1000 + i), i + 10, "");
  }
  EXPECT_TRUE(test::Eventually([&] { return has("m1150"); })) << "on the second page";
  thread_.Do([&] { finder.reset(); });
}

}  // namespace
}  // namespace pipedup
