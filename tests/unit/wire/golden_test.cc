// tests/golden/, the codec and PROTOCOL.md agree: each golden file stands in the document as
// the fenced block of its name, letter for letter, and is what the codec writes and reads.
#include <gtest/gtest.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "base/checksum.h"
#include "print_message.h"
#include "wire/block_header.h"
#include "wire/compression.h"
#include "wire/control.h"

namespace pipedup {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = PIPEDUP_SOURCE_DIR;

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// "frame_data.hex" and so on, with what is in them.
std::map<std::string, std::string> GoldenFiles() {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(kSource / "tests/golden")) {
    const fs::path& path = entry.path();
    if (path.extension() != ".hex" && path.extension() != ".json") continue;
    files[path.filename()] = ReadAll(path);
  }
  return files;
}

/// The fenced blocks of PROTOCOL.md that have a name: "```hex frame_data" is "frame_data.hex".
std::map<std::string, std::string> Examples() {
  std::ifstream document(kSource / "src/wire/PROTOCOL.md");
  std::map<std::string, std::string> examples;
  std::string* open = nullptr;
  for (std::string line; std::getline(document, line);) {
    if (line.starts_with("```")) {
      const std::size_t space = line.find(' ');
      open = space == std::string::npos
                 ? nullptr
                 : &examples[line.substr(space + 1) + "." + line.substr(3, space - 3)];
    } else if (open != nullptr) {
      *open += line + "\n";
    }
  }
  return examples;
}

/// Hex digits in pairs; white space, and anything from # to the end of the line, is skipped.
std::string FromHex(const std::string& text) {
  std::string digits;
  bool in_comment = false;
  for (const char c : text) {
    in_comment = c != '\n' && (in_comment || c == '#');
    if (!in_comment && std::isxdigit(static_cast<unsigned char>(c)) != 0) digits += c;
  }
  EXPECT_EQ(digits.size() % 2, 0U);
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

/// JSON without the white space that means nothing.
std::string Compact(const std::string& json) {
  std::string compact;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (!in_string && std::isspace(static_cast<unsigned char>(json[i])) != 0) continue;
    compact += json[i];
    if (json[i] == '"') in_string = !in_string;
    if (json[i] == '\\') compact += json[++i];
  }
  return compact;
}

std::string GoldenBytes(const std::string& name) {
  return FromHex(ReadAll(kSource / "tests/golden" / (name + ".hex")));
}

constexpr SessionId kSession = 0x1f2e3d4c5b6a7988;

BlockHeader GoldenHeader() {
  BlockHeader header;
  header.begins_record = true;
  header.ends_record = true;
  header.session = kSession;
  header.position = 1000;
  header.length = 14;
  header.records = 3;
  header.records_before = 120;
  header.time_ns = 1'700'000'000'123'456'789;
  header.checksum = Checksum(AsBytes("one\ntwo\nthree\n"));
  return header;
}

BlockHeader HeadHeader() {
  BlockHeader header;
  header.kind = BlockKind::kHead;
  header.session = kSession;
  header.position = 1078;
  header.records_before = 187;
  header.time_ns = 1'700'000'000'623'456'789;
  return header;
}

void ExpectGoldenFrame(const std::string& name, std::string_view topic,
                       const BlockHeader& header) {
  SCOPED_TRACE(name);
  const std::string golden = GoldenBytes(name);
  EXPECT_EQ(EncodeFrame(topic, header), golden);
  const ParsedFrame parsed = ParseFrame(AsBytes(golden));
  EXPECT_EQ(parsed.topic, topic);
  EXPECT_EQ(parsed.header, header);
}

void ExpectGoldenError(const std::string& name, HeaderError error) {
  SCOPED_TRACE(name);
  const std::string golden = GoldenBytes(name);
  const ParsedFrame parsed = ParseFrame(AsBytes(golden));
  EXPECT_FALSE(parsed.header.has_value());
  EXPECT_EQ(Describe(parsed.error), Describe(error));
}

TEST(Golden, EveryFileStandsInTheDocumentAndNothingElseDoes) {
  const auto files = GoldenFiles();
  const auto examples = Examples();
  EXPECT_FALSE(files.empty());
  for (const auto& [name, text] : files) {
    const auto found = examples.find(name);
    if (found == examples.end()) {
      ADD_FAILURE() << "PROTOCOL.md has no example " << name;
    } else {
      EXPECT_EQ(found->second, text) << name;
    }
  }
  for (const auto& [name, text] : examples) {
    EXPECT_EQ(files.count(name), 1U) << "tests/golden has no file " << name;
  }
}

TEST(Golden, TheDataBlockIsWhatTheCodecWritesAndReads) {
  ExpectGoldenFrame("frame_data", "demo", GoldenHeader());
  EXPECT_EQ(GoldenBytes("payload_data"), "one\ntwo\nthree\n");
}

TEST(Golden, TheReplayIsWhatTheCodecWritesAndReads) {
  const std::string payload = GoldenBytes("payload_replay");
  EXPECT_EQ(payload, "two\nthree\n");
  BlockHeader header = GoldenHeader();
  header.position = 1004;
  header.length = 10;
  header.records = 2;
  header.records_before = 121;
  header.checksum = Checksum(AsBytes(payload));
  ExpectGoldenFrame("frame_replay", "", header);
}

TEST(Golden, TheBlockWithoutAChecksumIsWhatTheCodecWritesAndReads) {
  BlockHeader header = GoldenHeader();
  header.checksummed = false;
  header.checksum = 0;
  ExpectGoldenFrame("frame_unchecked", "demo", header);
}

TEST(Golden, TheChecksumOfACompressedBlockIsThatOfThePayloadAsSent) {
  BlockHeader header = GoldenHeader();
  header.codec = Codec::kZstd;
  header.position = 1014;
  header.length = 64;
  header.records = 64;
  header.records_before = 123;
  header.checksum = Checksum(AsBytes(GoldenBytes("payload_zstd")));
  ExpectGoldenFrame("frame_zstd", "demo", header);
  Decompressor decompressor;
  const auto plain =
      decompressor.Decompress(AsBytes(GoldenBytes("payload_zstd")), header.length);
  ASSERT_TRUE(plain);
  EXPECT_EQ(AsText(plain->bytes), std::string(64, '\n'));
}

TEST(Golden, TheHeadIsWhatTheCodecWritesAndReads) {
  ExpectGoldenFrame("frame_head", "demo", HeadHeader());
}

TEST(Golden, TheEndOfStreamIsWhatTheCodecWritesAndReads) {
  BlockHeader header = HeadHeader();
  header.kind = BlockKind::kEndOfStream;
  header.time_ns = 1'700'000'001'123'456'789;
  header.exit_status = 3;
  ExpectGoldenFrame("frame_end", "demo", header);
}

TEST(Golden, TheBadFramesAreRefusedForTheirReasons) {
  ExpectGoldenError("bad_check", HeaderError::kChecksum);
  ExpectGoldenError("bad_version", HeaderError::kVersion);
  ExpectGoldenError("bad_length", HeaderError::kLength);
}

std::map<std::string, control::Message> GoldenMessages() {
  using namespace control;
  using From = ReadFrom::Kind;
  Welcome welcome;
  welcome.stream = "demo";
  welcome.session = kSession;
  welcome.tail = 200;
  welcome.head = 1014;
  welcome.journal = "/run/user/1000/pipedup/demo";
  welcome.started_ns = 1'700'000'000'000'000'000;
  welcome.now_ns = 1'700'000'002'000'000'000;
  Stats stats;
  stats.stream = "demo";
  stats.session = kSession;
  stats.tail = 200;
  stats.head = 1014;
  stats.counters = {{"blocks_published", 7}, {"bytes_published", 1014}};
  stats.subscribers_total = 1;
  stats.subscribers = {{"9f86d081884c7d65", "errors only", "worker-7", "192.0.2.17", "ops",
                        4711, Role::kSub, Mode::kLive, 1000, 14, 0.25, 0, false}};
  constexpr std::uint64_t kLastRequest = 0xFFFFFFFFFFFFFFFF;
  return {
      {"hello", Hello{1,
                      "9f86d081884c7d65",
                      "demo",
                      "errors only",
                      "worker-7",
                      4711,
                      Role::kSub,
                      {"zstd"}}},
      {"hello_any_stream", Hello{1, "60303ae22b998861", {}, "", "edge-1", 12, Role::kRelay}},
      {"welcome", welcome},
      {"refused", Refused{"stream", "no stream 'dmeo' here: there is 'demo'"}},
      {"read_position", Read{1, kSession, {From::kPosition, 1000}, kMaxReadBytes}},
      {"read_last", Read{2, kSession, {From::kLast, 100}, 65536}},
      {"read_since", Read{3, kSession, {From::kSince, 1'700'000'000'000'000'000}, 65536}},
      {"read_ping", Read{kLastRequest, kSession, {From::kPosition, 1014}, 0}},
      {"done", Done{1, Done::Outcome::kOk, kSession, 1014, 200, 1014, false}},
      {"done_gone", Done{1, Done::Outcome::kGone, kSession, 1000, 70000, 900000, false}},
      {"done_wrong_session", Done{1, Done::Outcome::kWrongSession, 0xa5, 0, 0, 4096, true}},
      {"status", Status{kSession, 1014, 0, Mode::kCatchUp}},
      {"stats_request", StatsRequest{}},
      {"stats_of_stream", StatsRequest{"web2"}},
      {"stats", stats},
      {"let_go", LetGo{"took nothing for 30 s"}},
      {"error", Error{"unknown-member", "say hello first"}},
      {"bye", Bye{}},
      {"list", List{}},
      {"list_after", List{"web2"}},
      {"streams", Streams{{{"web1", kSession, true}, {"web2", 0xa5, false}}, true}},
  };
}

TEST(Golden, EveryControlMessageIsWhatTheCodecWritesAndReads) {
  const auto messages = GoldenMessages();
  for (const auto& [name, text] : GoldenFiles()) {
    if (!name.ends_with(".json")) continue;
    SCOPED_TRACE(name);
    const auto expected = messages.find(fs::path(name).stem());
    if (expected == messages.end()) {
      ADD_FAILURE() << "no message to compare it with";
      continue;
    }
    EXPECT_EQ(control::Encode(expected->second), Compact(text));
    const control::ParseResult parsed = control::Parse(AsBytes(text));
    if (const auto* failure = std::get_if<control::ParseFailure>(&parsed)) {
      ADD_FAILURE() << failure->reason;
    } else {
      EXPECT_EQ(std::get<control::Message>(parsed), expected->second);
    }
  }
}

TEST(Golden, EveryControlMessageHasItsFile) {
  const auto files = GoldenFiles();
  for (const auto& [name, message] : GoldenMessages()) {
    EXPECT_EQ(files.count(name + ".json"), 1U) << name;
  }
}

}  // namespace
}  // namespace pipedup
