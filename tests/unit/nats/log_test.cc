// How a block becomes the headers of a message; and what a cluster may answer.
#include "nats/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "base/error.h"

namespace pipedup::nats {
namespace {

std::string Value(const Headers& headers, const std::string& name) {
  const auto found =
      std::ranges::find_if(headers, [&](const auto& one) { return one.first == name; });
  return found == headers.end() ? "(none)" : found->second;
}

BlockHeader Data() {
  BlockHeader header;
  header.session = 0x1f2e3d4c5b6a7988;
  header.position = 1000;
  header.length = 4;
  return header;
}

TEST(LogEntry, OfOneBlockSaysWhichItIsAndWhereItBelongs) {
  const Headers headers = EncodeEntry(Data(), {.stream = "demo"}, 41);
  EXPECT_EQ(Value(headers, "Nats-Msg-Id"), "1f2e3d4c5b6a7988:1000");
  EXPECT_EQ(Value(headers, "Nats-Expected-Last-Sequence"), "41");
  EXPECT_EQ(Value(headers, "Pipedup-Block").size(), 2 * kHeaderBytes);
}

TEST(LogEntry, OfAMarkMayComeAgainElsewhere) {
  BlockHeader mark = Data();
  mark.kind = BlockKind::kHead;
  mark.length = 0;
  EXPECT_NE(Value(EncodeEntry(mark, {.stream = "demo"}, 41), "Nats-Msg-Id"),
            Value(EncodeEntry(mark, {.stream = "demo"}, 42), "Nats-Msg-Id"));
}

TEST(LogEntry, IsReadAsItWasWritten) {
  BlockHeader header = Data();
  header.checksummed = true;
  header.checksum = Checksum(AsBytes("text"));
  const Note note{.stream = "demo",
                  .records = RecordFormat::kNul,
                  .started_ns = 5,
                  .past = {{0xabc, 900}},
                  .left = true};
  std::string why;
  const auto entry = DecodeEntry(
      Message("any", EncodeEntry(header, note, 41), AsBytes("text")), 42, &why);
  ASSERT_TRUE(entry) << why;
  EXPECT_EQ(entry->sequence, 42U);
  EXPECT_EQ(entry->header, header);
  EXPECT_EQ(AsText(entry->bytes.bytes), "text");
  EXPECT_EQ(entry->note.stream, "demo");
  EXPECT_EQ(entry->note.records, RecordFormat::kNul);
  EXPECT_TRUE(entry->note.left);
  ASSERT_EQ(entry->note.past.size(), 1U);
  EXPECT_EQ(entry->note.past[0].session, 0xabcU);
}

TEST(LogEntry, ThatIsDamagedIsNone) {
  BlockHeader header = Data();
  header.checksummed = true;
  header.checksum = Checksum(AsBytes("text"));
  const auto why_not = [&](const Headers& headers, std::string_view text) {
    std::string why;
    EXPECT_FALSE(DecodeEntry(Message("any", headers, AsBytes(text)), 1, &why));
    return why;
  };
  const Headers sound = EncodeEntry(header, {.stream = "demo"}, 0);
  EXPECT_EQ(why_not(sound, "texd"), "bad checksum");
  EXPECT_EQ(why_not(sound, "text and more"), "header and bytes differ in length");
  header.codec = Codec::kZstd;
  EXPECT_THAT(why_not(EncodeEntry(header, {.stream = "demo"}, 0), "text"),
              testing::HasSubstr("compressed"));
  for (std::size_t i = 0; i < 2; ++i) {
    Headers damaged = sound;
    damaged[i].second[damaged[i].second.size() / 2] ^= 1;
    EXPECT_NE(why_not(damaged, "text"), "") << damaged[i].first;
  }
}

TEST(LogEntry, OfSomebodyElseIsNone) {
  std::string why;
  EXPECT_FALSE(DecodeEntry(Message(), 1, &why));
  EXPECT_NE(why, "");
}

TEST(Acknowledgement, ThatIsNoneIsAnError) {
  const Acknowledgement answer = ParseAcknowledgement(Message());
  EXPECT_FALSE(answer.stored);
  EXPECT_FALSE(answer.misplaced);
  EXPECT_NE(answer.error, "");
}

TEST(Acknowledgement, SaysWhereAMessageWasStored) {
  const Acknowledgement answer =
      ParseAcknowledgement(Message("any", {}, AsBytes(R"({"stream":"demo","seq":7})")));
  EXPECT_TRUE(answer.stored);
  EXPECT_EQ(answer.sequence, 7U);
}

TEST(Acknowledgement, SaysThatAnotherMessageWasFirst) {
  const Acknowledgement answer = ParseAcknowledgement(Message(
      "any", {},
      AsBytes(R"({"error":{"code":400,"err_code":10071,"description":"wrong sequence"}})")));
  EXPECT_FALSE(answer.stored);
  EXPECT_TRUE(answer.misplaced);
  EXPECT_EQ(answer.error, "wrong sequence");
}

TEST(Acknowledgement, WithAnErrorOfAnyShapeIsNone) {
  for (const char* text : {R"({"error":7})", R"({"error":{"code":"x"}})", R"({"error":[]})",
                           R"({"seq":"1"})", R"({"seq":-1)", "7", "null", ""}) {
    EXPECT_FALSE(ParseAcknowledgement(Message("any", {}, AsBytes(text))).stored) << text;
  }
}

/// As a server of 2.9 describes a stream, with `cluster` in it.
std::string Info(const std::string& cluster) {
  return R"({"type":"io.nats.jetstream.api.v1.stream_info_response",)"
         R"("config":{"name":"demo","subjects":["pipedup.demo"],"allow_direct":true},)"
         R"("state":{"messages":3,"first_seq":5,"last_seq":7},"cluster":)" +
         cluster + "}";
}

TEST(Head, SaysWhereTheLogIsAndWhoKeepsIt) {
  using control::ReplicaState;
  const auto state = ParseHead(
      "demo",
      Message(
          "any", {},
          AsBytes(Info(
              R"({"name":"c","leader":"n2","replicas":[{"name":"n1","current":true,"active":5},)"
              R"({"name":"n3","current":false,"lag":9},{"name":"n4","current":false,"offline":true},{"name":"n5","current":true,"active":9000000000}]})"))));
  ASSERT_TRUE(state);
  EXPECT_EQ(state->first, 5U);
  EXPECT_EQ(state->last, 7U);
  const std::vector<control::Replica> expected = {{"n2", ReplicaState::kLeader},
                                                  {"n1", ReplicaState::kCurrent},
                                                  {"n3", ReplicaState::kBehind},
                                                  {"n4", ReplicaState::kAway},
                                                  {"n5", ReplicaState::kAway}};
  EXPECT_EQ(state->replicas, expected);
}

TEST(Head, OfNoStreamIsNothing) {
  EXPECT_FALSE(ParseHead(
      "demo", Message("any", {}, AsBytes(R"({"error":{"code":404,"err_code":10059}})"))));
}

TEST(Head, ThatIsNoneThrows) {
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string(R"({"error":7})"), Info("7"),
        Info(R"({"leader":7})"), Info(R"({"replicas":[7]})"), Info(R"({"replicas":7})")}) {
    EXPECT_THROW((void)ParseHead("demo", Message("any", {}, AsBytes(text))), Error) << text;
  }
}

TEST(Head, OfAStreamOfSomebodyElseThrows) {
  EXPECT_THROW((void)ParseHead("other", Message("any", {}, AsBytes(Info("{}")))), Error);
}

}  // namespace
}  // namespace pipedup::nats
