// Long, because both directions stand side by side: the two lists of members of a message must
// agree with each other and with PROTOCOL.md, and one name and one limit serve both.
#include "wire/control.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "wire/block_header.h"

namespace pipedup::control {
namespace {

using nlohmann::json;          // parsed: members by name
using nlohmann::ordered_json;  // encoded: members in the order in which they are written, op
                               // first

// Limits. Source: src/wire/PROTOCOL.md, "Control messages".
constexpr std::size_t kMaxIdBytes = 64;
constexpr std::size_t kMaxCodeBytes = 64;
constexpr std::size_t kMaxEndpointBytes = 1024;
constexpr std::size_t kMaxPathBytes = 4096;
constexpr std::size_t kSessionDigits = 16;
constexpr std::uint64_t kMaxHeartbeatMs = 60 * 60 * 1000;
constexpr int kMaxDepth = 16;

// ---- words ----

template <typename Enum>
using Word = std::pair<Enum, std::string_view>;

constexpr std::array kRoles = {Word<Role>{Role::kSub, "sub"}, Word<Role>{Role::kTap, "tap"},
                               Word<Role>{Role::kRelay, "relay"},
                               Word<Role>{Role::kTop, "top"}};
constexpr std::array kModes = {
    Word<Mode>{Mode::kJoining, "joining"}, Word<Mode>{Mode::kCatchUp, "catch-up"},
    Word<Mode>{Mode::kLive, "live"}, Word<Mode>{Mode::kAttached, "attached"},
    Word<Mode>{Mode::kEnded, "ended"}};
constexpr std::array kReplicaStates = {Word<ReplicaState>{ReplicaState::kLeader, "leader"},
                                       Word<ReplicaState>{ReplicaState::kCurrent, "current"},
                                       Word<ReplicaState>{ReplicaState::kBehind, "behind"},
                                       Word<ReplicaState>{ReplicaState::kAway, "away"}};
constexpr std::array kFormats = {Word<RecordFormat>{RecordFormat::kLines, "lines"},
                                 Word<RecordFormat>{RecordFormat::kNul, "nul"},
                                 Word<RecordFormat>{RecordFormat::kRaw, "raw"}};
constexpr std::array kOutcomes = {
    Word<Done::Outcome>{Done::Outcome::kOk, "ok"},
    Word<Done::Outcome>{Done::Outcome::kGone, "gone"},
    Word<Done::Outcome>{Done::Outcome::kWrongSession, "wrong-session"}};

template <typename Words, typename Enum>
std::string_view WordFor(const Words& words, Enum value) {
  const auto found =
      std::ranges::find(words, value, [](const auto& word) { return word.first; });
  return found == words.end() ? "unknown" : found->second;
}

template <typename Words>
auto ValueOf(const Words& words, std::string_view text) {
  const auto found =
      std::ranges::find(words, text, [](const auto& word) { return word.second; });
  return found == words.end() ? std::nullopt : std::optional(found->first);
}

bool IsLowerHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}
bool IsHexDigit(char c) {
  return IsLowerHexDigit(c) || (c >= 'A' && c <= 'F');
}

std::string SessionText(SessionId session) {
  std::string text(kSessionDigits, '0');
  for (std::size_t i = kSessionDigits; i-- > 0; session >>= 4) {
    text[i] = "0123456789abcdef"[session & 0xf];
  }
  return text;
}

// ---- encode ----

ordered_json ToJson(const ReadFrom& from) {
  switch (from.kind) {
    case ReadFrom::Kind::kLast:
      return ordered_json::object({{"last", from.value}});
    case ReadFrom::Kind::kSince:
      return ordered_json::object({{"since", from.value}});
    case ReadFrom::Kind::kPosition:
      break;
  }
  return from.value;
}

ordered_json ToJson(const Hello& hello) {
  auto object = ordered_json::object({{"op", "hello"}, {"v", hello.version}, {"id", hello.id}});
  if (hello.stream) object["stream"] = *hello.stream;
  object["name"] = hello.name;
  object["host"] = hello.host;
  object["pid"] = hello.pid;
  object["role"] = ToText(hello.role);
  if (!hello.codecs.empty()) object["codecs"] = hello.codecs;
  return object;
}

ordered_json ToJson(const Read& read) {
  return ordered_json::object({{"op", "read"},
                               {"request", read.request},
                               {"session", SessionText(read.session)},
                               {"from", ToJson(read.from)},
                               {"max", read.max}});
}

ordered_json ToJson(const Status& status) {
  return ordered_json::object({{"op", "status"},
                               {"session", SessionText(status.session)},
                               {"position", status.position},
                               {"lost", status.lost},
                               {"mode", ToText(status.mode)}});
}

ordered_json ToJson(const StatsRequest& request) {
  auto object = ordered_json::object({{"op", "stats"}});
  if (request.stream) object["stream"] = *request.stream;
  return object;
}

ordered_json ToJson(const List& list) {
  auto object = ordered_json::object({{"op", "list"}});
  if (!list.after.empty()) object["after"] = list.after;
  return object;
}

ordered_json ToJson(const ListedStream& one) {
  return ordered_json::object(
      {{"stream", one.stream}, {"session", SessionText(one.session)}, {"ended", one.ended}});
}

ordered_json ToJson(const Bye&) {
  return ordered_json::object({{"op", "bye"}});
}

ordered_json ToJson(const std::vector<Past>& past) {
  ordered_json list = ordered_json::array();
  for (const Past& each : past) {
    list.push_back(
        ordered_json::object({{"session", SessionText(each.session)}, {"end", each.end}}));
  }
  return list;
}

ordered_json ToJson(const Welcome& welcome) {
  ordered_json object = ordered_json::object({{"op", "welcome"},
                                              {"v", welcome.version},
                                              {"stream", welcome.stream},
                                              {"session", SessionText(welcome.session)},
                                              {"tail", welcome.tail},
                                              {"head", welcome.head},
                                              {"records", ToText(welcome.records)},
                                              {"codec", welcome.codec},
                                              {"data", welcome.data},
                                              {"journal", welcome.journal},
                                              {"started", welcome.started_ns},
                                              {"now", welcome.now_ns},
                                              {"ended", welcome.ended},
                                              {"heartbeat_ms", welcome.heartbeat_ms},
                                              {"window", welcome.window}});
  if (!welcome.past.empty()) object["past"] = ToJson(welcome.past);
  if (!welcome.path.empty()) object["path"] = welcome.path;
  if (welcome.reached > welcome.head) object["reached"] = welcome.reached;
  return object;
}

ordered_json ToJson(const Refused& refused) {
  return ordered_json::object(
      {{"op", "refused"}, {"code", refused.code}, {"reason", refused.reason}});
}

ordered_json ToJson(const Done& done) {
  ordered_json object = ordered_json::object({{"op", "done"},
                                              {"request", done.request},
                                              {"outcome", WordFor(kOutcomes, done.outcome)},
                                              {"session", SessionText(done.session)},
                                              {"next", done.next},
                                              {"tail", done.tail},
                                              {"head", done.head},
                                              {"ended", done.ended}});
  if (!done.reason.empty()) object["reason"] = done.reason;
  return object;
}

ordered_json ToJson(const LetGo& let_go) {
  return ordered_json::object({{"op", "let-go"}, {"reason", let_go.reason}});
}

ordered_json ToJson(const Error& error) {
  ordered_json object =
      ordered_json::object({{"op", "error"}, {"code", error.code}, {"reason", error.reason}});
  if (error.request) object["request"] = *error.request;
  return object;
}

ordered_json ToJson(const SubscriberRow& row) {
  auto object = ordered_json::object(
      {{"id", row.id},
       {"name", row.name},
       {"host", row.host},
       {"address", row.address},
       {"key", row.key},
       {"pid", row.pid},
       {"role", ToText(row.role)},
       {"mode", ToText(row.mode)},
       {"position", row.position},
       {"lag_bytes", row.lag_bytes},
       {"lag_seconds", std::isfinite(row.lag_seconds) ? row.lag_seconds : 0.0},
       {"lost", row.lost},
       {"holds", row.holds}});
  for (const Replica& replica : row.replicas) {
    object["replicas"].push_back(
        ordered_json::object({{"name", replica.name}, {"state", ToText(replica.state)}}));
  }
  return object;
}

/// All but the rows, of which as many follow as fit.
ordered_json ToJson(const Stats& stats) {
  return ordered_json::object(
      {{"op", "stats"},
       {"stream", stats.stream},
       {"session", SessionText(stats.session)},
       {"tail", stats.tail},
       {"head", stats.head},
       {"counters", stats.counters},
       {"subscribers_total",
        std::max<std::uint64_t>(stats.subscribers_total, stats.subscribers.size())},
       {"subscribers", ordered_json::array()}});
}

std::string Dump(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

template <typename One>
std::string EncodeOne(const One& message) {
  return Dump(ToJson(message));
}

std::string EncodeOne(const Streams& streams) {
  constexpr std::string_view kTail = R"(],"more":false})";
  std::string text = R"({"op":"streams","streams":[)";
  bool more = streams.more;
  bool is_first = true;
  for (const ListedStream& one : streams.streams) {
    const std::string row = Dump(ToJson(one));
    if (text.size() + 1 + row.size() + kTail.size() > kMaxStreamsBytes) {
      more = true;
      break;
    }
    if (!is_first) text += ',';
    is_first = false;
    text += row;
  }
  return text + R"(],"more":)" + (more ? "true}" : "false}");
}

std::string EncodeOne(const Stats& stats) {
  constexpr std::string_view kTail = "]}";  // of the empty list, which is the last member
  std::string text = Dump(ToJson(stats));
  text.resize(text.size() - kTail.size());
  bool is_first = true;
  for (const SubscriberRow& row : stats.subscribers) {
    const std::string row_text = Dump(ToJson(row));
    if (text.size() + 1 + row_text.size() + kTail.size() > kMaxAnswerBytes) break;
    if (!is_first) text += ',';
    is_first = false;
    text += row_text;
  }
  text += kTail;
  return text;
}

// ---- parse ----

/// True for text that must not reach the JSON library: nested beyond reason, or with a NUL,
/// which the library takes for the end of the text.
bool IsHostile(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\0') return true;
    if (c == '"') {
      in_string = !in_string;
    } else if (in_string) {
      if (c == '\\')
        ++i;  // a NUL skipped here is inside a string, where the library refuses it
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

/// Takes members out of a JSON object. The first one that is missing or out of range is kept in
/// failure(); what is returned for it, and for any after it, is of no use. A null is as good as
/// no member. A member with a `fallback` may be missing; any other may not.
class Members {
 public:
  explicit Members(const json& object) : object_(object) {}

  const std::string& failure() const { return failure_; }

  void Fail(std::string_view name, std::string_view what) {
    if (failure_.empty()) failure_.append(name).append(": ").append(what);
  }

  /// The member of that name, or none.
  const json* Find(const char* name) const {
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  /// The member of that name if it is of the type that `is_type` tests for.
  const json* Find(const char* name, bool (json::*is_type)() const noexcept,
                   bool may_be_missing, std::string_view type) {
    const json* const member = Find(name);
    if (member == nullptr) {
      if (!may_be_missing) Fail(name, "missing");
      return nullptr;
    }
    if ((member->*is_type)()) return member;
    Fail(name, type);
    return nullptr;
  }

  std::uint64_t Unsigned(const char* name, std::optional<std::uint64_t> fallback = {},
                         std::uint64_t least = 0,
                         std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    const json* const member =
        Find(name, &json::is_number_unsigned, fallback.has_value(), "not an unsigned integer");
    if (member == nullptr) return fallback.value_or(least);
    const auto value = member->get<std::uint64_t>();
    if (value < least || value > most) Fail(name, "out of range");
    return value;
  }

  std::int64_t Signed(const char* name, std::int64_t fallback,
                      std::int64_t least = std::numeric_limits<std::int64_t>::min()) {
    const json* const member = Find(name, &json::is_number_integer, true, "not an integer");
    if (member == nullptr) return fallback;
    const auto value = member->get<std::int64_t>();
    const bool overflows = member->is_number_unsigned() && value < 0;
    if (overflows || value < least) Fail(name, "out of range");
    return value;
  }

  double Seconds(const char* name) {
    const json* const member = Find(name, &json::is_number, false, "not a number");
    if (member == nullptr) return 0;
    const auto value = member->get<double>();
    if (!(std::isfinite(value) && value >= 0)) Fail(name, "out of range");
    return value;
  }

  bool Flag(const char* name, bool fallback) {
    const json* const member = Find(name, &json::is_boolean, true, "not true or false");
    return member == nullptr ? fallback : member->get<bool>();
  }

  std::string Text(const char* name, std::optional<std::string_view> fallback = {},
                   std::size_t least_bytes = 0,
                   std::size_t most_bytes = std::numeric_limits<std::size_t>::max()) {
    const json* const member =
        Find(name, &json::is_string, fallback.has_value(), "not a string");
    if (member == nullptr) return std::string(fallback.value_or(""));
    const auto& value = member->get_ref<const std::string&>();
    if (value.size() < least_bytes) Fail(name, "too short");
    if (value.size() > most_bytes) Fail(name, "too long");
    return value;
  }

  std::string StreamName(const char* name) {
    std::string value = Text(name);
    if (!IsValidStreamName(value)) Fail(name, "not a stream name");
    return value;
  }

  std::string Id(const char* name) {
    std::string value = Text(name, {}, 1, kMaxIdBytes);
    if (!std::ranges::all_of(value, IsHexDigit)) Fail(name, "not hex digits");
    return value;
  }

  SessionId Session(const char* name) {
    const std::string text = Text(name);
    if (text.size() != kSessionDigits || !std::ranges::all_of(text, IsLowerHexDigit)) {
      Fail(name, "not 16 lower-case hex digits");
      return 0;
    }
    SessionId session = 0;
    for (const char c : text) {
      session = (session << 4) | static_cast<SessionId>(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    if (session == 0) Fail(name, "no session");
    return session;
  }

  /// One of `words`; `fallback`, if any, is one of them.
  template <typename Words>
  auto OneOf(const char* name, const Words& words,
             std::optional<std::string_view> fallback = {}) {
    const auto value = ValueOf(words, Text(name, fallback));
    if (!value) Fail(name, "unknown word");
    return value.value_or(words.front().first);
  }

  int Version(const char* name) {
    return static_cast<int>(Unsigned(name, {}, 1, std::numeric_limits<int>::max()));
  }

 private:
  const json& object_;
  std::string failure_;
};

void ParseCodecs(Members& members, Hello& hello) {
  const json* const list = members.Find("codecs", &json::is_array, true, "not a list");
  if (list == nullptr) return;
  if (list->size() > kMaxCodecs) members.Fail("codecs", "too long");
  for (const json& item : *list) {
    const auto* const name = item.get_ptr<const std::string*>();
    if (name == nullptr || name->empty() || name->size() > kMaxCodeBytes) {
      members.Fail("codecs", "not a list of names");
      return;
    }
    hello.codecs.push_back(*name);
  }
}

/// Of another version only `v` can be trusted to mean what it means here, and it is all that is
/// needed to refuse it.
Message ParseHello(Members& members) {
  Hello hello;
  hello.version = members.Version("v");
  if (hello.version != kProtocolVersion) return hello;
  hello.id = members.Id("id");
  if (members.Find("stream") != nullptr) hello.stream = members.StreamName("stream");
  hello.name = members.Text("name", "", 0, kMaxNameBytes);
  hello.host = members.Text("host", "", 0, kMaxNameBytes);
  hello.pid = members.Signed("pid", 0, 0);
  hello.role = members.OneOf("role", kRoles, "sub");
  ParseCodecs(members, hello);
  return hello;
}

ReadFrom ParseReadFrom(Members& members) {
  const json* const from = members.Find("from");
  if (from == nullptr || !from->is_object()) {
    return {ReadFrom::Kind::kPosition, members.Unsigned("from")};
  }
  Members inner(*from);
  const bool is_last = inner.Find("last") != nullptr;
  if (is_last == (inner.Find("since") != nullptr)) {
    members.Fail("from", "must hold either last or since");
    return {};
  }
  const ReadFrom parsed{is_last ? ReadFrom::Kind::kLast : ReadFrom::Kind::kSince,
                        inner.Unsigned(is_last ? "last" : "since")};
  if (!inner.failure().empty()) members.Fail("from", inner.failure());
  return parsed;
}

Message ParseRead(Members& members) {
  Read read;
  read.request = members.Unsigned("request");
  read.session = members.Session("session");
  read.from = ParseReadFrom(members);
  read.max = members.Unsigned("max", {}, 0, kMaxReadBytes);
  return read;
}

Message ParseStatus(Members& members) {
  Status status;
  status.session = members.Session("session");
  status.position = members.Unsigned("position");
  status.lost = members.Unsigned("lost", 0);
  status.mode = members.OneOf("mode", kModes);
  return status;
}

Message ParseBye(Members&) {
  return Bye{};
}

/// `tail` and `head`: what is kept, and so never the wrong way round.
template <typename Answer>
void ParseKept(Members& members, Answer& answer) {
  answer.tail = members.Unsigned("tail");
  answer.head = members.Unsigned("head");
  if (answer.tail > answer.head) members.Fail("tail", "beyond head");
}

void ParsePast(Members& members, Welcome& welcome) {
  const json* const list = members.Find("past", &json::is_array, true, "not a list");
  if (list == nullptr) return;
  if (list->size() > kMaxPast) members.Fail("past", "too long");
  for (const json& item : *list) {
    if (!item.is_object()) {
      members.Fail("past", "not a list of objects");
      return;
    }
    Members past(item);
    welcome.past.push_back({past.Session("session"), past.Unsigned("end")});
    if (!past.failure().empty()) members.Fail("past", past.failure());
  }
}

void ParsePath(Members& members, Welcome& welcome) {
  const json* const list = members.Find("path", &json::is_array, true, "not a list");
  if (list == nullptr) return;
  if (list->size() > kMaxPath) members.Fail("path", "too long");
  for (const json& item : *list) {
    const auto* const id = item.get_ptr<const std::string*>();
    if (id == nullptr || id->empty() || id->size() > kMaxIdBytes) {
      members.Fail("path", "not a list of ids");
      return;
    }
    welcome.path.push_back(*id);
  }
}

Message ParseWelcome(Members& members) {
  Welcome welcome;
  welcome.version = members.Version("v");
  if (welcome.version != kProtocolVersion) return welcome;  // as in ParseHello
  welcome.stream = members.StreamName("stream");
  welcome.session = members.Session("session");
  ParseKept(members, welcome);
  welcome.records = members.OneOf("records", kFormats);
  welcome.codec = members.Text("codec", "none", 1, kMaxCodeBytes);
  welcome.data = members.Text("data", "", 0, kMaxEndpointBytes);
  welcome.journal = members.Text("journal", "", 0, kMaxPathBytes);
  welcome.started_ns = members.Signed("started", 0);
  welcome.now_ns = members.Signed("now", 0);
  welcome.ended = members.Flag("ended", false);
  welcome.heartbeat_ms = static_cast<std::uint32_t>(
      members.Unsigned("heartbeat_ms", welcome.heartbeat_ms, 1, kMaxHeartbeatMs));
  welcome.window = members.Unsigned("window", 0);
  ParsePast(members, welcome);
  ParsePath(members, welcome);
  welcome.reached = members.Unsigned("reached", 0);
  if (welcome.reached <= welcome.head) welcome.reached = 0;  // says nothing
  return welcome;
}

Message ParseRefused(Members& members) {
  Refused refused;
  refused.code = members.Text("code", {}, 1, kMaxCodeBytes);
  refused.reason = members.Text("reason", "");
  return refused;
}

Message ParseDone(Members& members) {
  Done done;
  done.request = members.Unsigned("request");
  done.outcome = members.OneOf("outcome", kOutcomes);
  done.session = members.Session("session");
  done.next = members.Unsigned("next");
  ParseKept(members, done);
  done.ended = members.Flag("ended", false);
  done.reason = members.Text("reason", "", 0, kMaxNameBytes);
  return done;
}

Message ParseLetGo(Members& members) {
  return LetGo{members.Text("reason", "")};
}

Message ParseError(Members& members) {
  Error error;
  error.code = members.Text("code", {}, 1, kMaxCodeBytes);
  error.reason = members.Text("reason", "");
  if (members.Find("request") != nullptr) error.request = members.Unsigned("request");
  return error;
}

void ParseReplicas(Members& members, SubscriberRow& row) {
  const json* const list = members.Find("replicas", &json::is_array, true, "not a list");
  if (list == nullptr) return;
  if (list->size() > kMaxReplicas) return members.Fail("replicas", "too long");
  for (const json& item : *list) {
    if (!item.is_object()) return members.Fail("replicas", "not a list of objects");
    Members replica(item);
    row.replicas.push_back(
        {replica.Text("name", {}, 0, kMaxNameBytes), replica.OneOf("state", kReplicaStates)});
    if (!replica.failure().empty()) members.Fail("replicas", replica.failure());
  }
}

SubscriberRow ParseRow(Members& members) {
  SubscriberRow row;
  row.id = members.Id("id");
  row.name = members.Text("name", "", 0, kMaxNameBytes);
  row.host = members.Text("host", "", 0, kMaxNameBytes);
  row.address = members.Text("address", "", 0, kMaxEndpointBytes);
  row.key = members.Text("key", "", 0, kMaxNameBytes);
  row.pid = members.Signed("pid", 0, 0);
  row.role = members.OneOf("role", kRoles, "sub");
  row.mode = members.OneOf("mode", kModes);
  row.position = members.Unsigned("position");
  row.lag_bytes = members.Unsigned("lag_bytes");
  row.lag_seconds = members.Seconds("lag_seconds");
  row.lost = members.Unsigned("lost");
  row.holds = members.Flag("holds", false);
  ParseReplicas(members, row);
  return row;
}

void ParseCounters(Members& members, Stats& stats) {
  const json* const counters =
      members.Find("counters", &json::is_object, false, "not an object");
  if (counters == nullptr) return;
  for (const auto& [name, value] : counters->items()) {
    if (!value.is_number_unsigned()) {
      return members.Fail("counters", "a value that is not an unsigned integer");
    }
    stats.counters.emplace(name, value.get<std::uint64_t>());
  }
}

void ParseRows(Members& members, Stats& stats) {
  const json* const rows = members.Find("subscribers", &json::is_array, true, "not a list");
  if (rows == nullptr) return;
  for (const json& row : *rows) {
    if (!row.is_object()) return members.Fail("subscribers", "a row that is not an object");
    Members inner(row);
    stats.subscribers.push_back(ParseRow(inner));
    if (!inner.failure().empty()) return members.Fail("subscribers", inner.failure());
  }
}

/// The answer carries counters, the request does not.
Message ParseStats(Members& members) {
  if (members.Find("counters") == nullptr) {
    StatsRequest request;
    if (members.Find("stream") != nullptr) request.stream = members.StreamName("stream");
    return request;
  }
  Stats stats;
  stats.stream = members.StreamName("stream");
  stats.session = members.Session("session");
  ParseKept(members, stats);
  ParseCounters(members, stats);
  ParseRows(members, stats);
  const std::uint64_t rows = stats.subscribers.size();
  stats.subscribers_total = std::max(rows, members.Unsigned("subscribers_total", rows));
  return stats;
}

Message ParseList(Members& members) {
  List list;
  if (members.Find("after") != nullptr) list.after = members.StreamName("after");
  return list;
}

Message ParseStreams(Members& members) {
  Streams streams;
  streams.more = members.Flag("more", false);
  const json* const list = members.Find("streams", &json::is_array, false, "not a list");
  if (list == nullptr) return streams;
  for (const json& item : *list) {
    if (!item.is_object()) {
      members.Fail("streams", "not a list of objects");
      break;
    }
    Members one(item);
    streams.streams.push_back(
        {one.StreamName("stream"), one.Session("session"), one.Flag("ended", false)});
    if (!one.failure().empty()) {
      members.Fail("streams", one.failure());
      break;
    }
  }
  return streams;
}

struct Op {
  std::string_view name;
  Message (*parse)(Members&);
};

constexpr std::array kOps = {
    Op{"hello", ParseHello},     Op{"read", ParseRead}, Op{"status", ParseStatus},
    Op{"stats", ParseStats},     Op{"bye", ParseBye},   Op{"welcome", ParseWelcome},
    Op{"refused", ParseRefused}, Op{"done", ParseDone}, Op{"let-go", ParseLetGo},
    Op{"error", ParseError},     Op{"list", ParseList}, Op{"streams", ParseStreams}};

bool IsRequest(const Message& message) {
  return std::holds_alternative<Hello>(message) || std::holds_alternative<Read>(message) ||
         std::holds_alternative<Status>(message) ||
         std::holds_alternative<StatsRequest>(message) ||
         std::holds_alternative<List>(message) || std::holds_alternative<Bye>(message);
}

ParseFailure Malformed(std::string reason) {
  return {false, std::move(reason)};
}

}  // namespace

std::string_view ToText(Role role) {
  return WordFor(kRoles, role);
}
std::string_view ToText(Mode mode) {
  return WordFor(kModes, mode);
}
std::string_view ToText(ReplicaState state) {
  return WordFor(kReplicaStates, state);
}
std::string_view ToText(RecordFormat format) {
  return WordFor(kFormats, format);
}

std::optional<Role> ParseRole(std::string_view text) {
  return ValueOf(kRoles, text);
}

std::optional<RecordFormat> ParseRecordFormat(std::string_view text) {
  return ValueOf(kFormats, text);
}

std::string Encode(const Message& message) {
  return std::visit([](const auto& one) { return EncodeOne(one); }, message);
}

ParseResult Parse(ByteSpan frame) {
  const std::string_view text = AsText(frame);
  if (text.size() > kMaxAnswerBytes) return Malformed("too long");
  if (IsHostile(text)) return Malformed("not JSON of a control message");
  const json object =
      json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return Malformed("not a JSON object");

  Members members(object);
  const std::string name = members.Text("op");
  if (!members.failure().empty()) return Malformed(members.failure());
  const auto op = std::ranges::find(kOps, name, &Op::name);
  if (op == kOps.end()) return ParseFailure{true, "unknown op"};

  Message message = op->parse(members);
  if (!members.failure().empty()) return Malformed(name + ": " + members.failure());
  if (IsRequest(message) && text.size() > kMaxRequestBytes)
    return Malformed(name + ": too long");
  return message;
}

}  // namespace pipedup::control
