// Over 500 lines: one codec, of which each message is told right, and wrong in each of its
// members.
#include "wire/control.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "print_message.h"

namespace pipedup::control {
namespace {

constexpr SessionId kSession = 0x1f2e3d4c5b6a7988;
constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kBeyondDouble = (std::uint64_t{1} << 53) + 1;

ParseResult ParseText(std::string_view text) {
  return Parse(AsBytes(text));
}

void ExpectRoundTrip(const Message& message) {
  const std::string text = Encode(message);
  const ParseResult result = ParseText(text);
  ASSERT_TRUE(std::holds_alternative<Message>(result))
      << text << ": " << std::get<ParseFailure>(result).reason;
  EXPECT_EQ(std::get<Message>(result), message);
}

void ExpectParses(std::string_view text, const Message& message) {
  const ParseResult result = ParseText(text);
  ASSERT_TRUE(std::holds_alternative<Message>(result))
      << text << ": " << std::get<ParseFailure>(result).reason;
  EXPECT_EQ(std::get<Message>(result), message);
}

/// `reason` is a part of the failure's.
void ExpectFails(std::string_view text, std::string_view reason) {
  const ParseResult result = ParseText(text);
  ASSERT_TRUE(std::holds_alternative<ParseFailure>(result)) << text;
  const auto& failure = std::get<ParseFailure>(result);
  EXPECT_FALSE(failure.unknown_op);
  EXPECT_NE(failure.reason.find(reason), std::string::npos)
      << "\"" << failure.reason << "\" is not about \"" << reason << "\"";
}

/// `text` with the first `from` replaced by `to`.
std::string Replace(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << " is not in " << text;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

constexpr std::string_view kHello =
    R"({"op":"hello","v":1,"id":"ab","stream":"demo","name":"n","host":"h","pid":7,"role":"tap"})";
constexpr std::string_view kRead =
    R"({"op":"read","request":1,"session":"1f2e3d4c5b6a7988","from":5,"max":100})";
constexpr std::string_view kStatus =
    R"({"op":"status","session":"1f2e3d4c5b6a7988","position":5,"lost":2,"mode":"live"})";
constexpr std::string_view kWelcome =
    R"({"op":"welcome","v":1,"stream":"demo","session":"1f2e3d4c5b6a7988","tail":1,"head":2,)"
    R"("records":"lines"})";
constexpr std::string_view kDone =
    R"({"op":"done","request":1,"outcome":"ok","session":"1f2e3d4c5b6a7988","next":5,"tail":1,)"
    R"("head":9,"ended":true})";
constexpr std::string_view kStats =
    R"({"op":"stats","stream":"demo","session":"1f2e3d4c5b6a7988","tail":1,"head":9,)"
    R"("counters":{"a":1},"subscribers_total":1,"subscribers":[{"id":"ab","mode":"live",)"
    R"("position":5,"lag_bytes":4,"lag_seconds":0.5,"lost":0}]})";

// ---- round trips ----

TEST(Control, AHelloSurvivesTheRoundTrip) {
  Hello hello;
  hello.id = std::string(64, 'f');
  hello.stream = "demo";
  hello.name = std::string(256, 'n');
  hello.host = "worker \"7\" \n \x01 \u00e9";
  hello.pid = std::numeric_limits<std::int64_t>::max();
  hello.codecs = {"zstd", std::string(64, 'c')};
  for (const Role role : {Role::kSub, Role::kTap, Role::kRelay, Role::kTop}) {
    hello.role = role;
    ExpectRoundTrip(hello);
  }
  hello.stream.reset();
  ExpectRoundTrip(hello);
}

TEST(Control, AReadSurvivesTheRoundTrip) {
  for (const auto kind :
       {ReadFrom::Kind::kPosition, ReadFrom::Kind::kLast, ReadFrom::Kind::kSince}) {
    for (const std::uint64_t value : {std::uint64_t{0}, kBeyondDouble, kMax}) {
      ExpectRoundTrip(Read{value, kSession, {kind, value}, kMaxReadBytes});
    }
  }
}

TEST(Control, AReadOfNothingIsAPing) {
  ExpectRoundTrip(Read{1, kSession, {}, 0});
}

TEST(Control, AStatusSurvivesTheRoundTrip) {
  for (const Mode mode : {Mode::kJoining, Mode::kCatchUp, Mode::kLive, Mode::kEnded}) {
    ExpectRoundTrip(Status{kSession, kMax, kBeyondDouble, mode});
  }
}

TEST(Control, AWelcomeOfARelaySurvivesTheRoundTrip) {
  Welcome welcome;
  welcome.stream = "demo";
  welcome.session = kSession;
  welcome.head = 10;
  welcome.path = {"first", "second"};
  welcome.reached = 11;
  ExpectRoundTrip(welcome);
  welcome.reached = 10;  // no more than the head says
  const ParseResult parsed = Parse(AsBytes(Encode(welcome)));
  EXPECT_EQ(std::get<Welcome>(std::get<Message>(parsed)).reached, 0U);
}

TEST(Control, AWelcomeSurvivesTheRoundTrip) {
  Welcome welcome;
  welcome.stream = "demo";
  welcome.session = kSession;
  welcome.tail = kBeyondDouble;
  welcome.head = kMax;
  welcome.codec = "zstd";
  welcome.data = "tcp://[::1]:5590";
  welcome.journal = "/run/user/1000/pipedup/demo";
  welcome.started_ns = 1'700'000'000'123'456'789;
  welcome.now_ns = -1;
  welcome.ended = true;
  welcome.heartbeat_ms = 20;
  welcome.window = 1 << 20;
  welcome.past = {{1, 0}, {kSession, kBeyondDouble}};
  welcome.path = {"a1", "b2"};
  for (const auto format : {RecordFormat::kLines, RecordFormat::kNul, RecordFormat::kRaw}) {
    welcome.records = format;
    ExpectRoundTrip(welcome);
  }
}

TEST(Control, ADoneSurvivesTheRoundTrip) {
  for (const auto outcome :
       {Done::Outcome::kOk, Done::Outcome::kGone, Done::Outcome::kWrongSession}) {
    ExpectRoundTrip(Done{kMax, outcome, kSession, 3, 2, kMax, true});
    ExpectRoundTrip(Done{kMax, outcome, kSession, 3, 2, kMax, true, "damaged"});
  }
}

TEST(Control, TheShortMessagesSurviveTheRoundTrip) {
  ExpectRoundTrip(StatsRequest{});
  ExpectRoundTrip(StatsRequest{"web.errors"});
  ExpectRoundTrip(Bye{});
  ExpectRoundTrip(List{});
  ExpectRoundTrip(List{"web.1"});
  ExpectRoundTrip(Streams{});
  ExpectRoundTrip(Streams{{{"web", kSession, true}}, true});
  ExpectRoundTrip(Refused{"version", "this is version 1, you speak 2"});
  ExpectRoundTrip(LetGo{"took nothing for 30 s"});
  ExpectRoundTrip(Error{"unknown-member", ""});
  ExpectRoundTrip(Error{"too-many-reads", "", 0});
  ExpectRoundTrip(Error{"too-many-reads", "", kMax});
}

TEST(Control, AsManyStreamsAsFitAreListedAndTheRestIsAskedForWithTheLastName) {
  Streams all;
  for (int i = 1000; i < 2000; ++i) {
    all.streams.push_back({std::string(100, 'x') + std::to_string(i), kSession, false});
  }
  const std::string text = control::Encode(all);
  EXPECT_LE(text.size(), control::kMaxStreamsBytes);
  const auto parsed = control::Parse(AsBytes(text));
  const auto& some = std::get<Streams>(std::get<control::Message>(parsed));
  EXPECT_TRUE(some.more);
  ASSERT_GT(some.streams.size(), 30U);
  EXPECT_EQ(some.streams.back(), all.streams[some.streams.size() - 1]);
}

TEST(Control, AListOfStreamsIsReadAsStrictlyAsTheRest) {
  ExpectFails(R"({"op":"list","after":"a b"})", "list: after: not a stream name");
  ExpectFails(R"({"op":"streams"})", "streams: streams: missing");
  ExpectFails(R"({"op":"streams","streams":[1]})", "streams: streams: not a list of objects");
  ExpectFails(R"({"op":"streams","streams":[{"stream":"a"}]})",
              "streams: streams: session: missing");
}

Stats SomeStats(std::size_t rows) {
  Stats stats;
  stats.stream = "demo";
  stats.session = kSession;
  stats.tail = 1;
  stats.head = kMax;
  stats.counters = {{"blocks_published", kMax}, {"bytes_lost", 0}};
  for (std::size_t i = 0; i < rows; ++i) {
    SubscriberRow row;
    row.id = "ab";
    row.name = std::string(200, 'n');
    row.host = "host";
    row.address = "192.0.2.17";
    row.key = "ops";
    row.pid = 4711;
    row.role = Role::kRelay;
    row.mode = Mode::kCatchUp;
    row.position = i;
    row.lag_bytes = kMax;
    row.lag_seconds = 0.1;
    row.lost = kBeyondDouble;
    if (i == 2) {
      row.replicas = {{"n1", ReplicaState::kLeader},
                      {"n2", ReplicaState::kCurrent},
                      {"n3", ReplicaState::kBehind},
                      {"", ReplicaState::kAway}};
    }
    stats.subscribers.push_back(row);
  }
  stats.subscribers_total = rows;
  return stats;
}

TEST(Control, StatsSurviveTheRoundTrip) {
  ExpectRoundTrip(SomeStats(0));
  ExpectRoundTrip(SomeStats(1));
  ExpectRoundTrip(SomeStats(3));
}

// ---- what Encode does ----

TEST(Control, SessionsAreSixteenLowerCaseHexDigits) {
  EXPECT_NE(Encode(Status{0xAB, 0, 0, Mode::kLive}).find(R"("session":"00000000000000ab")"),
            std::string::npos);
}

TEST(Control, TextThatIsNotUtf8IsSentWithReplacements) {
  ExpectParses(Encode(LetGo{"a\xff\xfe"
                            "b\xc3"}),
               LetGo{"a\ufffd\ufffd"
                     "b\ufffd"});
}

TEST(Control, StatsAreCutToTheRowsThatFitAndTheTotalTells) {
  const Stats stats = SomeStats(4000);
  const std::string text = Encode(stats);
  EXPECT_LE(text.size(), kMaxAnswerBytes);
  const ParseResult result = ParseText(text);
  ASSERT_TRUE(std::holds_alternative<Message>(result));
  const auto& parsed = std::get<Stats>(std::get<Message>(result));
  EXPECT_EQ(parsed.subscribers_total, 4000U);
  ASSERT_LT(parsed.subscribers.size(), 4000U);
  const std::size_t row_bytes = text.size() / parsed.subscribers.size();
  EXPECT_GT(text.size() + 2 * row_bytes, kMaxAnswerBytes) << "a row more would have fitted";
  for (std::size_t i = 0; i < parsed.subscribers.size(); ++i) {
    ASSERT_EQ(parsed.subscribers[i], stats.subscribers[i]);
  }
}

TEST(Control, TheTotalIsNeverLessThanTheRows) {
  Stats stats = SomeStats(2);
  stats.subscribers_total = 0;
  const ParseResult result = ParseText(Encode(stats));
  EXPECT_EQ(std::get<Stats>(std::get<Message>(result)).subscribers_total, 2U);
}

TEST(Control, ALagThatIsNoNumberIsSentAsZero) {
  Stats stats = SomeStats(1);
  stats.subscribers[0].lag_seconds = std::nan("");
  const ParseResult result = ParseText(Encode(stats));
  EXPECT_EQ(std::get<Stats>(std::get<Message>(result)).subscribers[0].lag_seconds, 0);
}

TEST(Control, WordsAreThoseOfTheDocument) {
  EXPECT_EQ(ToText(Role::kRelay), "relay");
  EXPECT_EQ(ToText(Mode::kCatchUp), "catch-up");
  EXPECT_EQ(ToText(RecordFormat::kNul), "nul");
  EXPECT_EQ(ParseRecordFormat("raw"), RecordFormat::kRaw);
  EXPECT_EQ(ParseRecordFormat("Raw"), std::nullopt);
}

// ---- what Parse takes ----

TEST(Control, UnknownMembersAreIgnored) {
  ExpectParses(R"({"op":"bye","why":[{"x":[1.5,null,true]}]})", Bye{});
  ExpectParses(R"({"op":"read","request":1,"session":"1f2e3d4c5b6a7988","max":0,)"
               R"("from":{"last":3,"nearly":true}})",
               Read{1, kSession, {ReadFrom::Kind::kLast, 3}, 0});
}

TEST(Control, ANullIsAsGoodAsNoMember) {
  Hello hello;
  hello.id = "ab";
  ExpectParses(R"({"op":"hello","v":1,"id":"ab","stream":null,"name":null,"pid":null})", hello);
  ExpectFails(R"({"op":"hello","v":1,"id":null})", "id: missing");
}

TEST(Control, OptionalMembersHaveTheirDefaults) {
  Hello hello;
  hello.id = "ab";
  ExpectParses(R"({"op":"hello","v":1,"id":"ab"})", hello);

  Welcome welcome;
  welcome.stream = "demo";
  welcome.session = kSession;
  welcome.tail = 1;
  welcome.head = 2;
  ExpectParses(kWelcome, welcome);
  EXPECT_EQ(welcome.heartbeat_ms, 500U);

  ExpectParses(Replace(std::string(kStatus), R"("lost":2,)", ""),
               Status{kSession, 5, 0, Mode::kLive});
}

TEST(Control, WhiteSpaceAndOrderDoNotMatter) {
  ExpectParses(" {\n\t\"why\" : 1 ,\r\n \"op\" : \"bye\" } \n", Bye{});
}

TEST(Control, StatsAreAnAnswerIfTheyCarryCounters) {
  ExpectParses(R"({"op":"stats"})", StatsRequest{});
  ExpectParses(R"({"op":"stats","stream":"demo"})", StatsRequest{"demo"});
  const ParseResult result = ParseText(kStats);
  EXPECT_TRUE(std::holds_alternative<Stats>(std::get<Message>(result)));
  ExpectFails(R"({"op":"stats","counters":{}})", "stream: missing");
}

TEST(Control, OfAnotherVersionOnlyTheVersionIsRead) {
  Hello hello;
  hello.version = 2;
  ExpectParses(R"({"op":"hello","v":2,"id":{"new":"kind"}})", hello);
  Welcome welcome;
  welcome.version = 7;
  ExpectParses(R"({"op":"welcome","v":7})", welcome);
}

TEST(Control, AnUnknownOpIsToldFromAMalformedMessage) {
  const ParseResult result = ParseText(R"({"op":"dance"})");
  ASSERT_TRUE(std::holds_alternative<ParseFailure>(result));
  EXPECT_TRUE(std::get<ParseFailure>(result).unknown_op);
}

// ---- what Parse refuses ----

TEST(Control, WhatIsNoJsonObjectIsRefused) {
  for (const std::string_view text :
       {"", " ", "null", "1", "\"bye\"", "[]", R"([{"op":"bye"}])", "{", R"({"op":"bye")",
        R"({"op":"bye",})", R"({"op":"bye"} x)", R"({"op":"bye"}{"op":"bye"})",
        R"({'op':'bye'})", "\xff\xfe", "1e999", R"({"op":"bye","x":1e999})"}) {
    ExpectFails(text, "not");
  }
}

TEST(Control, AnOpThatIsNoTextIsRefused) {
  ExpectFails("{}", "op: missing");
  ExpectFails(R"({"op":null})", "op: missing");
  ExpectFails(R"({"op":1})", "op: not a string");
  ExpectFails(R"({"op":["bye"]})", "op: not a string");
}

TEST(Control, ANulNeverEndsAMessage) {
  using namespace std::string_view_literals;
  ExpectFails("{\"op\":\"bye\"}\0"sv, "not JSON");
  ExpectFails("{\"op\":\"bye\"}\0{\"op\":\"stats\"}"sv, "not JSON");
  ExpectFails("{\"op\":\"b\0ye\"}"sv, "not JSON");
}

TEST(Control, TextThatIsNotUtf8IsRefused) {
  ExpectFails("{\"op\":\"error\",\"code\":\"\xff\"}", "not a JSON object");
  ExpectFails("{\"op\":\"error\",\"code\":\"\xed\xa0\x80\"}", "not a JSON object");
  ExpectFails(R"({"op":"error","code":"\ud800"})", "not a JSON object");
}

TEST(Control, ControlCharactersAreFineWhenEscaped) {
  ExpectParses(R"({"op":"let-go","reason":"\u0000\u001b[2J\n"})",
               LetGo{std::string("\0\x1b[2J\n", 6)});
  ExpectFails("{\"op\":\"let-go\",\"reason\":\"\x1b\"}", "not a JSON object");
}

TEST(Control, DepthBombsAreHarmless) {
  const std::size_t levels = kMaxAnswerBytes / 8;
  std::string arrays(levels, '[');
  ExpectFails(arrays, "not JSON");
  ExpectFails(arrays + std::string(levels, ']'), "not JSON");
  std::string objects = R"({"op":"bye","x":)";
  for (std::size_t i = 0; i < levels; ++i) objects += R"({"a":)";
  ExpectFails(objects, "not JSON");
}

TEST(Control, NestingIsAllowedToSixteenLevelsAndNotCountedInText) {
  const auto nested = [](std::size_t levels) {
    return R"({"op":"bye","x":)" + std::string(levels - 1, '[') + std::string(levels - 1, ']') +
           "}";
  };
  ExpectParses(nested(16), Bye{});
  ExpectFails(nested(17), "not JSON");
  ExpectParses(R"({"op":"bye","x":"\"[[[[[[[[[[[[[[[[[[[[\\"})", Bye{});
}

TEST(Control, MessagesLongerThanTheirDirectionAllowsAreRefused) {
  const auto padded = [](std::string_view text, std::size_t size) {
    return std::string(text) + std::string(size - text.size(), ' ');
  };
  ExpectParses(padded(R"({"op":"bye"})", kMaxRequestBytes), Bye{});
  ExpectFails(padded(R"({"op":"bye"})", kMaxRequestBytes + 1), "too long");
  ExpectParses(padded(R"({"op":"let-go"})", kMaxAnswerBytes), LetGo{});
  ExpectFails(padded(R"({"op":"let-go"})", kMaxAnswerBytes + 1), "too long");
}

struct BadMember {
  std::string_view message;
  std::string_view from;
  std::string_view to;
  std::string_view reason;
};

TEST(Control, EachBadMemberIsNamed) {
  const std::string long_text = '"' + std::string(257, 'n') + '"';
  std::string codecs = R"(,"codecs":["a")";
  for (std::size_t i = 0; i < kMaxCodecs; ++i) codecs += R"(,"b")";
  codecs += "]}";
  const std::string long_id = '"' + std::string(65, 'a') + '"';
  const std::vector<BadMember> cases = {
      {kHello, R"("v":1,)", "", "hello: v: missing"},
      {kHello, R"("v":1)", R"("v":0)", "v: out of range"},
      {kHello, R"("v":1)", R"("v":2147483648)", "v: out of range"},
      {kHello, R"("v":1)", R"("v":"1")", "v: not an unsigned"},
      {kHello, R"("id":"ab",)", "", "id: missing"},
      {kHello, R"("ab")", R"("")", "id: too short"},
      {kHello, R"("ab")", long_id, "id: too long"},
      {kHello, R"("ab")", R"("xy")", "id: not hex"},
      {kHello, R"("demo")", R"("de mo")", "stream: not a stream name"},
      {kHello, R"("demo")", R"("")", "stream: not a stream name"},
      {kHello, R"("demo")", "7", "stream: not a string"},
      {kHello, R"("n")", long_text, "name: too long"},
      {kHello, R"("h")", long_text, "host: too long"},
      {kHello, R"("pid":7)", R"("pid":-1)", "pid: out of range"},
      {kHello, R"("pid":7)", R"("pid":7.0)", "pid: not an integer"},
      {kHello, R"("pid":7)", R"("pid":9223372036854775808)", "pid: out of range"},
      {kHello, R"("tap")", R"("king")", "role: unknown word"},
      {kHello, "}", R"(,"codecs":"zstd"})", "codecs: not a list"},
      {kHello, "}", R"(,"codecs":["zstd",1]})", "codecs: not a list of names"},
      {kHello, "}", R"(,"codecs":[""]})", "codecs: not a list of names"},
      {kHello, "}", codecs, "codecs: too long"},
      {kRead, R"("request":1,)", "", "read: request: missing"},
      {kRead, R"("request":1)", R"("request":-1)", "request: not an unsigned"},
      {kRead, R"("request":1)", R"("request":1.0)", "request: not an unsigned"},
      {kRead, R"("request":1)", R"("request":1e3)", "request: not an unsigned"},
      {kRead, R"("request":1)", R"("request":18446744073709551616)",
       "request: not an unsigned"},
      {kRead, R"("request":1)", R"("request":true)", "request: not an unsigned"},
      {kRead, "1f2e3d4c5b6a7988", "1F2E3D4C5B6A7988", "session: not 16"},
      {kRead, "1f2e3d4c5b6a7988", "1f2e3d4c5b6a798", "session: not 16"},
      {kRead, "1f2e3d4c5b6a7988", "1f2e3d4c5b6a79880", "session: not 16"},
      {kRead, R"("1f2e3d4c5b6a7988")", "1", "session: not a string"},
      {kRead, "1f2e3d4c5b6a7988", "0000000000000000", "session: no session"},
      {kStatus, "1f2e3d4c5b6a7988", "0000000000000000", "session: no session"},
      {kWelcome, "1f2e3d4c5b6a7988", "0000000000000000", "session: no session"},
      {kRead, R"("from":5,)", "", "from: missing"},
      {kRead, R"("from":5)", R"("from":-5)", "from: not an unsigned"},
      {kRead, R"("from":5)", R"("from":"start")", "from: not an unsigned"},
      {kRead, R"("from":5)", R"("from":{})", "from: must hold either"},
      {kRead, R"("from":5)", R"("from":{"last":1,"since":2})", "from: must hold either"},
      {kRead, R"("from":5)", R"("from":{"last":-1})", "from: last: not an unsigned"},
      {kRead, R"("from":5)", R"("from":{"since":1.5})", "from: since: not an unsigned"},
      {kRead, R"("max":100)", R"("max":4194305)", "max: out of range"},
      {kStatus, R"("position":5)", R"("position":-5)", "position: not an unsigned"},
      {kStatus, R"("lost":2)", R"("lost":"2")", "lost: not an unsigned"},
      {kStatus, R"("mode":"live")", R"("mode":"asleep")", "mode: unknown word"},
      {kStatus, R"(,"mode":"live")", "", "mode: missing"},
      {kWelcome, R"("demo")", R"("")", "stream: not a stream name"},
      {kWelcome, R"("tail":1)", R"("tail":3)", "tail: beyond head"},
      {kWelcome, R"("lines")", R"("words")", "records: unknown word"},
      {kWelcome, "}", R"(,"codec":""})", "codec: too short"},
      {kWelcome, "}", R"(,"data":5591})", "data: not a string"},
      {kWelcome, "}", R"(,"started":1.5})", "started: not an integer"},
      {kWelcome, "}", R"(,"now":18446744073709551615})", "now: out of range"},
      {kWelcome, "}", R"(,"ended":1})", "ended: not true or false"},
      {kWelcome, "}", R"(,"heartbeat_ms":0})", "heartbeat_ms: out of range"},
      {kWelcome, "}", R"(,"heartbeat_ms":3600001})", "heartbeat_ms: out of range"},
      {kWelcome, "}", R"(,"window":-1})", "window: not an unsigned"},
      {kWelcome, "}", R"(,"past":7})", "past: not a list"},
      {kWelcome, "}", R"(,"path":7})", "path: not a list"},
      {kWelcome, "}", R"(,"path":[7]})", "path: not a list of ids"},
      {kWelcome, "}", R"(,"path":[""]})", "path: not a list of ids"},
      {kWelcome, "}", R"(,"past":[7]})", "past: not a list of objects"},
      {kWelcome, "}", R"(,"past":[{"end":7}]})", "past: session: missing"},
      {kDone, R"("ok")", R"("fine")", "outcome: unknown word"},
      {kDone, R"("outcome":"ok",)", "", "outcome: missing"},
      {kDone, R"("tail":1)", R"("tail":10)", "tail: beyond head"},
      {kDone, R"("next":5,)", "", "next: missing"},
      {kDone, R"("ended":true)", R"("ended":"yes")", "ended: not true or false"},
      {kStats, R"({"a":1})", "[1]", "counters: not an object"},
      {kStats, R"({"a":1})", R"({"a":-1})", "counters: a value"},
      {kStats, R"({"a":1})", R"({"a":1.5})", "counters: a value"},
      {kStats, R"({"id":"ab")", R"(7,{"id":"ab")", "subscribers: a row"},
      {kStats, R"("id":"ab")", R"("id":"")", "subscribers: id: too short"},
      {kStats, "0.5", "-0.5", "lag_seconds: out of range"},
      {kStats, "0.5", R"("0.5")", "lag_seconds: not a number"},
      {kStats, R"("lag_bytes":4,)", "", "lag_bytes: missing"},
      {kStats, R"("lost":0)", R"("lost":0,"replicas":7)", "replicas: not a list"},
      {kStats, R"("lost":0)", R"("lost":0,"replicas":[7])", "replicas: not a list of objects"},
      {kStats, R"("lost":0)", R"("lost":0,"replicas":[{"name":"a"}])", "state: missing"},
      {kStats, R"("lost":0)", R"("lost":0,"replicas":[{"name":"a","state":"dead"}])",
       "state: "},
  };
  for (const BadMember& bad : cases) {
    ExpectFails(Replace(std::string(bad.message), bad.from, bad.to), bad.reason);
  }
}

TEST(Control, RefusalsAndErrorsNeedACode) {
  ExpectFails(R"({"op":"refused","reason":"no"})", "refused: code: missing");
  ExpectFails(R"({"op":"error","code":""})", "error: code: too short");
  ExpectParses(R"({"op":"error","code":"of-a-later-version"})",
               Error{"of-a-later-version", ""});
  ExpectFails(R"({"op":"error","code":"no-records","request":-1})", "error: request: not an");
}

TEST(Control, EveryPrefixOfEveryMessageIsRefused) {
  for (const std::string_view text : {kHello, kRead, kStatus, kWelcome, kDone, kStats}) {
    for (std::size_t size = 0; size < text.size(); ++size) {
      EXPECT_TRUE(std::holds_alternative<ParseFailure>(ParseText(text.substr(0, size))));
    }
    EXPECT_TRUE(std::holds_alternative<Message>(ParseText(text))) << text;
  }
}

}  // namespace
}  // namespace pipedup::control
