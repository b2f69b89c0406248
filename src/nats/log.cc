#include "nats/log.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/checksum.h"
#include "base/error.h"
#include "base/text.h"
#include "wire/control.h"

namespace pipedup::nats {
namespace {

using Json = nlohmann::json;

constexpr auto kReadPatience = std::chrono::milliseconds(500);
constexpr int kReadAttempts = 4;
constexpr auto kLookAgain = std::chrono::milliseconds(5);
constexpr auto kPatience = std::chrono::milliseconds(1500);  // an election takes some seconds
constexpr const char* kBlockHeader = "Pipedup-Block";
constexpr const char* kNoteHeader = "Pipedup-Session";
constexpr const char* kIdHeader = "Nats-Msg-Id";
constexpr const char* kPlaceHeader = "Nats-Expected-Last-Sequence";
constexpr const char* kSequenceHeader = "Nats-Sequence";
constexpr std::chrono::nanoseconds kAwayAfter = std::chrono::seconds(4);
constexpr int kWrongSequence = 10071;
constexpr int kNoStream = 10059;
constexpr int kNoMessage = 10037;
// After this long a message that comes a second time is stored a second time; a retry comes
// within seconds, and is refused then as it is not where it belongs.
constexpr std::chrono::nanoseconds kDuplicates = std::chrono::minutes(2);

std::string ToHex(ByteSpan bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

std::optional<EncodedHeader> FromHex(std::string_view text) {
  EncodedHeader bytes{};
  if (text.size() != 2 * bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    unsigned value = 0;
    const auto [end, error] =
        std::from_chars(text.data() + 2 * i, text.data() + 2 * i + 2, value, 16);
    if (error != std::errc() || end != text.data() + 2 * i + 2) return std::nullopt;
    bytes[i] = static_cast<std::byte>(value);
  }
  return bytes;
}

template <typename Number>
std::optional<Number> ParseNumber(std::string_view text, int base = 10) {
  Number value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string EncodeNote(const Note& note) {
  Json past = Json::array();
  for (const PastSession& one : note.past) past.push_back({Hex(one.session), one.end});
  Json json{{"stream", note.stream},
            {"records", control::ToText(note.records)},
            {"started_ns", note.started_ns}};
  if (!past.empty()) json["past"] = past;
  if (note.left) json["left"] = true;
  if (note.claim) json["claim"] = true;
  return json.dump();
}

std::optional<Note> DecodeNote(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    Note note;
    note.stream = json.at("stream").get<std::string>();
    if (!IsValidStreamName(note.stream)) return std::nullopt;
    const auto records = control::ParseRecordFormat(json.at("records").get<std::string>());
    if (!records) return std::nullopt;
    note.records = *records;
    note.started_ns = json.at("started_ns").get<std::int64_t>();
    note.left = json.value("left", false);
    note.claim = json.value("claim", false);
    for (const Json& one : json.value("past", Json::array())) {
      const auto session = ParseNumber<SessionId>(one.at(0).get<std::string>(), 16);
      if (!session) return std::nullopt;
      note.past.push_back({*session, one.at(1).get<Position>()});
    }
    return note;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

Json ParseAnswer(const std::string& what, const std::optional<Message>& answer) {
  if (!answer) throw Error("nats: " + what + ": no answer", kExitUnreachable);
  try {
    return Json::parse(AsText(answer->data()));
  } catch (const Json::exception&) {
    throw Error("nats: " + what + ": not an answer of JetStream", kExitUnreachable);
  }
}

/// JetStream's number of an error, and how it describes it.
struct Refusal {
  int code = 0;  ///< 0: there is none
  std::string text;
};

Refusal RefusalOf(const Json& answer) {
  const auto error = answer.find("error");
  if (error == answer.end()) return {};
  try {
    return {error->value("err_code", error->value("code", 1)),
            Escape(error->value("description", std::string("an error")))};
  } catch (const Json::exception&) {
    return {1, "an error that is not as JetStream describes it"};
  }
}

/// A server by itself has no cluster, and keeps the only copy.
std::vector<control::Replica> ReplicasOf(const Json& cluster) {
  using control::ReplicaState;
  std::vector<control::Replica> replicas;
  const auto add = [&replicas](const std::string& name, ReplicaState state) {
    if (replicas.size() == control::kMaxReplicas) return;
    replicas.push_back({Escape(name).substr(0, control::kMaxNameBytes), state});
  };
  const std::string leader = cluster.value("leader", std::string());
  if (!leader.empty()) add(leader, ReplicaState::kLeader);
  for (const Json& one : cluster.value("replicas", Json::array())) {
    // Leaders hear of each about once a second, and call one offline after minutes only.
    const bool away = one.value("offline", false) ||
                      one.value("active", std::int64_t{0}) > kAwayAfter.count();
    const bool current = one.value("current", false);
    add(one.value("name", std::string()), away      ? ReplicaState::kAway
                                          : current ? ReplicaState::kCurrent
                                                    : ReplicaState::kBehind);
  }
  return replicas;
}

[[noreturn]] void Refused(const std::string& what, const Refusal& refusal) {
  throw Error("nats: " + what + ": " + refusal.text, kExitUnreachable);
}

}  // namespace

std::string SubjectOf(const std::string& name) {
  return "pipedup." + name;
}

std::string HeadSubjectOf(const std::string& name) {
  return "pipedup." + name + ".head";
}

Headers EncodeEntry(const BlockHeader& header, const Note& note,
                    std::optional<std::uint64_t> after) {
  std::string id = Hex(header.session) + ":" + std::to_string(header.position);
  // These have a place in the log and none in the stream: they may come again there.
  if (header.kind != BlockKind::kData) {
    id += ":" + std::to_string(after.value_or(0)) + ":" + std::to_string(header.time_ns);
  }
  Headers headers = {{kBlockHeader, ToHex(EncodeHeader(header))},
                     {kNoteHeader, EncodeNote(note)},
                     {kIdHeader, id}};
  if (after) headers.emplace_back(kPlaceHeader, std::to_string(*after));
  return headers;
}

std::optional<Entry> DecodeEntry(const Message& message, std::uint64_t sequence,
                                 std::string* why) {
  Entry entry;
  entry.sequence = sequence;
  const auto block = message.Header(kBlockHeader);
  const auto note = message.Header(kNoteHeader);
  if (!block || !note) {
    *why = "not a block: somebody else has written to the stream";
    return std::nullopt;
  }
  const auto encoded = FromHex(*block);
  const ParsedHeader parsed = encoded ? ParseHeader(*encoded) : ParsedHeader{};
  const auto decoded = DecodeNote(*note);
  if (!parsed.header || !decoded) {
    *why = encoded && !parsed.header ? std::string(Describe(parsed.error)) : "damaged headers";
    return std::nullopt;
  }
  entry.header = *parsed.header;
  entry.note = *decoded;
  entry.bytes = message.Share();
  const bool data = entry.header.kind == BlockKind::kData;
  if (entry.header.codec != Codec::kNone) {
    *why = "stored compressed, which no publisher does";
    return std::nullopt;
  }
  if (entry.bytes.size() != entry.header.length) {
    *why = "header and bytes differ in length";
    return std::nullopt;
  }
  if (data && entry.header.checksummed &&
      Checksum(entry.bytes.bytes) != entry.header.checksum) {
    *why = "bad checksum";
    return std::nullopt;
  }
  return entry;
}

Acknowledgement ParseAcknowledgement(const Message& message) {
  Acknowledgement made;
  if (const auto status = message.Header("Status")) {
    made.error = *status == "503" ? "the stream has no leader" : "status " + Escape(*status);
    return made;
  }
  try {
    const Json json = Json::parse(AsText(message.data()));
    if (Refusal refusal = RefusalOf(json); refusal.code != 0) {
      made.misplaced = refusal.code == kWrongSequence;
      made.error = std::move(refusal.text);
      return made;
    }
    made.sequence = json.at("seq").get<std::uint64_t>();
    made.stored = true;
  } catch (const Json::exception&) {
    made.error = "not an acknowledgement";
  }
  return made;
}

std::optional<LogState> ParseHead(const std::string& name, const Message& message) {
  const std::string what = "stream " + name;
  const Json answer = ParseAnswer(what, message);
  const Refusal refusal = RefusalOf(answer);
  if (refusal.code == kNoStream) return std::nullopt;
  if (refusal.code != 0) Refused(what, refusal);
  try {
    const Json& config = answer.at("config");
    const auto subjects = config.at("subjects").get<std::vector<std::string>>();
    if (std::ranges::find(subjects, SubjectOf(name)) == subjects.end()) {
      throw Error("nats: " + what + ": it is there, and not for pipedup: its subject is not '" +
                  SubjectOf(name) + "'");
    }
    if (!config.value("allow_direct", false)) {
      throw Error("nats: " + what + ": it cannot be read directly: set allow_direct");
    }
    LogState state;
    state.first = answer.at("state").at("first_seq").get<std::uint64_t>();
    state.last = answer.at("state").at("last_seq").get<std::uint64_t>();
    if (answer.at("state").at("messages").get<std::uint64_t>() == 0) {
      state.first = state.last + 1;
    }
    state.num_replicas = config.value("num_replicas", std::uint64_t{1});
    state.max_bytes = static_cast<std::uint64_t>(
        std::max(config.value("max_bytes", std::int64_t{-1}), std::int64_t{0}));
    state.age = std::chrono::nanoseconds(
        std::max(config.value("max_age", std::int64_t{0}), std::int64_t{0}));
    state.replicas = ReplicasOf(answer.value("cluster", Json::object()));
    return state;
  } catch (const Json::exception& error) {
    throw Error("nats: " + what + ": not as JetStream describes it", kExitUnreachable);
  }
}

void Log::Open() {
  if (!Head()) {
    const std::chrono::nanoseconds age = options_.retain_age;
    const Json config{{"name", options_.name},
                      {"subjects", {SubjectOf(options_.name)}},
                      {"retention", "limits"},
                      {"storage", "file"},
                      {"discard", "old"},
                      {"num_replicas", options_.replicas},
                      {"max_consumers", -1},
                      {"max_msgs", -1},
                      {"max_msg_size", -1},
                      {"max_bytes", options_.retain_bytes == 0
                                        ? std::int64_t{-1}
                                        : static_cast<std::int64_t>(options_.retain_bytes)},
                      {"max_age", age.count()},
                      {"duplicate_window",
                       (age.count() == 0 ? kDuplicates : std::min(kDuplicates, age)).count()},
                      {"allow_direct", true}};
    const Json made =
        ParseAnswer("make stream " + options_.name,
                    connection_.Request("$JS.API.STREAM.CREATE." + options_.name, {},
                                        AsBytes(config.dump()), 2 * kPatience));
    const Refusal refusal = RefusalOf(made);
    if (refusal.code != 0 && !Head()) Refused("make stream " + options_.name, refusal);
  }
}

std::optional<LogState> Log::Head() {
  const auto answer = connection_.Request(HeadSubject(), {}, {}, kPatience);
  if (!answer) throw Error("nats: stream " + options_.name + ": no answer", kExitUnreachable);
  return ParseHead(options_.name, *answer);
}

std::string Log::HeadSubject() const {
  return "$JS.API.STREAM.INFO." + options_.name;
}

std::optional<Entry> Log::Last(const LogState& state) {
  for (std::uint64_t sequence = state.last; sequence >= state.first && sequence > 0;
       --sequence) {
    auto entry = ReadSurely(sequence);
    if (entry && entry->header.session != 0) return entry;
  }
  return std::nullopt;
}

std::optional<Entry> Log::ReadSurely(std::uint64_t sequence) {
  const TimePoint deadline = Clock::now() + kPatience;
  for (;;) {
    // The leader has all that was acknowledged; the server that is read has it soon.
    if (auto entry = Read(sequence)) return entry;
    if (Clock::now() > deadline) {
      if (!Has(sequence)) return std::nullopt;
      throw Error("nats: stream " + options_.name + ": no server has message " +
                      std::to_string(sequence),
                  kExitUnreachable);
    }
    std::this_thread::sleep_for(kLookAgain);
  }
}

Acknowledgement Log::Append(const BlockHeader& header, const Note& note,
                            std::optional<std::uint64_t> after) {
  const auto answer = connection_.Request(SubjectOf(options_.name),
                                          EncodeEntry(header, note, after), {}, kPatience);
  if (!answer) {
    throw Error("nats: stream " + options_.name + ": nothing is acknowledged",
                kExitUnreachable);
  }
  return ParseAcknowledgement(*answer);
}

std::optional<Entry> Log::Read(std::uint64_t sequence) {
  for (int i = 0; i < kReadAttempts;
       ++i) {  // one may have been passed to a server that is dead
    const auto answer =
        connection_.Request(ReadSubject(), {}, AsBytes(ReadRequest(sequence)), kReadPatience);
    if (answer) return ParseRead(*answer, sequence);
  }
  throw Error("nats: stream " + options_.name + ": no answer", kExitUnreachable);
}

bool Log::Has(std::uint64_t sequence) {
  const std::string what = "message " + std::to_string(sequence) + " of " + options_.name;
  const Json answer =
      ParseAnswer(what, connection_.Request("$JS.API.STREAM.MSG.GET." + options_.name, {},
                                            AsBytes(ReadRequest(sequence)), kPatience));
  const Refusal refusal = RefusalOf(answer);
  if (refusal.code == kNoMessage) return false;
  if (refusal.code != 0) Refused(what, refusal);
  return true;
}

std::string Log::ReadRequest(std::uint64_t sequence) {
  return "{\"seq\":" + std::to_string(sequence) + "}";
}

std::string Log::NextRequest(std::uint64_t sequence) const {
  return Json{{"seq", sequence}, {"next_by_subj", SubjectOf(options_.name)}}.dump();
}

std::optional<std::uint64_t> Log::SequenceOf(const Message& answer) {
  const auto digits = answer.Header(kSequenceHeader);
  return digits ? ParseNumber<std::uint64_t>(*digits) : std::nullopt;
}

std::string Log::ReadSubject() const {
  return "$JS.API.DIRECT.GET." + options_.name;
}

std::optional<Entry> Log::ParseRead(const Message& answer, std::uint64_t sequence) {
  std::string why;
  Entry damaged;
  damaged.sequence = sequence;
  const auto number = SequenceOf(answer);
  if (!number && answer.Header("Status")) return std::nullopt;  // 404, or nobody serves it
  if (number != sequence) return damaged;
  auto entry = DecodeEntry(answer, sequence, &why);
  if (!entry) return damaged;
  if (entry->note.claim) entry->header.session = 0;
  return entry;
}

}  // namespace pipedup::nats
