// How a block becomes the headers of a message; and what a cluster may answer.
#include "nats/log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

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

}  // namespace
}  // namespace pipedup::nats
